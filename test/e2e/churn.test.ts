/** Containers, addresses and the Docker daemon come and go while callers call: on the real engine. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Ambassador, type LogLine } from './ambassador.ts';
import type { Outcome } from './command.ts';
import { Engine } from './engine.ts';
import { ambassadorImage, copyImages, testImage } from './images.ts';
import { ProcessState } from './process-state.ts';
import {
  callFrom,
  callFromWithin,
  printed,
  runCaller,
  startCaller,
  startIdle,
  startServer,
} from './programs.ts';
import { until } from './until.ts';

let engine: Engine;

before(async () => {
  engine = await Engine.start({ liveRestore: true });
  await copyImages(engine, testImage, ambassadorImage);
});
afterEach(() => engine.docker.clear());
after(() => engine.close());

/** Starts a backend that answers with its name. @returns its IPv4 address */
async function startBackend(name: string, more: Parameters<typeof startServer>[3] = {}): Promise<string> {
  await startServer(engine.docker, name, ['answer', name], more);
  const { ipv4 } = await engine.docker.addresses(name, more.network);
  return ipv4;
}

/** What programs/caller.ts prints at the end of its calls. */
function answers({ stdout, stderr }: Outcome): Record<string, number> {
  const last = stdout.trim().split('\n').at(-1) ?? '';
  assert.ok(last.startsWith('{'), stdout + stderr);
  return JSON.parse(last);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

test("an address that goes from container to container leads to its present owner's backends from the first connection on", async () => {
  const { docker } = engine;
  const network = 'reuse';
  await docker.createNetwork(network, { subnet: '10.91.0.0/24' });
  const backends = {
    red: await startBackend('red', { network }),
    blue: await startBackend('blue', { network }),
  };
  await Ambassador.start(engine, { network, aliases: ['backends'] });
  // The last connection is open when the container ends.
  const script = 'for i in 1 2 3; do echo | nc backends 80; done; sleep 1000 | nc backends 80 & usleep 1000';
  const rounds = 32;
  for (let round = 0; round < rounds; round++) {
    const own = round % 3 === 0 ? 'red' : 'blue';
    const { stdout, stderr } = await docker.runToEnd({
      image: testImage,
      network,
      ip: '10.91.0.100',
      env: { BACKEND_80: `${backends[own]}:80` },
      args: ['sh', '-c', script],
    });
    assert.match(stdout, new RegExp(`^(${own}\n){3,4}$`), `round ${round}: ${stderr}`);
  }
});

for (const [title, leave] of [
  ['is stopped', () => engine.stopDaemon()],
  ['is killed', () => engine.kill()],
] as const) {
  test(`known callers are served while the daemon is away that ${title}, and new ones when it is back`, async () => {
    const { docker } = engine;
    const env = { BACKEND_80: `${await startBackend('one')}:80` };
    // The folder, not the socket: a daemon that starts makes its socket anew.
    const folder = `type=bind,source=${dirname(engine.socket)},target=/engine,bind-nonrecursive`;
    const ambassador = await Ambassador.start(engine, {
      socket: false,
      flags: ['--mount', folder],
      env: { DOCKER_HOST: 'unix:///engine/docker.sock' },
    });
    await startIdle(docker, 'known', { env });
    const { pid } = await ProcessState.of(docker, 'known');
    assert.deepEqual(answers(await callFrom(docker, 'known', ['calls', '4'])), { one: 4 });

    await leave();
    const meanwhile = await callFromWithin(pid, ['calls', '400', '8']).finally(() => engine.startDaemon());
    assert.deepEqual(answers(meanwhile), { one: 400 });

    await ambassador.line('following again');
    assert.deepEqual(answers(await runCaller(docker, 'new', ['calls', '4'], { env })), { one: 4 });
    assert.deepEqual(answers(await callFrom(docker, 'known', ['calls', '4'])), { one: 4 });
    const changes = (await ambassador.lines()).filter(({ message }) =>
      /reconnecting|following again/.test(message),
    );
    assert.equal(changes.length, 2, JSON.stringify(changes, null, 2));
  });
}

test('docker://web follows what runs: more, fewer, paused, going on, stopped', async () => {
  const { docker } = engine;
  const ambassador = await Ambassador.start(engine);
  const labels = { 'nuncio.service': 'web' };
  await startBackend('web-1', { labels });
  await startIdle(docker, 'caller', { env: { BACKEND_80: 'docker://web' } });

  /** Does something, waits for the set to be named in the log, and calls. */
  async function afterwards(names: readonly string[], change: () => Promise<unknown>): Promise<void> {
    const mark = await ambassador.mark();
    await change();
    const set = names.map((name) => `${name} \\S+`).join(', ');
    await ambassador.line(new RegExp(`^backend docker://web:80: ${set}$`), mark);
    const counts = answers(await callFrom(docker, 'caller', ['calls', String(names.length * 2)]));
    assert.deepEqual(counts, Object.fromEntries(names.map((name) => [name, 2])));
  }
  const cli = (verb: string, ...more: string[]) => docker.cli([verb, ...more, 'web-2']);

  await until('the first answer', async () => {
    return (await callFrom(docker, 'caller', ['calls', '1'])).stdout.includes('{"web-1":1}')
      ? true
      : undefined;
  });
  await afterwards(['web-1', 'web-2'], () => startBackend('web-2', { labels }));
  await afterwards(['web-1', 'web-2', 'web-3'], () => startBackend('web-3', { labels }));
  await afterwards(['web-1', 'web-3'], () => cli('pause'));
  await afterwards(['web-1', 'web-2', 'web-3'], () => cli('unpause'));
  await afterwards(['web-1', 'web-3'], () => cli('stop', '--time', '0'));
  await afterwards(['web-3'], () => docker.remove('web-1'));
});

test('a name in a list is followed to the address of the container that has it now', async () => {
  const { docker } = engine;
  const network = 'names';
  await docker.createNetwork(network, { subnet: '10.92.0.0/24' });
  const run = (answer: string, ip: string) => {
    return startServer(docker, answer, ['answer', answer], { network, ip, aliases: ['database'] });
  };
  await run('old', '10.92.0.50');
  await Ambassador.start(engine, { network, aliases: ['backends'] });
  await startIdle(docker, 'caller', { network, links: [], env: { BACKEND_80: 'database:80' } });
  assert.deepEqual(answers(await callFrom(docker, 'caller', ['calls', '4'])), { old: 4 });

  await docker.remove('old');
  await run('new', '10.92.0.60');
  await until('an answer of the new one', async () => {
    return (await callFrom(docker, 'caller', ['calls', '1'])).stdout.includes('{"new":1}') ? true : undefined;
  });
  assert.deepEqual(answers(await callFrom(docker, 'caller', ['calls', '10'])), { new: 10 });
});

const callers = ['caller-1', 'caller-2', 'caller-3', 'caller-4'];
const callsEach = 320;

/** Waits until every caller has had so many answers. */
async function answered(count: number): Promise<void> {
  await Promise.all(callers.map((name) => printed(engine.docker, name, `${count} of ${callsEach}`)));
}

interface Load {
  /** What programs/caller.ts has counted. */
  readonly counts: ReadonlyMap<string, Record<string, number>>;
  /** The ambassador's lines of these connections: one a call. */
  readonly connections: readonly LogLine[];
  readonly refusals: readonly LogLine[];
}

/** Four callers make short calls, two at a time each, while something happens to the backend. */
async function load(ambassador: Ambassador, backend: string, happening: () => Promise<void>): Promise<Load> {
  const { docker } = engine;
  const args = ['calls', String(callsEach), '2'];
  await Promise.all(callers.map((name) => startCaller(docker, name, args, { env: { BACKEND_80: backend } })));
  await happening();
  const counts = new Map<string, Record<string, number>>();
  for (const name of callers) counts.set(name, JSON.parse(await printed(docker, name, '{')));

  const all = callers.length * callsEach;
  const connections = await until(`${all} lines of connections`, async () => {
    const found = (await ambassador.lines()).filter(({ message }) => message === 'connection');
    return found.length === all ? found : undefined;
  });
  const refusals = (await ambassador.lines()).filter(({ message }) => message.startsWith('refused'));
  return { counts, connections, refusals };
}

function failures(counts: Readonly<Record<string, number>>): number {
  return sum(
    Object.entries(counts).flatMap(([answer, count]) => (answer.startsWith('failed') ? [count] : [])),
  );
}

test('backends killed under load: only requests fail that were at them already, and all is well with one that lives', async () => {
  const { docker } = engine;
  const names = ['one', 'two', 'three'] as const;
  const addresses = [await startBackend('one'), await startBackend('two'), await startBackend('three')];
  const ambassador = await Ambassador.start(engine);
  const backend = `${addresses.map((ip) => `${ip}:80`).join(',')}?connect-timeout=300ms`;
  const { counts, connections, refusals } = await load(ambassador, backend, async () => {
    await answered(callsEach / 4);
    await docker.cli(['kill', 'two']);
    await docker.remove('two');
    await answered((callsEach * 3) / 4);
    await docker.cli(['kill', 'three']);
  });

  assert.deepEqual(refusals, []);
  const killed = addresses.slice(1).map((ip) => `${ip}:80`);
  for (const [caller, count] of counts) {
    const own = connections.filter((line) => line.caller === caller);
    const broken = own.filter((line) => line.end !== 'closed' || line.bytesDown === 0);
    assert.deepEqual(
      broken.filter(({ endpoint }) => !killed.includes(String(endpoint))),
      [],
    );
    assert.equal(failures(count), broken.length, JSON.stringify({ count, broken }, null, 2));
    for (const name of names) assert.ok((count[name] ?? 0) > 0, `${caller} never reached ${name}`);
  }
  const total = (name: string) => sum([...counts.values()].map((count) => count[name] ?? 0));
  assert.ok(total('two') < total('three') && total('three') < total('one'), JSON.stringify([...counts]));
});

test('a backend that finishes what it has and leaves under load: no request fails', async () => {
  const { docker } = engine;
  const more = { labels: { 'nuncio.service': 'web' }, capAdd: ['NET_ADMIN'] };
  for (const name of ['one', 'two', 'three']) await startBackend(name, more);
  const ambassador = await Ambassador.start(engine);
  const { counts, connections, refusals } = await load(ambassador, 'docker://web', async () => {
    await answered(callsEach / 4);
    await docker.cli(['stop', '--time', '20', 'two'], { timeoutMs: 30_000 });
  });
  assert.equal(await docker.inspect('two', '{{.State.ExitCode}}'), '0');

  assert.deepEqual(refusals, []);
  for (const [caller, count] of counts)
    assert.equal(failures(count), 0, `${caller}: ${JSON.stringify(count)}`);
  assert.deepEqual(
    connections.filter(({ end }) => end !== 'closed'),
    [],
  );
  const total = (name: string) => sum([...counts.values()].map((count) => count[name] ?? 0));
  assert.ok(total('two') > 0 && total('two') < total('one'), JSON.stringify([...counts]));
});
