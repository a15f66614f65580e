/**
 * A caller of backends:80 that behaves as its first argument says:
 *
 * after-end BYTES      sends, ends, and prints what the backend says then
 * end-first BYTES      waits for the backend's end, then sends, ends, and prints what the backend had said
 * transfer BYTES       sends and reads at the same time, slowly; prints both digests
 * session              prints `open` when an echo has come back; SIGUSR2: sends 100 kB more, ends, prints what came of it
 * flood COUNT          opens so many connections and prints how each was met; SIGUSR2: closes them
 * calls COUNT ATONCE   makes so many short calls, one line each way; prints a line after each quarter, and at the end how
 *                      many were answered by whom, and how the others failed
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { receive, send } from './bytes.ts';

const [behaviour = '', first = '', second = '1'] = process.argv.slice(2);

/** Longest silence that is no hang, ms. */
const silenceMs = 15_000;

function dial(): Socket {
  return connect({ host: 'backends', port: 80, allowHalfOpen: true });
}

async function text(socket: Socket): Promise<string> {
  let all = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) all += String(chunk);
  return all;
}

function codeOf(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException).code;
}

const signal = () => once(process, 'SIGUSR2');
const print = (result: unknown) => console.log(typeof result === 'string' ? result : JSON.stringify(result));

async function session(): Promise<string> {
  const socket = dial();
  let received = 0;
  const outcome = new Promise<string>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      if (received === 0) print('open');
      received += chunk.length;
    });
    socket.on('error', (error) => resolve(String(codeOf(error))));
    socket.on('close', () => resolve(`closed after ${received} bytes`));
  });
  socket.write('x');
  void signal().then(() => socket.end(Buffer.alloc(100_000)));
  return outcome;
}

/** `served`, `closed`, `silence`, or an error's code. */
function met(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('data', () => resolve('served'));
    socket.on('end', () => resolve('closed'));
    socket.on('error', (error) => resolve(String(codeOf(error))));
    socket.setTimeout(silenceMs, () => resolve('silence'));
    socket.write('x');
  });
}

function counted(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

async function flood(count: number): Promise<void> {
  const isAsked = signal();
  const sockets = Array.from({ length: count }, dial);
  print(counted(await Promise.all(sockets.map(met))));
  await isAsked;
  for (const socket of sockets) socket.destroy();
}

/** Who answered; `failed: …` where nobody did. */
async function call(): Promise<string> {
  const socket = dial();
  try {
    socket.setTimeout(silenceMs, () => socket.destroy(new Error('silence')));
    socket.write('who\n');
    const answer = await text(socket);
    socket.on('error', () => {}).end();
    return answer.endsWith('\n') ? answer.trim() : `failed: closed after ${answer.length} bytes`;
  } catch (thrown) {
    return `failed: ${codeOf(thrown) ?? String(thrown)}`;
  }
}

async function calls(count: number, atOnce: number): Promise<Record<string, number>> {
  const answers: string[] = [];
  let left = count;
  const loop = async () => {
    while (left-- > 0) {
      answers.push(await call());
      if (answers.length % Math.ceil(count / 4) === 0) print(`${answers.length} of ${count}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, loop));
  return counted(answers);
}

switch (behaviour) {
  case 'after-end': {
    const socket = dial();
    await send(socket, Number(first));
    print(await text(socket));
    break;
  }
  case 'end-first': {
    const socket = dial();
    const word = await text(socket);
    await delay(100); // half-closed for a while
    await send(socket, Number(first));
    print(word);
    break;
  }
  case 'transfer': {
    const socket = dial();
    const [received, sent] = await Promise.all([receive(socket, 1), send(socket, Number(first))]);
    print({ received, sent });
    break;
  }
  case 'session':
    print(await session());
    break;
  case 'flood':
    await flood(Number(first));
    break;
  case 'calls':
    print(await calls(Number(first), Number(second)));
    break;
  default:
    throw new Error(`unknown behaviour "${behaviour}"`);
}
