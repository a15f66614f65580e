/** Long transfers, half-closed connections, the end of the ambassador, its limits: on the real engine. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador } from './ambassador.ts';
import { dialFrom, nodeCaller } from './containers.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { ProcessState } from './process-state.ts';
import { printed, runCaller, startCaller, startServer } from './programs.ts';
import { until } from './until.ts';

let engine: Engine;

before(async () => {
  engine = await Engine.start();
  await copyImages(engine, testImage, ambassadorImage);
});
afterEach(() => engine.docker.clear());
after(() => engine.close());

const megabyte = 1024 * 1024;

/**
 * Most that the ambassador may grow by, bytes, while 200 MB wait for a slow reader. Most of it is read buffers of 64 KiB
 * that the collector has not come round to: it does not grow with the amount that is carried.
 */
const mayGrow = 128 * megabyte;

/** Starts a backend of that behaviour. @returns the environment of a caller whose port 80 leads there */
async function startBackend(name: string, ...behaviour: string[]): Promise<{ env: Record<string, string> }> {
  await startServer(engine.docker, name, behaviour);
  const { ipv4 } = await engine.docker.addresses(name);
  return { env: { BACKEND_80: `${ipv4}:80` } };
}

function ask(container: string): Promise<string> {
  return engine.docker.cli(['kill', '--signal', 'USR2', container]);
}

/** Waits until the process has as many files open as before. */
async function filesBackTo(state: ProcessState, before: number): Promise<void> {
  await until(`${before} open files`, async () => ((await state.openFiles()) <= before ? true : undefined), {
    otherwise: async () => `${await state.openFiles()} are open`,
  });
}

test("the caller's end passes through, and the backend answers after it", async () => {
  const { env } = await startBackend('backend', 'after-end');
  const ambassador = await Ambassador.start(engine);
  const { stdout, stderr } = await runCaller(engine.docker, 'caller', ['after-end', '300000'], { env });
  assert.equal(stdout.trim(), '300000 bytes came', stderr);
  const line = await ambassador.connection({ caller: 'caller' });
  assert.deepEqual(
    { bytesUp: line.bytesUp, bytesDown: line.bytesDown, end: line.end },
    { bytesUp: 300_000, bytesDown: '300000 bytes came'.length, end: 'closed' },
  );
});

test("the backend's end passes through, and the caller goes on sending after it", async () => {
  const { env } = await startBackend('backend', 'end-first');
  const ambassador = await Ambassador.start(engine);
  const { stdout, stderr } = await runCaller(engine.docker, 'caller', ['end-first', '300000'], { env });
  assert.equal(stdout.trim(), 'goodbye', stderr);
  await printed(engine.docker, 'backend', '300000 bytes came');
  const line = await ambassador.connection({ caller: 'caller' });
  assert.equal(line.end, 'closed');
});

test('200 MB each way at a time arrive as they were sent, and a slow reader costs no memory', async () => {
  const bytes = 200 * megabyte;
  const { env } = await startBackend('backend', 'transfer', String(bytes));
  const ambassador = await Ambassador.start(engine);
  const state = await ProcessState.of(engine.docker, ambassador.name);
  const memory = await state.memory();
  await state.forgetPeak();
  const args = ['transfer', String(bytes)];
  const { stdout, stderr } = await runCaller(engine.docker, 'caller', args, { env }, { timeoutMs: 50_000 });
  const grown = (await state.peakMemory()) - memory;
  assert.notEqual(stdout, '', stderr);
  const caller = JSON.parse(stdout);
  const backend = JSON.parse(await printed(engine.docker, 'backend', '{'));
  assert.deepEqual(caller.received, backend.sent);
  assert.deepEqual(backend.received, caller.sent);
  assert.equal(caller.received.bytes, bytes);
  assert.ok(grown < mayGrow, `the ambassador's memory grew by ${Math.round(grown / megabyte)} MB`);
  const line = await ambassador.connection({ caller: 'caller' });
  assert.deepEqual([line.bytesUp, line.bytesDown, line.end], [bytes, bytes, 'closed']);
});

test('SIGTERM: new connections are refused, the open one is served to its end, exit code 0', async () => {
  const { docker } = engine;
  const { env } = await startBackend('backend', 'echo');
  const ambassador = await Ambassador.start(engine);
  await startCaller(docker, 'caller', ['session'], { env });
  await nodeCaller(docker, 'late', { env, links: ['backends'] });
  await printed(docker, 'caller', 'open');
  await docker.cli(['kill', '--signal', 'TERM', ambassador.name]);
  await ambassador.line('draining 1 connection');
  assert.equal(await dialFrom(docker, 'late', 'backends', 80), 'ECONNREFUSED');
  await ask('caller');
  assert.equal(await printed(docker, 'caller', 'closed'), 'closed after 100001 bytes');
  assert.equal(await docker.cli(['wait', ambassador.name]), '0');
  const line = await ambassador.connection({ caller: 'caller' });
  assert.deepEqual([line.bytesUp, line.bytesDown, line.end], [100_001, 100_001, 'closed']);
});

test('--drain bounds the wait for a connection that does not end: it is reset, exit code 0', async () => {
  const { docker } = engine;
  const { env } = await startBackend('backend', 'echo');
  const ambassador = await Ambassador.start(engine, { args: ['--omnimode', '--drain', '1s'] });
  await startCaller(docker, 'caller', ['session'], { env });
  await printed(docker, 'caller', 'open');
  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await printed(docker, 'caller', 'E'), 'ECONNRESET');
  const line = await ambassador.connection({ caller: 'caller' });
  assert.equal(line.end, 'stopped');
});

test('a second SIGTERM ends the wait', async () => {
  const { docker } = engine;
  const { env } = await startBackend('backend', 'echo');
  const ambassador = await Ambassador.start(engine, { args: ['--omnimode', '--drain', '10m'] });
  await startCaller(docker, 'caller', ['session'], { env });
  await printed(docker, 'caller', 'open');
  await docker.cli(['kill', '--signal', 'TERM', ambassador.name]);
  await ambassador.line('draining 1 connection');
  assert.equal(await ambassador.end('TERM'), 0);
  assert.equal(await printed(docker, 'caller', 'E'), 'ECONNRESET');
});

for (const [title, flags] of [
  ['by default', []],
  ['also where --max-connections asks for more', ['--max-connections', '1000']],
] as const) {
  test(`a flood above the limit of open files is reset, none hangs, then all is as before: ${title}`, async () => {
    const { docker } = engine;
    const { env } = await startBackend('backend', 'echo');
    const ambassador = await Ambassador.start(engine, {
      args: ['--omnimode', ...flags],
      flags: ['--ulimit', 'nofile=128:128'],
    });
    const said =
      flags.length > 0 ? /1000 connections need \d+ open files and the limit is 128/ : /at most 32 /;
    await ambassador.line(said);
    const state = await ProcessState.of(docker, ambassador.name);
    const before = await state.openFiles();

    await startCaller(docker, 'flood', ['flood', '300'], { env });
    const met = JSON.parse(await printed(docker, 'flood', '{'));
    assert.deepEqual(met, { served: 32, ECONNRESET: 268 });
    const error = await ambassador.line({ level: 'error', code: 'ERR_LIMIT' });
    assert.match(error.message, /^32 connections are open: further ones are reset .*--ulimit nofile/);
    const isAlive = await ambassador.health();
    assert.equal(isAlive.code, 0, isAlive.stdout + isAlive.stderr);

    await ask('flood');
    assert.equal(await docker.cli(['wait', 'flood']), '0');
    await filesBackTo(state, before);
    await startCaller(docker, 'again', ['flood', '20'], { env });
    assert.deepEqual(JSON.parse(await printed(docker, 'again', '{')), { served: 20 });
  });
}

test('2,000 short connections of four callers leave no file open', async () => {
  const { docker } = engine;
  const { env } = await startBackend('backend', 'answer', 'one');
  const ambassador = await Ambassador.start(engine);
  const state = await ProcessState.of(docker, ambassador.name);
  await runCaller(docker, 'first', ['calls', '10'], { env });
  const before = await state.openFiles();
  const names = ['caller-1', 'caller-2', 'caller-3', 'caller-4'];
  const outcomes = await Promise.all(
    names.map((name) => runCaller(docker, name, ['calls', '500', '4'], { env })),
  );
  for (const { stdout, stderr } of outcomes) assert.match(stdout, /^\{"one":500\}$/m, stderr);
  await filesBackTo(state, before);
});

test('an endpoint that drops packets is given up after connect-timeout: reset where it is alone, else the next', async () => {
  const { docker } = engine;
  await startServer(docker, 'mute', ['answer', 'mute']);
  await startServer(docker, 'live', ['answer', 'live']);
  const [mute, live] = await Promise.all(['mute', 'live'].map((name) => docker.addresses(name)));
  const drop = ['iptables', '-I', 'INPUT', '-p', 'tcp', '--dport', '80', '-j', 'DROP'];
  await engine.inNetworkOf('mute', ...drop);
  const ambassador = await Ambassador.start(engine);

  const alone = { BACKEND_80: `${mute?.ipv4}:80?connect-timeout=300ms` };
  await nodeCaller(docker, 'alone', { env: alone, links: ['backends'] });
  assert.equal(await dialFrom(docker, 'alone', 'backends', 80), 'ECONNRESET');
  const refusal = await ambassador.line({ caller: 'alone', code: 'ERR_CONNECT_FAILED' });
  assert.match(refusal.message, /ETIMEDOUT/);

  const env = { BACKEND_80: `${mute?.ipv4}:80,${live?.ipv4}:80?connect-timeout=300ms` };
  const { stdout, stderr } = await runCaller(docker, 'both', ['calls', '6'], { env });
  assert.match(stdout, /^\{"live":6\}$/m, stderr);
});
