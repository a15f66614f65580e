import type { DiscoverySettings } from '../discovery/start.ts';
import type { EngineOptions } from '../docker/engine.ts';
import type { DataPlaneChoice } from '../proxy/start.ts';

/** What every ambassador is told. */
export interface ProxySettings extends DataPlaneChoice {
  readonly port: number;
  readonly connectTimeoutMs: number;
  /** Absent: as many as the limit of open files allows; never more than that. */
  readonly maxConnections?: number;
  /** Whether descriptors may lead to loopback and link-local addresses: those are the ambassador's own. */
  readonly allowLocalTargets: boolean;
  readonly engine: EngineOptions;
  readonly discovery: DiscoverySettings;
}
