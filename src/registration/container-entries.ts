import { domainFault, type Registered } from '../backend/registration-keys.ts';
import { parsePort } from '../core/address.ts';
import type { Container } from '../docker/container.ts';
import { type PublishedAddress, publishedAddress } from './published-address.ts';

/** One endpoint of an application or service that runs here. */
export interface Registration {
  readonly registered: Registered;
  /** The container's id, its first 12 digits, as `docker ps` shows it. */
  readonly id: string;
  readonly address: PublishedAddress;
  /** Path of an HTTP check, for a registry that checks: SERVICE_CHECK_HTTP, as registrator has it. */
  readonly checkPath?: string;
}

export interface ContainerEntries {
  readonly registrations: readonly Registration[];
  /** What could not be registered, a line each. */
  readonly problems: readonly string[];
}

const idLength = 12;
/** More are a mistake, and each is a key. */
const maxItems = 64;

const nothing: ContainerEntries = { registrations: [], problems: [] };

/**
 * What a container asks for by its environment: DOMAIN_NAME, domains between commas, each an application; SERVICE_PORT,
 * ports between commas, each a service of the container's name. The published port that belongs to the container's port
 * of that number comes first, else the first published TCP port; `blog.example.com:8080` names a domain's.
 *
 * @param hostIp this host as others dial it, for ports that are published on every address
 * @returns      nothing for a container that is paused
 */
export function containerEntries(container: Container, hostIp: string | undefined): ContainerEntries {
  const env = new Map(container.env);
  const items = [
    ...listed(env.get('DOMAIN_NAME')).map((text) => readDomain(text)),
    ...listed(env.get('SERVICE_PORT')).map((text) => readServicePort(text, container.name)),
  ];
  if (container.state === 'paused' || items.length === 0) return nothing;
  const registrations = new Map<string, Registration>();
  const problems: string[] = [];
  const checkPath = env.get('SERVICE_CHECK_HTTP');
  const check = checkPath?.startsWith('/') ? { checkPath } : {};
  for (const item of items.slice(0, maxItems)) {
    if (typeof item === 'string') {
      problems.push(item);
      continue;
    }
    const { registered } = item;
    const port = portOf(container, item.port);
    const address = port === undefined ? undefined : publishedAddress(container, port, hostIp);
    if (address?.ok) {
      const id = container.id.slice(0, idLength);
      registrations.set(JSON.stringify(registered), { registered, id, address: address.value, ...check });
    } else if (address !== undefined) problems.push(address.error.message);
  }
  if (container.published.every(({ protocol }) => protocol !== 'tcp')) problems.push(unpublished);
  if (items.length > maxItems) problems.push(`only the first ${maxItems} domains and ports are registered`);
  return { registrations: [...registrations.values()], problems: [...new Set(problems)] };
}

const unpublished = 'no TCP port is published; start it with -P, or with -p PORT';

interface Item {
  readonly registered: Registered;
  /** The container's port that is meant, where one is. */
  readonly port: number | undefined;
}

/** @returns or why there is none */
function readDomain(text: string): Item | string {
  const [, name = '', digits] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  const domain = name.toLowerCase();
  const fault = domainFault(domain);
  const port = digits === undefined ? undefined : parsePort(digits);
  if (fault === undefined && (digits === undefined || port !== undefined)) {
    return { registered: { kind: 'application', domain }, port };
  }
  return `DOMAIN_NAME: expected ${fault ?? 'a port (1 to 65535) after the domain'}, found ${shown(text)}`;
}

function readServicePort(text: string, name: string): Item | string {
  const port = parsePort(text);
  if (port === undefined) return `SERVICE_PORT: expected a port (1 to 65535), found ${shown(text)}`;
  return { registered: { kind: 'service', name, port }, port };
}

/** The container's port that is registered: the one that is meant where it is published, else the first that is. */
function portOf({ published }: Container, wanted: number | undefined): number | undefined {
  const ports = published
    .filter(({ protocol }) => protocol === 'tcp')
    .map(({ containerPort }) => containerPort);
  return wanted !== undefined && ports.includes(wanted) ? wanted : ports[0];
}

function listed(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap((item) => item.trim() || []);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
