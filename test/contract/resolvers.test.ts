import { mkdtemp, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceOf } from '../../src/backend/backend.ts';
import { endpoint } from '../../src/core/endpoint.ts';
import { AppError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { HostAddresses } from '../../src/discovery/dns/addresses.ts';
import { DnsClient } from '../../src/discovery/dns/client.ts';
import { parseResolvConf } from '../../src/discovery/dns/resolv-conf.ts';
import { DockerResolver } from '../../src/discovery/docker.ts';
import { FileResolver } from '../../src/discovery/file.ts';
import { followHosts } from '../../src/discovery/follow-hosts.ts';
import { limited } from '../../src/discovery/limited.ts';
import { remembered } from '../../src/discovery/remembered.ts';
import type { Resolver } from '../../src/discovery/resolver.ts';
import { settled } from '../../src/discovery/settled.ts';
import { SrvResolver } from '../../src/discovery/srv.ts';
import { StaticResolver } from '../../src/discovery/static.ts';
import type { Container } from '../../src/docker/container.ts';
import type { ContainerChange } from '../../src/docker/feed.ts';
import { rcode, reply, type Script, srv, startDnsServer, zone } from '../support/dns-server.ts';
import { FakeResolver } from '../support/fake-resolver.ts';
import { FakeSleep } from '../support/fake-sleep.ts';
import { QuickSleep } from '../support/quick-sleep.ts';
import { resolverContract } from './resolver.ts';

const names: SourceOf<'static'> = {
  kind: 'static',
  endpoints: [
    { host: 'db', port: 6379 },
    { host: '10.9.9.9', port: 6379 },
  ],
};
const logger = silentLogger;

/** A resolver that the suite commands, and what is put around one. */
const wrappers: Readonly<Record<string, (resolver: Resolver) => Resolver>> = {
  fake: (resolver) => resolver,
  'fake, settled': settled,
  'fake, limited': (resolver) => limited(resolver, 60_000, logger),
  'fake, remembered': (resolver) => remembered(resolver, { get: () => undefined, set() {} }, logger),
};

for (const [name, wrap] of Object.entries(wrappers)) {
  resolverContract(name, async () => {
    const resolver = new FakeResolver();
    let last = 1;
    const tell = () => resolver.set([endpoint(`10.0.0.${last}`, 80)]);
    tell();
    return {
      resolver: wrap(resolver),
      source: names,
      change: async () => {
        last++;
        tell();
      },
      repeat: async () => tell(),
      fail: async () => resolver.fail(new AppError('ERR_RESOLVE_FAILED', 'an outage')),
      recover: async () => tell(),
      teardown: async () => {},
    };
  });
}

resolverContract('static, IP addresses', async () => ({
  resolver: new StaticResolver({
    logger,
    addresses: {
      lookup: async (host) => ({ kind: 'failed', error: new AppError('ERR_RESOLVE_FAILED', host) }),
    },
  }),
  source: {
    kind: 'static',
    endpoints: [
      { host: '10.0.0.1', port: 80 },
      { host: 'fd00::1', port: 80 },
    ],
  },
  teardown: async () => {},
}));

/** The addresses of `db`, told by a DNS server on loopback. */
async function namesSetup() {
  const table: Record<string, string[] | 'servfail'> = { db: ['10.0.0.1', 'fd00::1'] };
  const server = await startDnsServer(zone(table));
  const conf = { ...parseResolvConf(''), nameservers: [server.address], timeoutMs: 10_000 };
  const client = new DnsClient({ config: async () => conf });
  return { table, server, addresses: new HostAddresses({ client, hosts: async () => new Map() }) };
}

resolverContract('static, names', async () => {
  const { table, server, addresses } = await namesSetup();
  const time = new FakeSleep();
  let last = 1;
  return {
    resolver: new StaticResolver({ addresses, logger, sleep: time.sleep }),
    source: names,
    change: async () => {
      last++;
      table.db = [`10.0.0.${last}`];
      time.wakeAll();
    },
    repeat: async () => {
      time.wakeAll();
      await time.wait(60_000);
    },
    fail: async () => {
      table.db = 'servfail';
      time.wakeAll();
      await time.wait([800, 1200]);
    },
    recover: async () => {
      table.db = ['10.0.0.1', 'fd00::1'];
      time.wakeAll();
      await time.wait(60_000);
    },
    silence: () => {
      server.script = () => undefined;
    },
    teardown: () => server[Symbol.asyncDispose](),
  };
});

resolverContract('static, names, on the real clock', async () => {
  const { server, addresses } = await namesSetup();
  return {
    resolver: new StaticResolver({ addresses, logger }),
    source: names,
    silence: () => {
      server.script = () => undefined;
    },
    teardown: () => server[Symbol.asyncDispose](),
  };
});

/** A service of one endpoint, told by a DNS server on loopback. */
async function serviceSetup() {
  const state = { target: '10.0.0.1:80', isFailing: false };
  const script: Script = ({ name }, request) =>
    state.isFailing
      ? reply(request, [], { rcode: rcode.servfail })
      : reply(request, [srv(name, state.target)]);
  const server = await startDnsServer(script);
  const conf = { ...parseResolvConf(''), nameservers: [server.address], timeoutMs: 10_000, attempts: 1 };
  const client = new DnsClient({ config: async () => conf });
  const addresses = new HostAddresses({ client, hosts: async () => new Map() });
  return { state, server, client, followHosts: followHosts({ addresses, logger }) };
}

resolverContract('srv', async () => {
  const { state, server, client, followHosts } = await serviceSetup();
  const time = new FakeSleep();
  let last = 1;
  return {
    resolver: new SrvResolver({ client, followHosts, logger, sleep: time.sleep }),
    source: { kind: 'srv', name: 'web.example' } as const,
    change: async () => {
      last++;
      state.target = `10.0.0.${last}:80`;
      time.wakeAll();
    },
    repeat: async () => {
      time.wakeAll();
      await time.wait(60_000);
    },
    fail: async () => {
      state.isFailing = true;
      time.wakeAll();
      await time.wait([160, 240]);
    },
    recover: async () => {
      state.isFailing = false;
      time.wakeAll();
      await time.wait(60_000);
    },
    silence: () => {
      server.script = () => undefined;
    },
    teardown: () => server[Symbol.asyncDispose](),
  };
});

resolverContract('srv, on the real clock', async () => {
  const { server, client, followHosts } = await serviceSetup();
  return {
    resolver: new SrvResolver({ client, followHosts, logger }),
    source: { kind: 'srv', name: 'web.example' } as const,
    silence: () => {
      server.script = () => undefined;
    },
    teardown: () => server[Symbol.asyncDispose](),
  };
});

resolverContract('file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nci-contract-'));
  const path = join(folder, 'list');
  const write = async (text: string) => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  };
  await write('10.0.0.1:80\n');
  const addresses = {
    lookup: async (host: string) =>
      ({ kind: 'failed', error: new AppError('ERR_RESOLVE_FAILED', host) }) as const,
  };
  const time = new QuickSleep(20);
  // A look that is under way may have begun before; the one after that has not.
  const looked = () => time.begun(2000, 2);
  let last = 1;
  return {
    resolver: new FileResolver({
      followHosts: followHosts({ addresses, logger }),
      logger,
      allowedRoots: [folder],
      sleep: time.sleep,
    }),
    source: { kind: 'file', path } as const,
    change: async () => {
      last++;
      await write(`10.0.0.${last}:80\n`);
    },
    repeat: async () => {
      await write(`10.0.0.${last}:80\n`);
      await looked();
    },
    fail: async () => {
      await unlink(path);
      await looked();
    },
    recover: async () => {
      await write(`10.0.0.${last}:80\n`);
      await looked();
    },
    teardown: () => rm(folder, { recursive: true }),
  };
});

resolverContract('docker', async () => {
  const containers = new Map<string, Container>();
  const listeners = new Set<(change: ContainerChange) => void>();
  const add = (): Container => {
    const n = containers.size + 1;
    const container: Container = {
      id: `c${n}`,
      name: `project-web-${n}`,
      state: 'running',
      health: 'none',
      env: [],
      labels: new Map([['com.docker.compose.service', 'web']]),
      networks: [{ id: 'n1', name: 'project', addresses: [`10.0.0.${n}`] }],
      published: [],
      links: [],
      networkMode: 'project',
      image: 'sha256:web',
      pid: 0,
    };
    containers.set(container.id, container);
    return container;
  };
  const tell = (container: Container) => {
    for (const listener of listeners) listener({ kind: 'present', container });
  };
  const first = add();
  const feed = {
    containers,
    subscribe: (listener: (change: ContainerChange) => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return {
    resolver: new DockerResolver({ feed, logger }),
    source: { kind: 'docker', name: 'web', port: 80 } as const,
    change: async () => tell(add()),
    repeat: async () => tell(first),
    teardown: async () => {},
  };
});
