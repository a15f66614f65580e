import { after } from 'node:test';
import { EtcdResolver } from '../../../src/discovery/etcd.ts';
import { SkippedValues } from '../../../src/discovery/skipped-values.ts';
import { EtcdConnections } from '../../../src/registry/etcd.ts';
import { resolverContract } from '../../contract/resolver.ts';
import { followLiterals } from '../../support/follow-literals.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { EtcdServer } from './etcd-server.ts';

const server = await EtcdServer.start();
after(() => server[Symbol.asyncDispose]());

let world = 0;

resolverContract('etcd', async () => {
  const logger = new RecordingLogger();
  const connections = new EtcdConnections({ settings: {}, logger });
  const path = `/services/web-${++world}`;
  let last = 1;
  const write = () => server.put(`${path}/id`, `10.0.0.${last}:80`);
  await write();
  return {
    resolver: new EtcdResolver({
      connections,
      followHosts: followLiterals,
      skipped: new SkippedValues(logger),
      logger,
    }),
    source: { kind: 'etcd', servers: [{ host: server.host, port: server.port }], path, tags: [] } as const,
    change: () => {
      last++;
      return write();
    },
    repeat: write,
    fail: async () => {
      await server.kill();
      await logger.line(({ level }) => level === 'warn');
    },
    recover: async () => {
      await server.run();
      await logger.line(({ message }) => message.includes('answers again'));
    },
    silence: () => server.freeze(),
    teardown: async () => server.thaw(),
  };
});
