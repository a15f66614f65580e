import { canonicalIp, isLoopbackOrLinkLocal, isUnspecified, parsePort } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type {
  Container,
  ContainerHealth,
  ContainerLink,
  ContainerNetwork,
  PublishedPort,
} from './container.ts';

/** A container as the engine's list shows it: enough to see whether it is worth inspecting. */
export interface ListedContainer {
  readonly id: string;
  /** Also names given by `--link`: `web-1`, `other/alias`. */
  readonly names: readonly string[];
  readonly state: Container['state'];
  readonly addresses: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function unexpected(what: string, json: unknown): ReturnType<typeof fail> {
  const found = (JSON.stringify(json) ?? String(json)).slice(0, 80);
  return fail(new AppError('ERR_DOCKER', `docker engine: ${what}, found ${found}; is it a Docker engine?`));
}

/** Only what a connection can come from or go to: the engine writes "" where a network gives no address. */
function usableIp(value: unknown): string | undefined {
  const ip = canonicalIp(text(value));
  return ip === undefined || isLoopbackOrLinkLocal(ip) || isUnspecified(ip) ? undefined : ip;
}

function readNetworks(settings: unknown): readonly ContainerNetwork[] {
  const networks: ContainerNetwork[] = [];
  for (const [name, value] of Object.entries(fields(fields(settings).Networks))) {
    const network = fields(value);
    const addresses = [usableIp(network.IPAddress), usableIp(network.GlobalIPv6Address)].filter(
      (ip) => ip !== undefined,
    );
    if (addresses.length > 0) networks.push({ id: text(network.NetworkID), name, addresses });
  }
  return networks.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * On the default bridge the links stand in HostConfig as `/target:/caller/alias`; on a network of its own, which has them
 * for names only, as `target:alias`, in both places.
 */
function readLinks(container: Fields): readonly ContainerLink[] {
  const networks = Object.values(fields(fields(container.NetworkSettings).Networks));
  const texts = [
    fields(container.HostConfig).Links,
    ...networks.map((network) => fields(network).Links),
  ].flatMap((links) => (Array.isArray(links) ? links.map(text) : []));
  const links = new Map<string, ContainerLink>();
  for (const link of texts) {
    const parts = /^\/?([^:/]+):(?:.*\/)?([^:/]+)$/.exec(link);
    if (parts !== null) links.set(parts.slice(1).join(), { target: parts[1] ?? '', alias: parts[2] ?? '' });
  }
  return [...links.values()];
}

/** Where the engine writes null, the port is exposed and not published; podman writes "" for every address. */
function readPublished(settings: unknown): readonly PublishedPort[] {
  const published: PublishedPort[] = [];
  for (const [name, bindings] of Object.entries(fields(fields(settings).Ports))) {
    const [portText = '', protocol = 'tcp'] = name.split('/');
    const containerPort = parsePort(portText);
    for (const binding of Array.isArray(bindings) ? bindings : []) {
      const hostIp = canonicalIp(text(fields(binding).HostIp) || '0.0.0.0');
      const hostPort = parsePort(text(fields(binding).HostPort));
      if (containerPort === undefined || hostIp === undefined || hostPort === undefined) continue;
      published.push({ containerPort, protocol, hostIp, hostPort });
    }
  }
  return published.sort((a, b) => a.containerPort - b.containerPort);
}

function readEnv(value: unknown): (readonly [string, string])[] {
  const env: (readonly [string, string])[] = [];
  for (const entry of Array.isArray(value) ? value : []) {
    const at = text(entry).indexOf('=');
    if (at > 0) env.push([text(entry).slice(0, at), text(entry).slice(at + 1)]);
  }
  return env;
}

function readLabels(value: unknown): ReadonlyMap<string, string> {
  return new Map(Object.entries(fields(value)).map(([name, label]) => [name, text(label)]));
}

/** `default` is what API clients other than the command line write for the default bridge. */
function readNetworkMode(hostConfig: unknown): string {
  const mode = text(fields(hostConfig).NetworkMode);
  return mode === '' || mode === 'default' ? 'bridge' : mode;
}

const checked: readonly ContainerHealth[] = ['starting', 'healthy', 'unhealthy'];

/** The engine leaves `Health` out, or writes "none", where there is no check; podman writes "". */
function readHealth(state: Fields): ContainerHealth {
  const status = fields(state.Health).Status;
  return checked.find((health) => health === status) ?? 'none';
}

/**
 * Reads the answer of GET /containers/<id>/json.
 *
 * @returns undefined where the container does not run (also between two runs under a restart policy, when the engine
 *          says both Running and Restarting); ERR_DOCKER where the answer is not a container
 * Source: Docker Engine API 1.41, ContainerInspect
 */
export function readContainer(json: unknown): Result<Container | undefined> {
  const container = fields(json);
  const state = fields(container.State);
  const config = fields(container.Config);
  const id = text(container.Id);
  const name = text(container.Name).replace(/^\//, '');
  if (id === '' || name === '' || typeof state.Running !== 'boolean') {
    return unexpected('expected a container', json);
  }
  if (!state.Running || state.Restarting === true || state.Dead === true) return ok(undefined);
  return ok({
    id,
    name,
    state: state.Paused === true ? 'paused' : 'running',
    health: readHealth(state),
    env: readEnv(config.Env),
    labels: readLabels(config.Labels),
    networks: readNetworks(container.NetworkSettings),
    published: readPublished(container.NetworkSettings),
    links: readLinks(container),
    networkMode: readNetworkMode(container.HostConfig),
    image: text(container.Image),
    pid: typeof state.Pid === 'number' ? state.Pid : 0,
  });
}

/**
 * Reads the answer of GET /containers/json; containers between two runs are left out.
 *
 * @returns ERR_DOCKER where the answer is not a list of containers
 * Source: Docker Engine API 1.41, ContainerList
 */
export function readListing(json: unknown): Result<readonly ListedContainer[]> {
  if (!Array.isArray(json)) return unexpected('expected a list of containers', json);
  const listed: ListedContainer[] = [];
  for (const item of json) {
    const container = fields(item);
    const { Id: id, State: state, Names: names } = container;
    if (typeof id !== 'string' || id === '') return unexpected('expected a container', item);
    if (state !== 'running' && state !== 'paused') continue;
    listed.push({
      id,
      names: (Array.isArray(names) ? names : []).map((name) => text(name).replace(/^\//, '')),
      state,
      addresses: readNetworks(container.NetworkSettings).flatMap((network) => network.addresses),
    });
  }
  return ok(listed);
}

/** Whether the list shows nothing that is not known already. Environment and labels never change during a run. */
export function isAsListed(container: Container | undefined, listed: ListedContainer): boolean {
  if (container === undefined || container.state !== listed.state) return false;
  const known = container.networks.flatMap((network) => network.addresses);
  return listed.names.includes(container.name) && known.join() === listed.addresses.join();
}

/** Whether two readings of a container are the same in everything that a reader sees. */
export function sameContainer(a: Container, b: Container): boolean {
  const comparable = (container: Container) =>
    JSON.stringify({ ...container, labels: [...container.labels] });
  return comparable(a) === comparable(b);
}
