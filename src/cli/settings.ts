/** What the commands are told, read from flags and environment; what is wrong is gathered in `values.problems`. */
import type { ProxySettings } from '../ambassador.ts';
import { canonicalIp, parsePort } from '../core/address.ts';
import type { EngineOptions } from '../docker/engine.ts';
import type { RuleSettings } from '../nat/settings.ts';
import { type LogLevel, logLevels, type RunSettings } from './command.ts';
import { readDiscovery } from './discovery-settings.ts';
import type { Values } from './values.ts';

const defaultDockerHost = 'unix:///var/run/docker.sock';

function isLogLevel(text: string): text is LogLevel {
  return logLevels.some((level) => level === text);
}

export function readLogLevel(values: Values): LogLevel {
  const parse = (text: string) => {
    const level = text.toLowerCase();
    return isLogLevel(level) ? level : undefined;
  };
  return values.read('log-level', `one of ${logLevels.join(', ')}`, parse) ?? 'info';
}

export function readRun(values: Values): RunSettings {
  return { logLevel: readLogLevel(values), drainMs: values.duration('drain', 30_000) };
}

export function readEngine(values: Values): EngineOptions {
  const { DOCKER_TLS_VERIFY: tlsVerify, DOCKER_CERT_PATH: certPath } = values.env;
  return {
    host: values.text('docker')?.value ?? defaultDockerHost,
    ...(tlsVerify === undefined ? {} : { tlsVerify }),
    ...(certPath === undefined ? {} : { certPath }),
  };
}

export function readSettings(values: Values, port: number): ProxySettings {
  const maxConnections = values.read('max-connections', 'a number of connections, at least 1', (text) =>
    /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined,
  );
  return {
    port,
    connectTimeoutMs: values.duration('connect-timeout', 2000),
    allowLocalTargets: values.has('allow-local-targets'),
    engine: readEngine(values),
    discovery: readDiscovery(values),
    ...(maxConnections === undefined ? {} : { maxConnections }),
  };
}

export function readRules(values: Values, proxyPort: number): RuleSettings {
  const adminPort = values.port('admin-port');
  const takePorts = values.list('take-ports', 'ports (1 to 65535) between commas', parsePort);
  if (!values.has('dnat')) {
    if (takePorts.length > 0) values.problems.push('--take-ports: belongs to --dnat, which is not given');
    return { proxyPort, ...(adminPort === undefined ? {} : { adminPort }) };
  }
  const proxyIps = values.list('proxy-ip', 'IP addresses between commas', canonicalIp);
  return { proxyPort, dnat: { proxyIps, takePorts }, ...(adminPort === undefined ? {} : { adminPort }) };
}
