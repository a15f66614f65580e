import { after, before } from 'node:test';
import type { Source } from '../../../src/backend/backend.ts';
import { ConsulKvResolver } from '../../../src/discovery/consul-kv.ts';
import { ConsulServiceResolver } from '../../../src/discovery/consul-service.ts';
import type { ConsulResolverDeps } from '../../../src/discovery/consul-watch.ts';
import { followHosts } from '../../../src/discovery/follow-hosts.ts';
import type { Resolver } from '../../../src/discovery/resolver.ts';
import { SkippedValues } from '../../../src/discovery/skipped-values.ts';
import { type ResolverSetup, resolverContract } from '../../contract/resolver.ts';
import { FakeAddresses } from '../../support/fake-addresses.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { ConsulAgent } from './consul-agent.ts';
import { Relay } from './relay.ts';

let consul: ConsulAgent;
before(async () => {
  consul = await ConsulAgent.start();
});
after(() => consul[Symbol.asyncDispose]());

interface World<S extends Source> {
  readonly resolver: (deps: ConsulResolverDeps) => Resolver<S>;
  readonly source: (server: { host: string; port: number }) => S;
  /** Makes the nth set, 1 on. */
  readonly write: (nth: number) => Promise<unknown>;
  /** Wakes the watch with something that does not matter. */
  readonly disturb: () => Promise<unknown>;
}

/** One resolver, at the end of a wire to the agent that can be cut and plugged. */
async function setupOf<S extends Source>(world: World<S>): Promise<ResolverSetup<S>> {
  const wire = await Relay.to(consul);
  const logger = new RecordingLogger();
  let nth = 1;
  await world.write(nth);
  const lookups = { addresses: new FakeAddresses({}), logger };
  return {
    resolver: world.resolver({
      settings: {},
      followHosts: followHosts(lookups),
      skipped: new SkippedValues(logger),
      logger,
    }),
    source: world.source({ host: wire.host, port: wire.port }),
    change: async () => {
      await world.write(++nth);
    },
    repeat: async () => {
      const answered = wire.nextAnswer();
      await world.disturb();
      await answered;
    },
    fail: async () => {
      const noticed = logger.line(({ level }) => level === 'debug');
      await wire.cut();
      await noticed;
    },
    recover: async () => {
      const noticed = logger.line(({ message }) => message.endsWith('can be read again'));
      await wire.mend();
      await noticed;
    },
    silence: () => wire.plug(),
    teardown: () => wire[Symbol.asyncDispose](),
  };
}

let count = 0;

resolverContract('consul key-value store', async () => {
  const path = `contract/${count++}`;
  let noise = 0;
  return setupOf({
    resolver: (deps) => new ConsulKvResolver(deps),
    source: (server) => ({ kind: 'consul', server, path: `/${path}`, tags: [] }),
    write: (nth) => consul.put(`${path}/instance`, `10.0.0.${nth}:80`),
    disturb: () => consul.put(`${path}-neighbour`, `10.0.1.${noise++}:80`),
  });
});

resolverContract('consul catalog', async () => {
  const name = `web-${count++}`;
  const check = { TTL: '10m', Status: 'passing' };
  let now = 0;
  let noise = 0;
  const register = () =>
    consul.register({
      Name: name,
      Address: `10.0.0.${now}`,
      Port: 80,
      Check: check,
      Meta: { noise: `${noise}` },
    });
  return setupOf({
    resolver: (deps) => new ConsulServiceResolver(deps),
    source: (server) => ({ kind: 'consul-service', server, name, tags: [], passing: true }),
    write: (nth) => {
      now = nth;
      return register();
    },
    disturb: () => {
      noise++;
      return register();
    },
  });
});
