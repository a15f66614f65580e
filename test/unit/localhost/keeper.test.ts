import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { fail, ok, type Result } from '../../../src/core/result.ts';
import type { Container } from '../../../src/docker/container.ts';
import type { NamespaceEntry } from '../../../src/localhost/entry.ts';
import { LocalhostKeeper } from '../../../src/localhost/keeper.ts';
import { container, FakeFeed } from '../docker/fake-feed.ts';
import { rememberingLogger } from '../nat/fake-machine.ts';

const labels = new Map([['connect.6379', 'redis:6379']]);
const self = container({ id: 'self', name: 'backends', addresses: ['172.17.0.2'] });
const caller = (rest: Partial<Container> = {}) =>
  container({ id: 'c1', name: 'web-1', labels, addresses: ['172.17.0.5'], pid: 100, ...rest });

/** A way into namespaces that remembers what stands in each, by container and process. */
class FakeEntry implements NamespaceEntry {
  readonly name = 'fake';
  readonly visits: string[] = [];
  readonly standing = new Map<string, string>();
  underway = 0;
  mostAtOnce = 0;
  /** What a visit waits for. */
  gate: Promise<void> = Promise.resolve();
  answer: () => Result<string> = () => ok('{"shadowed":[]}');
  onVisit: () => void = () => {};

  async run(
    { id, pid }: Container,
    [, ...task]: readonly string[],
    signal: AbortSignal,
  ): Promise<Result<string>> {
    this.visits.push(`${id} ${task.join(' ')}`);
    this.underway++;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.underway);
    this.onVisit();
    const cut = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    await Promise.race([this.gate, cut]);
    this.underway--;
    if (signal.aborted) return fail(new AppError('ERR_DOCKER', 'given up'));
    const answer = this.answer();
    if (answer.ok && task[0] === 'set') this.standing.set(`${id}/${pid}`, `${task[1]} ${task[2]}`);
    if (answer.ok && task[0] === 'clear') this.standing.delete(`${id}/${pid}`);
    return answer;
  }

  /** Resolves at the next visit. */
  visited(): Promise<void> {
    return new Promise((resolve) => {
      this.onVisit = resolve;
    });
  }
}

async function bed(t: TestContext, options: { visitMs?: number } = {}) {
  const feed = new FakeFeed();
  feed.present(self);
  const entry = new FakeEntry();
  const logger = rememberingLogger();
  const backoff = { initialMs: 1, maxMs: 2 };
  const place = { selfId: 'self' };
  const keeper = new LocalhostKeeper({ feed, place, entries: [entry], logger, backoff, ...options });
  t.after(() => keeper.stop(0));
  return { feed, entry, logger, keeper };
}

describe('the keeper of localhost', () => {
  it('never visits a container without labels', async (t) => {
    const { feed, entry, keeper } = await bed(t);
    feed.present(container({ id: 'c2', env: [['BACKEND_6379', 'redis:6379']] }));
    await keeper.start();
    feed.present(container({ id: 'c3' }));
    feed.gone('c3');
    await keeper.settled();
    await keeper.stop(0);
    assert.deepEqual(entry.visits, []);
  });

  it('sets the rules of who is there and of who comes, once, and takes them away in the end', async (t) => {
    const { feed, entry, logger, keeper } = await bed(t);
    feed.present(caller());
    await keeper.start();
    feed.present(caller({ id: 'c2', name: 'web-2' }));
    await keeper.settled();
    feed.present(caller({ health: 'healthy' }));
    await keeper.settled();
    assert.deepEqual([...entry.standing.values()], ['172.17.0.2 6379', '172.17.0.2 6379']);
    assert.deepEqual(entry.visits, ['c1 set 172.17.0.2 6379', 'c2 set 172.17.0.2 6379']);
    assert.equal(
      logger.lines[0],
      'info: localhost of web-1: port(s) 6379 lead to the ambassador at 172.17.0.2 (by fake)',
    );
    await keeper.stop(0);
    await keeper.stop(0);
    assert.equal(entry.standing.size, 0);
    assert.equal(entry.visits.length, 4);
    assert.equal(logger.lines.at(-1), 'info: localhost rules removed from 2 container(s)');
  });

  for (const [what, restart] of [
    ['ends and starts again', (feed: FakeFeed) => feed.gone('c1')],
    ['has been restarted while nobody looked', () => {}],
  ] as const) {
    it(`sets them again in the new namespace of a container that ${what}`, async (t) => {
      const { feed, entry, keeper } = await bed(t);
      feed.present(caller());
      await keeper.start();
      await keeper.settled();
      restart(feed);
      feed.present(caller({ pid: 200 }));
      await keeper.settled();
      assert.ok(entry.standing.has('c1/200'));
      assert.equal(entry.visits.length, 2);
    });
  }

  it('follows the ambassador to another address, and away from a network that is no longer shared', async (t) => {
    const { feed, entry, logger, keeper } = await bed(t);
    feed.present(caller());
    await keeper.start();
    await keeper.settled();
    feed.present({ ...self, networks: [{ id: 'net-bridge', name: 'bridge', addresses: ['172.17.0.9'] }] });
    await keeper.settled();
    assert.deepEqual([...entry.standing.values()], ['172.17.0.9 6379']);
    feed.present({ ...self, networks: [] });
    await keeper.settled();
    assert.equal(entry.standing.size, 0);
    assert.equal(entry.visits.at(-1), 'c1 clear 172.17.0.9');
    assert.match(logger.lines.at(-1) ?? '', /^warn: localhost of web-1 .*shares no IPv4 network/);
  });

  it('tries again, says so once, and is content with the first success', async (t) => {
    const { feed, entry, logger, keeper } = await bed(t);
    let failures = 3;
    entry.answer = () =>
      failures-- > 0 ? fail(new AppError('ERR_RULES', 'no nft')) : ok('{"shadowed":[6379]}');
    feed.present(caller());
    await keeper.start();
    await keeper.settled();
    assert.equal(entry.visits.length, 4);
    const warnings = logger.lines.filter((line) => line.startsWith('warn'));
    assert.equal(warnings.length, 2, warnings.join('\n'));
    assert.match(warnings[0] ?? '', /does not lead to the ambassador: fake: no nft; trying again/);
    assert.match(warnings[1] ?? '', /something in it listens on port\(s\) 6379/);
  });

  it('says nothing of a visit that failed because the container ended', async (t) => {
    const { feed, entry, logger, keeper } = await bed(t);
    const gate = Promise.withResolvers<void>();
    entry.gate = gate.promise;
    entry.answer = () => fail(new AppError('ERR_RULES', 'no such container'));
    feed.present(caller());
    const visited = entry.visited();
    await keeper.start();
    await visited;
    feed.gone('c1');
    gate.resolve();
    await keeper.stop(0);
    assert.deepEqual([entry.visits.length, logger.lines], [1, []]);
  });

  it('cuts off a visit that has no end, an answer that is none, and goes on', async (t) => {
    const { feed, entry, logger, keeper } = await bed(t, { visitMs: 20 });
    entry.gate = new Promise(() => {});
    entry.answer = () => ok('Segmentation fault');
    feed.present(caller());
    await keeper.start();
    const second = new Promise<void>((resolve) => {
      entry.onVisit = () => {
        if (entry.visits.length < 2) return;
        entry.gate = Promise.resolve();
        if (entry.visits.length > 2) entry.answer = () => ok('{"shadowed":[]}');
        resolve();
      };
    });
    await second;
    await keeper.settled();
    assert.match(logger.lines.join('\n'), /no end within 0\.02 s/);
    assert.match(logger.lines.join('\n'), /an answer that cannot be read/);
    assert.equal(entry.standing.size, 1);
  });

  it('visits four containers at one time at most', async (t) => {
    const { feed, entry, keeper } = await bed(t);
    const gate = Promise.withResolvers<void>();
    entry.gate = gate.promise;
    for (let i = 0; i < 9; i++) feed.present(caller({ id: `c${i}` }));
    await keeper.start();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(entry.underway, 4);
    gate.resolve();
    await keeper.settled();
    assert.deepEqual([entry.mostAtOnce, entry.standing.size], [4, 9]);
  });

  it('names the containers where rules had to stay, but not those that are gone', async (t) => {
    const { feed, entry, logger, keeper } = await bed(t);
    feed.present(caller());
    feed.present(caller({ id: 'c2', name: 'web-2' }));
    await keeper.start();
    await keeper.settled();
    entry.answer = () => fail(new AppError('ERR_DOCKER', 'refused'));
    entry.onVisit = () => void feed.containers.delete('c2');
    await keeper.stop(0);
    const warnings = logger.lines.filter((line) => line.startsWith('warn'));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /stay in web-1 .*--net container:web-1 nuncio --cleanup-iptables/);
  });

  it('takes away what a visit may have set that the stop cut off', async (t) => {
    const { feed, entry, keeper } = await bed(t);
    const gate = Promise.withResolvers<void>();
    entry.gate = gate.promise;
    feed.present(caller());
    const visited = entry.visited();
    await keeper.start();
    await visited;
    const stopped = keeper.stop(0);
    gate.resolve();
    await stopped;
    assert.deepEqual(entry.visits, ['c1 set 172.17.0.2 6379', 'c1 clear 172.17.0.2']);
  });
});
