#!/usr/bin/env -S node --max-semi-space-size=4
/** Arguments in, exit code out: 0 stopped as asked, 1 it cannot run, 2 wrong usage. The one file that ends the process. */
import { startForward, startOmni } from './ambassador.ts';
import type { Command } from './cli/command.ts';
import { health } from './cli/health.ts';
import { failureLine, makeLogger } from './cli/logger.ts';
import { parseCommand } from './cli/parse-command.ts';
import { runResolve } from './cli/resolve-command.ts';
import { cleanupRules, setupRules } from './cli/rules.ts';
import { runUntilStopped } from './cli/run.ts';
import { usage } from './cli/usage.ts';
import { version } from './cli/version.ts';
import type { Logger } from './core/log.ts';

type Running = Extract<Command, { kind: 'omni' | 'forward' }>;

async function runAmbassador(command: Running): Promise<void> {
  const logger = makeLogger(command.run.logLevel);
  surviveFaults(logger);
  logger.info(
    `nuncio ${await version()}, ${command.kind === 'omni' ? 'omni mode' : 'static forward'}, pid ${process.pid}`,
  );
  await runUntilStopped(
    (parts) =>
      command.kind === 'omni'
        ? startOmni(command.settings, logger, parts)
        : startForward(command.settings, logger, parts),
    {
      drainMs: command.run.drainMs,
      logger,
      onSignal: (listener) => {
        for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, listener);
      },
    },
  );
  logger.info('stopped');
}

/** A fault in one connection's code must not take the others' connections along; it is an error in the log to be mended. */
function surviveFaults(logger: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (fault: unknown) => {
      const stack = fault instanceof Error ? fault.stack : undefined;
      logger.error(`internal fault: ${String(fault)}`, { code: event, stack });
    });
  }
}

async function execute(command: Command): Promise<void> {
  const print = (text: string) => console.log(text.trimEnd());
  switch (command.kind) {
    case 'help':
      return print(usage());
    case 'version':
      return print(await version());
    case 'health':
      return print(await health(command.port));
    case 'setup-rules':
      return print(await setupRules(command.rules, makeLogger(command.logLevel)));
    case 'cleanup-rules':
      return print(await cleanupRules(makeLogger(command.logLevel)));
    case 'resolve': {
      const stop = new AbortController();
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort());
      return runResolve(command.settings, makeLogger(command.logLevel, 'stderr'), print, stop.signal);
    }
    case 'omni':
    case 'forward':
      return runAmbassador(command);
  }
}

const command = parseCommand(process.argv.slice(2), process.env);
if (command.ok) {
  try {
    await execute(command.value);
    process.exit(0);
  } catch (thrown) {
    console.error(failureLine(thrown));
    process.exit(1);
  }
} else {
  console.error(
    `nuncio: ${command.error.message.replaceAll('\n', '\nnuncio: ')}\nnuncio --help tells how it is used`,
  );
  process.exit(2);
}
