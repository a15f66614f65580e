/**
 * The ambassador: builds the parts, joins them, and starts them from the bottom up.
 *
 *     docker feed -> callers -> route writer -> route table -> proxy <- interception
 *                               sources (DNS, etcd, Consul, …)
 *
 * Everything that it starts goes onto the stack that it is given; stopping that stack stops the ambassador.
 */
import type { StatusBoard } from '../admin/status-board.ts';
import { type Discovery as ServiceDiscovery, serviceBackend } from '../backend/discovery-service.ts';
import { Callers } from '../caller/callers.ts';
import { FeedLookup } from '../caller/lookup.ts';
import type { PartStack } from '../core/part.ts';
import { ok } from '../core/result.ts';
import { connectEngine } from '../docker/engine.ts';
import { LiveFeed } from '../docker/live-feed.ts';
import { beginKernelPath } from '../kernel/begin.ts';
import type { KernelMode } from '../kernel/mode.ts';
import { beginLocalhost, helperEntry } from '../localhost/begin.ts';
import { setOwnRules } from '../localhost/own-rules.ts';
import { readReach } from '../nat/reach.ts';
import type { RuleSettings } from '../nat/settings.ts';
import { OwnAddresses } from '../sys/own-addresses.ts';
import { describeCallers } from './describe-callers.ts';
import type { ProxySettings } from './settings.ts';
import { findSelf } from './start-feed.ts';
import { startHealth } from './start-health.ts';
import { type InterceptionMode, startInterception } from './start-interception.ts';
import { describeProxy, startProxy } from './start-proxy.ts';
import { startRoutes } from './start-routes.ts';

export interface OmniSettings extends ProxySettings {
  readonly rules: RuleSettings;
  readonly interception: InterceptionMode;
  /** True has a helper container set the rules, where this process may not: as connectable did. */
  readonly rulesByHelper?: boolean;
  /** Whether `localhost:<port>` of containers with `connect.<port>` labels is led here. */
  readonly leadsLocalhost: boolean;
  /** Where embassy's `service;port` is found; absent: such a port is refused. */
  readonly services?: ServiceDiscovery | undefined;
  /** The only registry servers that containers' descriptors may name, as `host:port`; absent: any. */
  readonly registries?: ReadonlySet<string> | undefined;
  /** How the names of the callers' variables begin; absent: `BACKEND_`. */
  readonly variablePrefix?: string;
  /** Absent: auto. */
  readonly kernel?: KernelMode | undefined;
}

/**
 * The mode of many callers: each container's connections go where its own environment and labels say.
 *
 * @throws AppError ERR_DOCKER, ERR_RULES, ERR_CANNOT_START; what has started by then is on the stack
 */
export async function startOmni(settings: OmniSettings, board: StatusBoard, parts: PartStack): Promise<void> {
  const { logger } = board;
  const engine = connectEngine(settings.engine);
  const feed = await parts.begin(new LiveFeed({ engine, logger }));
  const version = await engine.engineVersion();
  logger.info(`docker ${version} at ${engine.host}: ${feed.containers.size} container(s) run`);

  const selfId = await findSelf(feed);
  const { table, writer, health } = await startRoutes(settings, board, parts, feed, selfId);
  const { allowLocalTargets, registries, services, variablePrefix } = settings;
  const discovery =
    services === undefined
      ? undefined
      : (service: string, tags: readonly string[]) => ok(serviceBackend(services, service, tags));
  const callers = await parts.begin(
    new Callers({ feed, logger, allowLocalTargets, registries, discovery, variablePrefix }),
  );
  callers.subscribe((change) => writer.applyCaller(change));
  const lookup = new FeedLookup({ callers, feed, logger });
  parts.defer(() => lookup.stop());

  const own = await parts.begin(new OwnAddresses(logger));
  const proxy = await startProxy(settings, board, parts, {
    routes: table,
    health,
    awaitCaller: (ip) => lookup.resolve(ip),
    own,
    destination: 'redirected',
  });
  const self = feed.containers.get(selfId ?? '');
  const kernel = await beginKernelPath({
    mode: settings.kernel ?? 'auto',
    routes: table,
    checks: health,
    surroundings: () => readReach(settings.rules),
    selfPid: self?.pid || undefined,
    logger,
    parts,
  });
  if (kernel !== undefined) board.showKernel(kernel);
  describeCallers(table, kernel, logger);
  const { rulesByHelper = false } = settings;
  if (rulesByHelper) await setOwnRules(self, settings.port, helperEntry({ engine, feed, selfId }), logger);
  // Who said nothing has not asked for rules on the host.
  const mode = rulesByHelper && self?.networkMode === 'host' ? 'off' : settings.interception;
  await startInterception(settings.rules, { mode, proxy, selfName: self?.name, logger, parts });
  if (settings.leadsLocalhost) {
    await beginLocalhost({ engine, feed, selfId, rules: settings.rules, logger, parts });
  }
  // Drains before the rules go: the kernel ends the rewriting of packets, also of open connections, with a
  // namespace's last nat chain (nf_nat_unregister_fn). Nobody gets in meanwhile, because the port is closed.
  parts.defer((deadlineMs) => proxy.stop(deadlineMs));
  await startHealth(
    settings,
    board,
    parts,
    () => `${describeProxy(proxy)}, ${table.callers.size} caller(s) known`,
  );
}
