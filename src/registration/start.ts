/**
 * Registration: what runs on this host, written into a registry for others to find, for as long as it runs.
 *
 *     container feed -> what is to be registered (pure) -> keeper: entries on a lease, put right again and again
 */
import { isIP } from 'node:net';
import type { Discovery as Registry } from '../backend/discovery-service.ts';
import { formatHostPort, isLoopbackOrLinkLocal } from '../core/address.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import { connectEngine, type EngineOptions } from '../docker/engine.ts';
import { parseDockerHost } from '../docker/engine-address.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import { LiveFeed } from '../docker/live-feed.ts';
import type { ConsulSettings } from '../registry/consul.ts';
import { ConsulAgentServices } from '../registry/consul-agent.ts';
import { EtcdConnections } from '../registry/etcd.ts';
import type { EtcdServer, EtcdSettings } from '../registry/etcd-settings.ts';
import { ConsulKeeper } from './consul-keeper.ts';
import type { Registration as Endpoint } from './container-entries.ts';
import { DockerRegister, type DockerRegisterTarget } from './docker-register.ts';
import { consulEntries, etcdEntries } from './encode.ts';
import { EtcdKeeper } from './etcd-keeper.ts';
import type { KeeperState } from './keeper.ts';
import { Registrar } from './registrar.ts';

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

export interface RegistrationSettings {
  readonly registry: Registry;
  /** This host as others dial it: an address or a name. */
  readonly hostIp: string;
  readonly etcd: EtcdSettings;
  readonly consul: ConsulSettings;
}

export interface Registration {
  readonly state: KeeperState;
  /** What the containers that run now ask for and cannot have, a line each. */
  readonly problems: readonly string[];
}

/**
 * Registers what the containers of this host ask for (`nuncio register`, and a part of `nuncio dynamic`).
 *
 * @param feed has started
 * @returns    how it stands, at any time
 * @throws AppError ERR_CANNOT_START; what has started by then is on the stack
 */
export async function startRegistration(
  settings: RegistrationSettings,
  options: { readonly feed: ContainerFeed; readonly logger: Logger; readonly parts: PartStack },
): Promise<Registration> {
  const { feed, logger, parts } = options;
  const { registry, hostIp } = settings;
  const { keeper, hold } = makeKeeper(settings, logger);
  await parts.begin(keeper);
  const registrar = await parts.begin(new Registrar({ feed, hold, hostIp, logger }));
  const { wanted } = keeper.state;
  logger.info(`registering at ${describeRegistry(registry)} as ${hostIp}: ${wanted} endpoint(s) run here`);
  return {
    get state() {
      return keeper.state;
    },
    get problems() {
      return registrar.problems;
    },
  };
}

function makeKeeper({ registry, hostIp, etcd, consul }: RegistrationSettings, logger: Logger) {
  if (registry.kind === 'etcd') {
    const { servers, prefix } = registry;
    const keeper = new EtcdKeeper({ connections: etcdConnections(etcd, logger), servers, logger });
    return { keeper, hold: (all: readonly Endpoint[]) => keeper.hold(etcdEntries(all, prefix)) };
  }
  const client = new ConsulAgentServices(registry.server, consul);
  const keeper = new ConsulKeeper({ client, host: hostIp, logger });
  return { keeper, hold: (all: readonly Endpoint[]) => keeper.hold(consulEntries(all, hostIp)) };
}

function describeRegistry(registry: Registry): string {
  const servers = registry.kind === 'etcd' ? registry.servers : [registry.server];
  const list = servers.map(({ host, port }) => formatHostPort(host, port)).join(',');
  return `${registry.kind}://${list}${registry.kind === 'etcd' ? registry.prefix : ''}`;
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
