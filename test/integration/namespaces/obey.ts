/** The puppet's side: one JSON command a line in, one JSON answer a line out. */
import { createInterface } from 'node:readline';
import type { Logger } from '../../../src/core/log.ts';
import type { Answer } from './puppet.ts';

const log: string[] = [];
const level = (name: string) => (message: string) => {
  log.push(`${name}: ${message}`);
};

/** Its lines go with the next answer. */
export const logger: Logger = {
  debug: level('debug'),
  info: level('info'),
  warn: level('warn'),
  error: level('error'),
};

/** Does what it is told until the input ends. */
export async function obeyLines<Command>(obey: (command: Command) => Promise<unknown>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    let answer: Pick<Answer, 'value' | 'error'>;
    try {
      answer = { value: await obey(JSON.parse(line) as Command) };
    } catch (thrown) {
      const { code = '', message } = thrown as { code?: string; message: string };
      answer = { error: { code, message } };
    }
    process.stdout.write(`${JSON.stringify({ ...answer, log: log.splice(0) })}\n`);
  }
}
