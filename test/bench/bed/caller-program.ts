/**
 * The caller: a process in the caller's namespace that does what it is told over Node's IPC channel (caller.ts), and
 * ends with it.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Target {
  readonly host: string;
  readonly port: number;
  /** What the request says in Host; absent: the address. */
  readonly domain?: string;
}

export type Task =
  | {
      readonly kind: 'await-served';
      readonly target: Target;
      readonly path: string;
      readonly limitMs: number;
    }
  | { readonly kind: 'text'; readonly target: Target; readonly path: string }
  | { readonly kind: 'digest'; readonly target: Target; readonly path: string }
  | { readonly kind: 'hold'; readonly target: Target; readonly path: string; readonly count: number }
  | { readonly kind: 'release' };

export interface Question {
  readonly id: number;
  readonly task: Task;
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };

const attemptMs = 250;
const answerMs = 10_000;
const opensAtOnce = 64;
const held = new Set<Socket>();

async function request(target: Target, path: string, limitMs: number): Promise<IncomingMessage> {
  // Every request on a connection of its own: it is the way that is asked about, not the connection.
  const agent = new Agent({ keepAlive: false });
  const { host, port, domain = host } = target;
  const asked = get({
    host,
    port,
    path,
    headers: { host: domain },
    agent,
    signal: AbortSignal.timeout(limitMs),
  });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
  return response;
}

async function text(target: Target, path: string, limitMs = answerMs): Promise<string> {
  let body = '';
  for await (const chunk of await request(target, path, limitMs)) body += chunk;
  return body;
}

async function digest(target: Target, path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of await request(target, path, 60_000)) hash.update(chunk);
  return hash.digest('hex');
}

async function awaitServed(target: Target, path: string, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      await text(target, path, attemptMs);
      return;
    } catch (thrown) {
      if (performance.now() > deadline) {
        throw new Error(`${target.host}:${target.port} did not answer within ${limitMs} ms: ${thrown}`);
      }
      await delay(1);
    }
  }
}

/** A connection that has carried one request, and is idle since. */
async function open(target: Target, path: string): Promise<void> {
  const socket = connect({ host: target.host, port: target.port });
  held.add(socket);
  socket.on('close', () => held.delete(socket));
  socket.on('error', () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${target.domain ?? target.host}\r\n\r\n`);
  await once(socket, 'data', { signal: AbortSignal.timeout(answerMs) });
}

/** Opens more, until `count` are held. @returns how many are open */
async function hold(target: Target, path: string, count: number): Promise<number> {
  while (held.size < count) {
    const missing = Math.min(opensAtOnce, count - held.size);
    await Promise.all(Array.from({ length: missing }, () => open(target, path)));
  }
  return held.size;
}

function perform(task: Task): Promise<unknown> | unknown {
  switch (task.kind) {
    case 'await-served':
      return awaitServed(task.target, task.path, task.limitMs);
    case 'text':
      return text(task.target, task.path);
    case 'digest':
      return digest(task.target, task.path);
    case 'hold':
      return hold(task.target, task.path, task.count);
    case 'release':
      for (const socket of held) socket.resetAndDestroy();
  }
}

process.on('message', async ({ id, task }: Question) => {
  try {
    process.send?.({ id, value: await perform(task) } satisfies Answer);
  } catch (thrown) {
    process.send?.({ id, error: thrown instanceof Error ? thrown.message : String(thrown) } satisfies Answer);
  }
});
process.on('disconnect', () => process.exit(0));
