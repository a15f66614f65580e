/**
 * Registration: what runs on this host, written into a registry for others to find, for as long as it runs.
 *
 *     container feed -> what is to be registered (pure) -> keeper: entries on a lease, put right again and again
 */
import { isIP } from 'node:net';
import { isLoopbackOrLinkLocal } from '../core/address.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import { connectEngine, type EngineOptions } from '../docker/engine.ts';
import { parseDockerHost } from '../docker/engine-address.ts';
import { LiveFeed } from '../docker/live-feed.ts';
import { EtcdConnections } from '../registry/etcd.ts';
import type { EtcdServer, EtcdSettings } from '../registry/etcd-settings.ts';
import { DockerRegister, type DockerRegisterTarget } from './docker-register.ts';
import { EtcdKeeper } from './etcd-keeper.ts';
import type { KeeperState } from './keeper.ts';

export interface DockerRegisterSettings {
  readonly target: DockerRegisterTarget;
  readonly engine: EngineOptions;
  readonly etcd: { readonly servers: readonly EtcdServer[]; readonly settings: EtcdSettings };
}

/**
 * `nuncio docker-register`: one port of one container.
 *
 * @returns how it stands, at any time
 * @throws AppError ERR_DOCKER, ERR_CANNOT_START; what has started by then is on the stack
 */
export async function startDockerRegister(
  settings: DockerRegisterSettings,
  logger: Logger,
  parts: PartStack,
): Promise<() => KeeperState> {
  const engine = connectEngine(settings.engine);
  const feed = await parts.begin(new LiveFeed({ engine, logger }));
  logger.info(`docker ${await engine.engineVersion()} at ${engine.host}`);
  const keeper = await parts.begin(
    new EtcdKeeper({
      connections: etcdConnections(settings.etcd.settings, logger),
      servers: settings.etcd.servers,
      logger,
    }),
  );
  const hostIp = settings.target.hostIp ?? hostOfEngine(settings.engine);
  await parts.begin(new DockerRegister({ feed, keeper, logger, target: { ...settings.target, hostIp } }));
  return () => keeper.state;
}

function etcdConnections(settings: EtcdSettings, logger: Logger): EtcdConnections {
  const meanwhile = 'what was registered ends with its lease';
  return new EtcdConnections({ settings, logger, meanwhile });
}

/** An engine that is reached over the network publishes ports where it is reached. */
function hostOfEngine({ host, tlsVerify }: EngineOptions): string | undefined {
  const address = parseDockerHost(host, tlsVerify);
  if (!address.ok || address.value.kind !== 'tcp') return undefined;
  const name = address.value.host;
  const isOwn = isIP(name) === 0 ? name === 'localhost' : isLoopbackOrLinkLocal(name);
  return isOwn ? undefined : name;
}
