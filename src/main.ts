#!/usr/bin/env -S node --max-semi-space-size=4
/** Arguments in, exit code out: 0 stopped as asked, 1 it cannot run, 2 wrong usage. The one file that ends the process. */
import { hostname } from 'node:os';
import { beginAdmin } from './admin/begin.ts';
import { StatusBoard } from './admin/status-board.ts';
import { startForward } from './ambassador/forward.ts';
import { startOmni } from './ambassador/omni.ts';
import { startServices } from './ambassador/services.ts';
import type { Command } from './cli/command.ts';
import { runDockerRegister } from './cli/docker-register-command.ts';
import { runDynamic } from './cli/dynamic-command.ts';
import { runGateway } from './cli/gateway-command.ts';
import { health } from './cli/health.ts';
import { runLocalhostTask } from './cli/localhost-rules.ts';
import { failureLine, makeLogger } from './cli/logger.ts';
import { type CommandLine, parseCommand } from './cli/parse-command.ts';
import { runRegister } from './cli/register-command.ts';
import { runResolve } from './cli/resolve-command.ts';
import { cleanupRules, setupRules } from './cli/rules.ts';
import { runUntilStopped } from './cli/run.ts';
import { wordsOfName } from './cli/subcommands.ts';
import { usage } from './cli/usage.ts';
import { version } from './cli/version.ts';
import type { Logger } from './core/log.ts';
import type { PartStack } from './core/part.ts';
import { tidyHeap } from './sys/tidy-heap.ts';

type Running = Extract<
  Command,
  { kind: 'omni' | 'forward' | 'services' | 'docker-register' | 'register' | 'gateway' | 'dynamic' }
>;

const modeNames = {
  omni: 'omni mode',
  forward: 'static forward',
  services: 'static services',
  'docker-register': 'docker-register',
  register: 'registration',
  gateway: 'gateway',
  dynamic: 'dynamic mode',
} as const;

async function start(command: Running, board: StatusBoard, parts: PartStack): Promise<void> {
  switch (command.kind) {
    case 'omni':
      return startOmni(command.settings, board, parts);
    case 'forward':
      return startForward(command.settings, board, parts);
    case 'services':
      return startServices(command.settings, board, parts);
    case 'docker-register':
      await runDockerRegister(command.settings, board.logger, parts);
      return board.showServing(() => true);
    case 'register':
      return runRegister(command.settings, board, parts);
    case 'gateway':
      return runGateway(command.settings, board, parts);
    case 'dynamic':
      return runDynamic(command.settings, board, parts);
  }
}

async function runAmbassador(command: Running, notices: readonly string[]): Promise<void> {
  const { logLevel, drainMs, admin } = command.run;
  const mode = modeNames[command.kind];
  const board = new StatusBoard({
    version: await version(),
    mode,
    host: hostname(),
    logger: makeLogger(logLevel),
  });
  const { logger } = board;
  surviveFaults(logger);
  logger.info(`nuncio ${await version()}, ${mode}, pid ${process.pid}`);
  for (const notice of notices) logger.warn(notice);
  const startAll = async (parts: PartStack) => {
    await beginAdmin(admin, board, parts);
    await start(command, board, parts);
    parts.defer(() => board.become('draining'));
    tidyHeap();
    board.become('ready');
  };
  await runUntilStopped(startAll, {
    drainMs,
    logger,
    onSignal: (listener) => {
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, listener);
    },
  });
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

async function execute({ command, notices }: CommandLine): Promise<void> {
  const print = (text: string) => console.log(text.trimEnd());
  switch (command.kind) {
    case 'help':
      return print(usage(command.of));
    case 'version':
      return print(await version());
    case 'health':
      return print(await health(command.port));
    case 'setup-rules':
      return print(await setupRules(command.rules, makeLogger(command.logLevel)));
    case 'cleanup-rules':
      return print(await cleanupRules(makeLogger(command.logLevel)));
    case 'localhost-rules':
      return print(await runLocalhostTask(command.task));
    case 'resolve': {
      const stop = new AbortController();
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort());
      return runResolve(command.settings, makeLogger(command.logLevel, 'stderr'), print, stop.signal);
    }
    case 'omni':
    case 'forward':
    case 'services':
    case 'docker-register':
    case 'register':
    case 'gateway':
    case 'dynamic':
      return runAmbassador(command, notices);
  }
}

// The image's start script tells the name that it was called by; without it, it is that of the program's file.
const calledAs = process.env.NUNCIO_CALLED_AS ?? process.argv[1] ?? '';
const line = parseCommand([...wordsOfName(calledAs), ...process.argv.slice(2)], process.env);
if (line.ok) {
  try {
    await execute(line.value);
    process.exit(0);
  } catch (thrown) {
    console.error(failureLine(thrown));
    process.exit(1);
  }
} else {
  console.error(
    `nuncio: ${line.error.message.replaceAll('\n', '\nnuncio: ')}\nnuncio --help tells how it is used`,
  );
  process.exit(2);
}
