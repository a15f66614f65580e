/**
 * What every resolver must do (src/discovery/resolver.ts), as a suite to be run on each.
 *
 *     resolverContract('docker://', async () => {
 *       const feed = new FakeFeed();
 *       return { resolver: new DockerResolver({ feed }), source, change: async () => feed.add(…), … };
 *     });
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Source } from '../../src/backend/backend.ts';
import { canonicalIp } from '../../src/core/address.ts';
import { canonicalSet, sameSet } from '../../src/core/endpoint.ts';
import type { Resolver } from '../../src/discovery/resolver.ts';
import { resourcesNow } from '../support/resources.ts';
import { settle, Updates } from '../support/updates.ts';

/** One resolver with a world of its own around it, in which the source has at least one endpoint at first. */
export interface ResolverSetup<S extends Source> {
  readonly resolver: Resolver<S>;
  readonly source: S;
  /**
   * Gives the source another set than it has had so far (each call a new one, never empty), and settles when the resolver
   * is about to notice. Absent where a source of the kind cannot change.
   */
  change?(): Promise<void>;
  /** Lets the resolver look again though nothing has changed. Absent where it has no such moment. */
  repeat?(): Promise<void>;
  /** Makes the source fail until `recover`, and settles when the resolver has noticed. Absent where it cannot fail. */
  fail?(): Promise<void>;
  /** Ends what `fail` began; the set is the one from before. */
  recover?(): Promise<void>;
  /** Keeps the source from answering at all; before the first watch. Absent where it answers at once. */
  silence?(): void;
  teardown(): Promise<void>;
}

type Ability = 'change' | 'repeat' | 'fail' | 'recover' | 'silence';
type Able<S extends Source, K extends Ability> = ResolverSetup<S> & Required<Pick<ResolverSetup<S>, K>>;

/**
 * Runs the suite.
 * @param makeSetup a fresh one for each test; what it opens must not count as the resolver's
 */
export function resolverContract<S extends Source>(
  name: string,
  makeSetup: () => Promise<ResolverSetup<S>>,
): void {
  /** Runs a test in a world of its own, then ends its watches and looks at what is left open. */
  const on = (
    what: string,
    test: (setup: ResolverSetup<S>, start: () => Watch, t: TestContext) => Promise<void>,
  ) =>
    it(what, async (t) => {
      const setup = await makeSetup();
      const backToStart = await resourcesNow();
      const started: Watch[] = [];
      try {
        await test(
          setup,
          () => {
            const watch = begin(setup);
            started.push(watch);
            return watch;
          },
          t,
        );
        for (const watch of started) watch.end();
        await backToStart();
      } finally {
        for (const watch of started) watch.end();
        await setup.teardown();
      }
    });

  /** A test that needs something of the setup, and says so where it is not there. */
  const where = <K extends Ability>(
    needs: readonly K[],
    what: string,
    test: (setup: Able<S, K>, start: () => Watch) => Promise<void>,
  ) =>
    on(what, async (setup, start, t) => {
      const missing = needs.filter((need) => setup[need] === undefined);
      if (missing.length > 0) t.skip(`this source cannot ${missing.join(', ')}`);
      else await test(setup as Able<S, K>, start);
    });

  describe(`resolver contract: ${name}`, () => {
    on('the first update is a set in canonical form, and comes asynchronously', async (_setup, start) => {
      const { updates } = start();
      assert.equal(updates.count, 0);
      const update = await updates.next();
      assert.ok(update.ok);
      assert.ok(update.value.length > 0);
      assert.deepEqual(canonicalSet(update.value), update.value);
      for (const { ip, port } of update.value) {
        assert.equal(canonicalIp(ip), ip);
        assert.ok(Number.isInteger(port) && port >= 1 && port <= 65_535);
      }
    });

    on('nothing comes where the signal has aborted before', async (setup) => {
      const updates = new Updates();
      setup.resolver.watch(setup.source, updates.onUpdate, AbortSignal.abort());
      await settle();
      assert.equal(updates.count, 0);
    });

    on('nothing comes after an abort before the first answer', async (setup, start) => {
      const watch = start();
      watch.end();
      await setup.change?.();
      await settle();
      assert.equal(watch.updates.count, 0);
    });

    where(['silence'], 'nothing is left open by a source that does not answer', async (setup, start) => {
      setup.silence();
      const watch = start();
      await settle();
      watch.end();
      await settle();
      assert.equal(watch.updates.count, 0);
    });

    where(['change'], 'a change is told, and what comes is another set', async (setup, start) => {
      const { updates } = start();
      let before = await updates.next();
      for (let round = 0; round < 3; round++) {
        await setup.change();
        const now = await updates.next();
        assert.ok(before.ok && now.ok);
        assert.ok(!sameSet(before.value, now.value));
        before = now;
      }
    });

    where(['repeat'], 'nothing comes where nothing has changed', async (setup, start) => {
      const { updates } = start();
      await updates.next();
      for (let round = 0; round < 3; round++) await setup.repeat();
      await settle();
      assert.equal(updates.count, 1);
    });

    where(['change'], 'nothing comes after the abort, whatever changes', async (setup, start) => {
      const watch = start();
      const other = start();
      await watch.updates.next();
      await other.updates.next();
      watch.end();
      await setup.change();
      await other.updates.next();
      assert.equal(watch.updates.count, 1);
    });

    where(['fail', 'recover'], 'an error says nothing about the set', async (setup, start) => {
      const { updates } = start();
      const before = await updates.next();
      await setup.fail();
      await setup.recover();
      await settle();
      assert.ok(before.ok);
      while (updates.unread > 0) {
        const update = await updates.next();
        if (update.ok) assert.deepEqual(update.value, before.value);
      }
    });

    where(['fail', 'recover', 'change'], 'a change after an outage is told', async (setup, start) => {
      const { updates } = start();
      const before = await updates.next();
      await setup.fail();
      await setup.recover();
      await setup.change();
      // Between them there may be the error, and the set from before once more: three are more than enough.
      for (let round = 0; round < 3; round++) {
        const update = await updates.next();
        assert.ok(before.ok);
        if (update.ok && !sameSet(update.value, before.value)) return;
      }
      assert.fail('the change was not told');
    });

    on('two watches of one source are independent', async (setup, start) => {
      const [first, second] = [start(), start()];
      const [one, other] = [await first.updates.next(), await second.updates.next()];
      assert.deepEqual(one, other);
      first.end();
      if (setup.change === undefined) return;
      await setup.change();
      const changed = await second.updates.next();
      assert.ok(changed.ok);
      assert.equal(first.updates.count, 1);
    });
  });
}

interface Watch {
  readonly updates: Updates;
  end(): void;
}

function begin<S extends Source>({ resolver, source }: ResolverSetup<S>): Watch {
  const controller = new AbortController();
  const updates = new Updates();
  resolver.watch(source, updates.onUpdate, controller.signal);
  return { updates, end: () => controller.abort() };
}
