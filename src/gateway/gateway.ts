/**
 * The gateway: what a directory lists, served. HTTP applications by domain on one port, each TCP service on its own.
 *
 *     directory ─► applications.ts ─► route table ─► http/
 *               └► service-callers.ts ─► route table ─► proxy/ on each port (service-ports.ts)
 *
 * It never takes away what works: an error of the registry leaves the listing as it is.
 */
import type { Source } from '../backend/backend.ts';
import { messageOf } from '../core/errors.ts';
import type { GatewayStatus } from '../core/gateway-status.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import type { Directory, Listed, Listing } from '../discovery/directory/directory.ts';
import { listedKey } from '../discovery/directory/directory.ts';
import { SettledListing } from '../discovery/directory/settled-listing.ts';
import type { SkippedValue } from '../discovery/values.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { HttpProxy } from '../http/http-proxy.ts';
import type { RouteTable } from '../route/table.ts';
import type { Applications } from './applications.ts';
import { EndpointTimes } from './endpoint-times.ts';
import type { ServiceCallers } from './service-callers.ts';
import type { ServicePorts } from './service-ports.ts';
import type { Services } from './service-routes.ts';
import { gatewayStatus } from './status.ts';

export interface GatewayOptions {
  readonly directory: Directory;
  /** What an earlier run has known: served until the registry has answered. */
  readonly remembered: () => readonly Listed[];
  readonly http: HttpProxy;
  readonly applications: Applications;
  readonly applicationTable: RouteTable;
  readonly callers: ServiceCallers;
  readonly ports: ServicePorts;
  readonly serviceTable: RouteTable;
  readonly health: EndpointHealth;
  readonly logger: Logger;
}

export class Gateway implements Part {
  readonly #options: GatewayOptions;
  readonly #end = new AbortController();
  readonly #times = new EndpointTimes();
  readonly #unsubscribe: () => void;
  #services: Services = new Map();
  #skipped: readonly SkippedValue[] = [];
  #problem: string | undefined;
  #isRead = false;
  #isServing = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    // A state that nobody asks for would have no time of its change.
    this.#unsubscribe = options.health.subscribe(() => this.status());
  }

  /** @throws AppError ERR_CANNOT_START where the port of HTTP cannot be listened on */
  async start(): Promise<void> {
    const { http, directory, logger } = this.#options;
    await http.start();
    logger.info(`listening on ${http.status.address}: HTTP applications; registry ${directory.text}`);
    const { signal } = this.#end;
    const settled = new SettledListing((update) => {
      if (update.ok) this.#take(update.value);
      else this.#fail(update.error.message);
    }, signal);
    directory.watch(settled.take, signal);
    this.#isServing = true;
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#isServing = false;
    this.#end.abort();
    const { http, ports, callers } = this.#options;
    await Promise.all([http.stop(deadlineMs), ports.stop(deadlineMs)]);
    callers.stop();
    this.#unsubscribe();
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** One line. */
  get detail(): string {
    const { http, applicationTable } = this.#options;
    const services = [...this.#services.values()].reduce((sum, names) => sum + names.size, 0);
    const problem = this.#problem === undefined ? '' : `; ${this.#problem}`;
    return `${applicationTable.callers.size} application(s) on ${http.status.address}, ${services} service(s)${problem}`;
  }

  status(): GatewayStatus {
    const { directory, http, applicationTable, serviceTable, ports, health } = this.#options;
    const problem = this.#problem === undefined ? {} : { problem: this.#problem };
    return gatewayStatus({
      registry: { text: directory.text, isRead: this.#isRead, ...problem },
      skipped: this.#skipped,
      http,
      applications: applicationTable,
      services: this.#services,
      serviceTable,
      ports: ports.all,
      health,
      times: this.#times,
    });
  }

  #take({ listed, skipped }: Listing): void {
    const { logger, directory } = this.#options;
    if (this.#problem !== undefined) logger.info(`registry ${directory.text}: answers again`);
    this.#problem = undefined;
    this.#isRead = true;
    this.#skipped = skipped;
    this.#serve(listed.values());
  }

  #fail(message: string): void {
    const { logger, directory, remembered } = this.#options;
    if (this.#problem === undefined) {
      logger.warn(`registry ${directory.text}: ${message}; what was registered before is served`);
    }
    const isFirst = this.#problem === undefined && !this.#isRead;
    this.#problem = message;
    if (!isFirst) return;
    const known = remembered();
    if (known.length === 0) return;
    logger.warn(`${known.length} application(s) and service(s) are served as an earlier run has known them`);
    this.#serve(known);
  }

  #serve(all: Iterable<Listed>): void {
    const { applications, callers, ports, logger } = this.#options;
    const domains = new Map<string, Source>();
    const services = new Map<number, Map<string, Source>>();
    for (const { registered, source } of all) {
      if (registered.kind === 'application') domains.set(registered.domain, source);
      else {
        const names = services.get(registered.port) ?? new Map<string, Source>();
        services.set(registered.port, names.set(registered.name, source));
      }
    }
    for (const [port, names] of services) {
      const before = this.#services.get(port)?.size ?? 0;
      if (names.size > 1 && names.size !== before) {
        const [first, ...others] = [...names.keys()].sort();
        logger.warn(`port ${port}: ${first} has it; ${others.join(', ')} by link alias only`);
      }
    }
    this.#services = services;
    try {
      applications.set(domains);
      callers.set(services);
      ports.set(new Set(services.keys()));
    } catch (thrown) {
      logger.error(`the listing was not taken: ${messageOf(thrown)}`);
    }
  }
}

/** What an earlier run has known of a directory, from the keys of its sources. */
export function rememberedListing(directory: Directory, keys: Iterable<string>): readonly Listed[] {
  const found = new Map<string, Listed>();
  for (const key of keys) {
    const source: Source = JSON.parse(key);
    const registered = directory.recall(source);
    if (registered !== undefined) found.set(listedKey(registered), { registered, source });
  }
  return [...found.values()];
}
