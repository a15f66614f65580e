/** What the commands are told, read from flags and environment; what is wrong is gathered in `values.problems`. */
import type { ProxySettings } from '../ambassador/settings.ts';
import { type InterceptionMode, interceptionModes } from '../ambassador/start-interception.ts';
import { canonicalIp, parsePort } from '../core/address.ts';
import type { EngineOptions } from '../docker/engine.ts';
import { type KernelMode, kernelModes } from '../kernel/mode.ts';
import type { RuleSettings } from '../nat/settings.ts';
import type { TrackingSettings } from '../nat/tracking.ts';
import type { DataPlaneChoice } from '../proxy/start.ts';
import { type LogLevel, logLevels, type RunSettings } from './command.ts';
import { readDiscovery } from './discovery-settings.ts';
import { readAdmin } from './read-admin.ts';
import type { Values } from './values.ts';

/** embassy's documents ran it with -v=3 throughout: that much was its ordinary log. */
const debugVerbosity = 4;

export const defaultDockerSocket = '/var/run/docker.sock';
const defaultDockerHost = `unix://${defaultDockerSocket}`;

function isLogLevel(text: string): text is LogLevel {
  return logLevels.some((level) => level === text);
}

export function readLogLevel(values: Values): LogLevel {
  const parse = (text: string) => {
    const level = text.toLowerCase();
    return isLogLevel(level) ? level : undefined;
  };
  const level = values.read('log-level', `one of ${logLevels.join(', ')}`, parse);
  const verbosity = values.read('verbosity', 'a number', (text) =>
    /^\d{1,3}$/.test(text) ? Number(text) : undefined,
  );
  return level ?? (verbosity !== undefined && verbosity >= debugVerbosity ? 'debug' : 'info');
}

/** @param adminPort where the status page is if no port is named for it; absent: nowhere */
export function readRun(values: Values, adminPort?: number): RunSettings {
  return {
    logLevel: readLogLevel(values),
    drainMs: values.duration('drain', 30_000),
    ...readAdmin(values, adminPort),
  };
}

export function readEngine(values: Values): EngineOptions {
  const { DOCKER_TLS_VERIFY: tlsVerify, DOCKER_CERT_PATH: certPath } = values.env;
  return {
    host: values.text('docker')?.value ?? defaultDockerHost,
    ...(tlsVerify === undefined ? {} : { tlsVerify }),
    ...(certPath === undefined ? {} : { certPath }),
  };
}

export function readMaxConnections(values: Values): number | undefined {
  return values.read('max-connections', 'a number of connections, at least 1', (text) =>
    /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined,
  );
}

export function readDataPlane(values: Values): DataPlaneChoice {
  const workers = values.read('workers', 'a number of threads, 1 to 64', (text) => {
    const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
    return count >= 1 && count <= 64 ? count : undefined;
  });
  const dataPlane = values.read('data-plane', 'auto or portable', (text) =>
    text === 'auto' || text === 'portable' ? text : undefined,
  );
  return {
    ...(workers === undefined ? {} : { workers }),
    ...(dataPlane === undefined ? {} : { dataPlane }),
  };
}

export function readSettings(values: Values, port: number): ProxySettings {
  const maxConnections = readMaxConnections(values);
  return {
    port,
    connectTimeoutMs: values.duration('connect-timeout', 2000),
    allowLocalTargets: values.has('allow-local-targets'),
    engine: readEngine(values),
    discovery: readDiscovery(values),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...readDataPlane(values),
  };
}

/** What brings the connections to the proxy. */
export function readInterception(values: Values): InterceptionMode {
  const read = (text: string) => interceptionModes.find((mode) => mode === text);
  return values.read('rules', `one of ${interceptionModes.join(', ')}`, read) ?? 'auto';
}

/** Whether `localhost:<port>` of containers with `connect.<port>` labels is led to the ambassador. */
export function readLeadsLocalhost(values: Values): boolean {
  return values.read('localhost', 'auto or off', (text) => ({ auto: true, off: false })[text]) ?? true;
}

export function readKernelMode(values: Values): KernelMode | undefined {
  return values.read('kernel', `one of ${kernelModes.join(', ')}`, (text) =>
    kernelModes.find((mode) => mode === text),
  );
}

/** @param isDnat also without the flag */
export function readRules(values: Values, proxyPort: number, isDnat = values.has('dnat')): RuleSettings {
  const adminPort = values.port('admin-port');
  const tracking = readTracking(values);
  const common = {
    proxyPort,
    ...(adminPort === undefined ? {} : { adminPort }),
    ...(Object.keys(tracking).length === 0 ? {} : { tracking }),
  };
  const takePorts = values.list('take-ports', 'ports (1 to 65535) between commas', parsePort);
  if (!isDnat) {
    if (takePorts.length > 0) values.problems.push('--take-ports: belongs to --dnat, which is not given');
    return common;
  }
  const proxyIps = values.list('proxy-ip', 'IP addresses between commas', canonicalIp);
  return { ...common, dnat: { proxyIps, takePorts } };
}

/** embassy's variables for the kernel's connection tracking. */
function readTracking({ env, problems }: Values): TrackingSettings {
  const read = (name: string) => {
    const text = env[name];
    if (text === undefined || text === '') return undefined;
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    problems.push(`${name} in the environment: expected a number, at least 1, found ${JSON.stringify(text)}`);
    return undefined;
  };
  const maxConnections = read('IPTABLES_TRACK_MAX_CONNECTIONS');
  const timeWaitSeconds = read('IPTABLES_TRACK_TIMEOUT');
  return {
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(timeWaitSeconds === undefined ? {} : { timeWaitSeconds }),
  };
}
