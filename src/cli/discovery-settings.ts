import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { type Discovery, parseDiscovery } from '../backend/discovery-service.ts';
import { canonicalIp, parsePort, type SocketAddress } from '../core/address.ts';
import { messageOf } from '../core/errors.ts';
import type { DiscoverySettings } from '../discovery/start.ts';
import { consulSettings } from '../registry/consul-settings.ts';
import { checkEtcdSettings, type EtcdSettings } from '../registry/etcd-settings.ts';
import type { Values } from './values.ts';

const dnsPort = 53;

/** `10.0.0.53`, `10.0.0.53:5353`, `2001:db8::53`, `[2001:db8::53]:5353` */
function parseServer(text: string): SocketAddress | undefined {
  const whole = canonicalIp(text);
  if (whole !== undefined) return { ip: whole, port: dnsPort };
  const parts = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+))(?::(?<port>\d+))?$/.exec(text)?.groups;
  const ip = canonicalIp(parts?.v6 ?? parts?.v4 ?? '');
  const port = parts?.port === undefined ? dnsPort : parsePort(parts.port);
  return ip === undefined || port === undefined ? undefined : { ip, port };
}

/** The text of a file that a flag names. */
export function readFlagFile(values: Values, name: string): string | undefined {
  const path = values.text(name);
  if (path === undefined) return undefined;
  try {
    return readFileSync(path.value, 'utf8');
  } catch (thrown) {
    values.problems.push(`${path.where}: cannot read ${JSON.stringify(path.value)} (${messageOf(thrown)})`);
    return undefined;
  }
}

function readEtcd(values: Values): EtcdSettings {
  const both = readFlagFile(values, 'etcd-keycert');
  const ca = readFlagFile(values, 'etcd-cacert');
  const cert = readFlagFile(values, 'etcd-cert') ?? both;
  const key = readFlagFile(values, 'etcd-key') ?? both;
  const { ETCD_USERNAME: name, ETCD_PASSWORD: password } = values.env;
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  const settings: EtcdSettings = {
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...(name ? { user: { name, password: password ?? '' } } : {}),
  };
  try {
    checkEtcdSettings(settings);
  } catch (thrown) {
    values.problems.push(messageOf(thrown));
  }
  return settings;
}

/** How sources are found, from flags and environment. */
export function readDiscovery(values: Values): DiscoverySettings {
  const stateDirectory = values.text('state-dir')?.value;
  const maxStaleMs = values.text('max-stale') === undefined ? undefined : values.duration('max-stale', 0);
  const absolute = (path: string) => (isAbsolute(path) ? path : undefined);
  const consul = consulSettings(values.env);
  if (!consul.ok) values.problems.push(consul.error.message);
  return {
    dnsServers: values.list('dns', 'IP addresses of name servers, with or without a port', parseServer),
    fileRoots: values.list('file-root', 'absolute paths of folders between commas', absolute),
    etcd: readEtcd(values),
    consul: consul.ok ? consul.value : {},
    ...(stateDirectory === undefined ? {} : { stateDirectory }),
    ...(maxStaleMs === undefined ? {} : { maxStaleMs }),
  };
}

/** Where embassy's services are found: `--discovery`. */
export function readServiceDiscovery(values: Values): Discovery | undefined {
  const text = values.text('discovery');
  if (text === undefined) return undefined;
  const discovery = parseDiscovery(text.value);
  if (discovery.ok) return discovery.value;
  values.problems.push(`${text.where}, ${discovery.error.message}`);
  return undefined;
}

/** The only registry servers that containers may name, as `host:port`; undefined: any. */
export function readRegistries(values: Values): ReadonlySet<string> | undefined {
  if (values.text('registries') === undefined) return undefined;
  const parse = (text: string) => (/^\S+:\d{1,5}$/.test(text) ? text.toLowerCase() : undefined);
  return new Set(values.list('registries', 'servers as HOST:PORT between commas', parse));
}
