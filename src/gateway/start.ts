import { readFile } from 'node:fs/promises';
import type { Discovery as Registry } from '../backend/discovery-service.ts';
import type { Logger } from '../core/log.ts';
import type { PartStack } from '../core/part.ts';
import { type DiscoverySettings, startDiscovery } from '../discovery/start.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import { connectOnce } from '../health/connect-once.ts';
import { EndpointHealth } from '../health/endpoint-health.ts';
import { HttpProxy } from '../http/http-proxy.ts';
import { httpLimits } from '../http/limits.ts';
import { connectionLimit } from '../proxy/connection-limit.ts';
import type { DataPlaneOptions } from '../proxy/data-plane.ts';
import { type DataPlaneChoice, makeDataPlane } from '../proxy/start.ts';
import { RouteTable } from '../route/table.ts';
import { RouteWriter } from '../route/writer.ts';
import { openFilesLimit } from '../sys/limits.ts';
import { Applications } from './applications.ts';
import { Gateway, rememberedListing } from './gateway.ts';
import { ServiceCallers } from './service-callers.ts';
import { ServicePorts } from './service-ports.ts';

export interface GatewaySettings {
  readonly registry: Registry;
  /** 0 = any free port. */
  readonly httpPort: number;
  readonly connectTimeoutMs: number;
  /** How long an application may take to begin its answer, ms. */
  readonly answerMs: number;
  /** Time between two checks of an application's endpoint, ms. */
  readonly checkMs: number;
  readonly maxConnections?: number;
  readonly allowLocalTargets: boolean;
  /** Canonical addresses whose X-Forwarded-Host, -Port and -Proto are passed on. */
  readonly trustedProxies: ReadonlySet<string>;
  readonly hasAccessLog: boolean;
  /** How long connections to a service that has gone may go on, ms. */
  readonly drainMs: number;
  /** What carries the services' connections. */
  readonly plane?: DataPlaneChoice;
  readonly discovery: DiscoverySettings;
}

export interface GatewayParts {
  readonly logger: Logger;
  readonly parts: PartStack;
  /** Absent: nobody's links are known. */
  readonly feed?: ContainerFeed | undefined;
  readonly selfId?: string | undefined;
  /** How long keys that etcd has lost are taken for being there, ms; absent: as the directory says. */
  readonly lostMs?: number;
}

/**
 * Starts the gateway.
 *
 * @throws AppError ERR_CANNOT_START; what has started by then is on the stack
 */
export async function startGateway(settings: GatewaySettings, options: GatewayParts): Promise<Gateway> {
  const { logger, parts, feed, selfId, lostMs } = options;
  const { registry, allowLocalTargets, connectTimeoutMs } = settings;
  const { sources, store, directory } = await startDiscovery(settings.discovery, {
    ...{ logger, parts, registry, lostMs },
  });
  if (directory === undefined) throw new TypeError('a registry has a directory');
  const health = new EndpointHealth({ connect: connectOnce, logger });
  parts.defer(() => health.stop());
  const shared = { sources, health, logger, allowLocalTargets };

  const applicationTable = new RouteTable();
  const applicationWriter = new RouteWriter({ ...shared, table: applicationTable });
  parts.defer(() => applicationWriter.stop());
  const serviceTable = new RouteTable();
  const serviceWriter = new RouteWriter({ ...shared, table: serviceTable });
  parts.defer(() => serviceWriter.stop());

  const openFiles = openFilesLimit(await readFile('/proc/self/limits', 'utf8').catch(() => '')) ?? 1024;
  const { maxConnections, problem } = connectionLimit(openFiles, settings.maxConnections);
  if (problem !== undefined) logger.warn(problem, { code: 'ERR_LIMIT' });
  // libuv sheds connections without a word where files run out, so HTTP has what the services leave of the whole.
  const http: HttpProxy = new HttpProxy({
    host: '::',
    port: settings.httpPort,
    table: applicationTable,
    health,
    limits: httpLimits(settings.answerMs),
    connectTimeoutMs,
    maxConnections: () => maxConnections - ports.active,
    isTrusted: (ip) => settings.trustedProxies.has(ip),
    logger,
    hasAccessLog: settings.hasAccessLog,
  });
  const ports = new ServicePorts({
    listen: (port) => {
      const plane: DataPlaneOptions = {
        ...{ host: '::', port, routes: serviceTable, health, openFiles, logger },
        awaitCaller: async () => false,
        destination: 'own',
        maxConnections: Math.max(1, Math.floor(maxConnections / 2)),
        limits: { connectTimeoutMs },
      };
      return makeDataPlane(plane, settings.plane);
    },
    logger,
    drainMs: settings.drainMs,
  });
  const callers = new ServiceCallers({
    feed,
    selfId,
    onChange: (change) => serviceWriter.applyCaller(change),
  });
  const applications = new Applications({
    checkMs: settings.checkMs,
    onChange: (change) => applicationWriter.applyCaller(change),
  });
  const remembered = () => (store === undefined ? [] : rememberedListing(directory, store.keys()));
  const gateway = new Gateway({
    ...{
      directory,
      remembered,
      http,
      applications,
      applicationTable,
      callers,
      ports,
      serviceTable,
      health,
      logger,
    },
  });
  return await parts.begin(gateway);
}
