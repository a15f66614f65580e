import type { Backend } from '../backend/backend.ts';
import { type Discovery, serviceBackend } from '../backend/discovery-service.ts';
import { parseServiceList } from '../backend/parse.ts';
import { parsePort } from '../core/address.ts';
import type { Command } from './command.ts';
import { readRegistries, readServiceDiscovery } from './discovery-settings.ts';
import { variableNotices } from './obsolete.ts';
import { readInterception, readLeadsLocalhost, readRules, readRun, readSettings } from './settings.ts';
import type { Values } from './values.ts';

/** embassy's own default, where it is not told otherwise. */
const embassyPort = 9999;
const localConsul: Discovery = { kind: 'consul', server: { host: '127.0.0.1', port: 8500 }, passing: true };

/** Whether a command line without a mode of ours is one of embassy's; its image also ran with none, by DISCOVERY alone. */
export function isEmbassy(values: Values, argc: number): boolean {
  const own = ['provider', 'services', 'discovery', 'dnat', 'redirect'];
  return own.some((name) => values.isGiven(name)) || (argc === 0 && Boolean(values.env.DISCOVERY));
}

/**
 * embassy's command line: `[--dnat|--redirect] -provider=docker|static -discovery=URL [-services=…]`.
 * Without --dnat and --redirect the rules are the user's own, as they were; its image without any argument used --dnat.
 */
export function readEmbassy(values: Values, argc: number): Command | undefined {
  values.notices.push(...variableNotices(values.env));
  const isDnat = values.has('dnat') || argc === 0;
  const isRedirect = values.has('redirect');
  if (isDnat && isRedirect) values.problems.push('--dnat and --redirect: one of them');
  const provider = values.read('provider', 'docker or static', (text) =>
    text === 'docker' || text === 'static' ? text : undefined,
  );
  const port = readPort(values);
  const settings = readSettings(values, port);
  const run = readRun(values);
  const services = readDiscovery(values);
  const rules = readRules(values, port, isDnat);
  const mode = readInterception(values);
  const interception = isDnat || isRedirect ? mode : 'off';
  const leadsLocalhost = readLeadsLocalhost(values);
  if (provider === 'static') {
    const backends = readServices(values, services);
    const trusted = { allowLocalTargets: true };
    return { kind: 'services', run, settings: { ...settings, ...trusted, backends, rules, interception } };
  }
  if (values.isGiven('services')) values.problems.push('--services: belongs to --provider static');
  const registries = readRegistries(values);
  const variablePrefix = values.text('prefix')?.value;
  const prefix = variablePrefix === undefined ? {} : { variablePrefix };
  return {
    kind: 'omni',
    run,
    settings: { ...settings, ...prefix, rules, interception, leadsLocalhost, services, registries },
  };
}

/** A flag before PROXY_PORT, which named the port to the image's rules and to the proxy; PORT is ambassadord's. */
function readPort(values: Values): number {
  if (values.isGiven('port')) return values.port('port') ?? embassyPort;
  const { PROXY_PORT: text = '' } = values.env;
  if (text === '') return embassyPort;
  const port = parsePort(text);
  if (port === undefined) {
    const found = JSON.stringify(text);
    values.problems.push(`PROXY_PORT in the environment: expected a port (1 to 65535), found ${found}`);
  }
  return port ?? embassyPort;
}

function readDiscovery(values: Values): Discovery {
  if (values.text('discovery')?.value.startsWith('marathon://')) {
    values.problems.push(
      '--discovery: Marathon is no longer a source of endpoints; use etcd:// or consul://',
    );
    return localConsul;
  }
  const discovery = readServiceDiscovery(values) ?? localConsul;
  const passing =
    values.read('filter', 'true or false', (text) => ({ true: true, false: false })[text.toLowerCase()]) ??
    true;
  return discovery.kind === 'consul' ? { ...discovery, passing } : discovery;
}

function readServices(values: Values, discovery: Discovery): ReadonlyMap<number, Backend> {
  const backends = new Map<number, Backend>();
  const text = values.text('services');
  if (text === undefined) {
    values.problems.push("--provider static: which services? --services='frontend_http;80,mysql;3306'");
    return backends;
  }
  const services = parseServiceList(text.value);
  if (!services.ok) {
    values.problems.push(`--services ${JSON.stringify(text.value)}: ${services.error.message}`);
    return backends;
  }
  for (const { service, tags, port } of services.value) {
    if (backends.has(port))
      values.problems.push(`--services: port ${port} leads to two services; one of them`);
    backends.set(port, serviceBackend(discovery, service, tags));
  }
  return backends;
}
