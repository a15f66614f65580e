import { Backoff, type BackoffOptions, sleep } from '../core/backoff.ts';
import { AppError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Part } from '../core/part.ts';
import { fail, type Result } from '../core/result.ts';
import { Slots } from '../core/slots.ts';
import type { Container } from '../docker/container.ts';
import type { ContainerFeed } from '../docker/feed.ts';
import { type Entered, enterBy, type NamespaceEntry } from './entry.ts';
import { type AmbassadorPlace, type LeadPlan, planLead } from './lead.ts';
import type { LeadReport } from './rules.ts';

export interface LocalhostKeeperOptions {
  readonly feed: Pick<ContainerFeed, 'containers' | 'subscribe'>;
  readonly place: AmbassadorPlace;
  /** In the order of trial. */
  readonly entries: readonly NamespaceEntry[];
  readonly logger: Logger;
  /** Bound on one visit to a container, ms. */
  readonly visitMs?: number;
  /** Gaps between failed visits to a container. */
  readonly backoff?: BackoffOptions;
}

/** Visits under way at one time. */
const visitsAtOnce = 4;
/** How long taking the rules away may take at least, ms: a stop in haste must not leave rules that lead to nobody. */
const minRemovalMs = 5000;

/** A container with the labels, in one run of it. */
interface Caller {
  container: Container;
  plan: LeadPlan;
  /** What has been set there, as far as is known: where a visit was cut off, it may be there or not. */
  standing: { readonly address: string; readonly key?: string } | undefined;
  /** The failure or refusal that the log has already. */
  told: string | undefined;
  /** Ends the visits that are under way for an earlier plan. */
  turn: AbortController;
  work: Promise<void>;
}

/**
 * Keeps `localhost` of every container with `connect.<port>` labels leading to the ambassador, for as long as both live.
 * Containers without such labels are never visited.
 */
export class LocalhostKeeper implements Part {
  readonly #options: LocalhostKeeperOptions;
  readonly #callers = new Map<string, Caller>();
  readonly #slots = new Slots(visitsAtOnce);
  readonly #hurry = new AbortController();
  #unsubscribe: (() => void) | undefined;
  #removal: Promise<void> | undefined;

  constructor(options: LocalhostKeeperOptions) {
    this.#options = options;
  }

  /** Returns before the rules are set: the ambassador serves meanwhile. */
  async start(): Promise<void> {
    const { feed, place } = this.#options;
    this.#unsubscribe = feed.subscribe((change) => {
      if (change.kind === 'gone') this.#drop(change.id);
      else if (change.container.id === place.selfId) this.#considerAll();
      else this.#consider(change.container);
    });
    this.#considerAll();
  }

  /** Resolves when no visit is under way or waits for its repetition. */
  async settled(): Promise<void> {
    await Promise.all([...this.#callers.values()].map(({ work }) => work));
  }

  async stop(deadlineMs: number): Promise<void> {
    const hurry = () => this.#hurry.abort();
    const bound = setTimeout(hurry, Math.max(deadlineMs, minRemovalMs));
    this.#removal ??= this.#end();
    await this.#removal;
    clearTimeout(bound);
  }

  async #end(): Promise<void> {
    this.#unsubscribe?.();
    for (const caller of this.#callers.values()) caller.turn.abort();
    await this.settled();
    const visited = [...this.#callers.values()].filter(({ standing }) => standing !== undefined);
    this.#callers.clear();
    if (visited.length === 0) return;
    await Promise.all(visited.map((caller) => this.#leave(caller)));
    const { logger, feed } = this.#options;
    const left = visited.filter(({ standing, container }) => {
      return standing !== undefined && feed.containers.has(container.id);
    });
    logger.info(`localhost rules removed from ${visited.length - left.length} container(s)`);
    for (const { container, told } of left) {
      logger.warn(
        `localhost rules stay in ${container.name} (${told}); remove them with: docker run --rm --cap-add NET_ADMIN --net container:${container.name} nuncio --cleanup-iptables`,
        { caller: container.name, code: 'ERR_RULES' },
      );
    }
  }

  #considerAll(): void {
    for (const container of this.#options.feed.containers.values()) this.#consider(container);
  }

  #consider(container: Container): void {
    const { feed, place } = this.#options;
    const plan = planLead(container, place, feed.containers.get(place.selfId ?? ''));
    const known = this.#callers.get(container.id);
    if (known === undefined) {
      if (plan.kind === 'none') return;
      const fresh: Caller = {
        container,
        plan,
        standing: undefined,
        told: undefined,
        turn: new AbortController(),
        work: Promise.resolve(),
      };
      this.#callers.set(container.id, fresh);
      this.#follow(fresh);
      return;
    }
    // Another process is another run, in a new namespace: a restart that the feed has not seen the end of.
    const isSameRun = known.container.pid === container.pid;
    const isSame = isSameRun && JSON.stringify(known.plan) === JSON.stringify(plan);
    known.container = container;
    if (isSame) return;
    known.plan = plan;
    if (!isSameRun) known.standing = undefined;
    this.#follow(known);
  }

  #drop(id: string): void {
    this.#callers.get(id)?.turn.abort();
    this.#callers.delete(id);
  }

  /** Ends what is under way for an earlier plan, then works on the present one. */
  #follow(caller: Caller): void {
    caller.turn.abort();
    caller.turn = new AbortController();
    const { signal } = caller.turn;
    caller.work = caller.work.then(() => this.#work(caller, signal));
  }

  async #work(caller: Caller, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#options.backoff ?? { initialMs: 1000, maxMs: 60_000, factor: 2 });
    if (caller.plan.kind === 'refused') this.#tell(caller, caller.plan.reason);
    while (!signal.aborted && !isDone(caller)) {
      const outcome = await this.#visit(caller, signal);
      if (outcome.ok) continue;
      // A container that ends takes its namespace along a moment before the feed tells: that is no news.
      await sleep(backoff.next(), signal);
      if (!signal.aborted) this.#tell(caller, `${outcome.error.message}; trying again`);
    }
  }

  /** Sets the plan's rules, or takes away what stands where the plan has none. */
  async #visit(caller: Caller, signal: AbortSignal): Promise<Result<unknown>> {
    const { plan, container } = caller;
    if (plan.kind !== 'lead') return this.#clear(caller, signal);
    const { address, ports } = plan.lead;
    // As far as is known from here on: the visit may be cut off at any point.
    caller.standing = { address };
    const outcome = await this.#enter(container, ['set', address, ports.join(',')], signal);
    if (!outcome.ok) return outcome;
    caller.standing = { address, key: keyOf(plan) };
    caller.told = undefined;
    this.#report(caller, outcome.value, address, ports);
    return outcome;
  }

  #report({ container }: Caller, { by, stdout }: Entered, address: string, ports: readonly number[]): void {
    const { logger } = this.#options;
    const fields = { caller: container.name };
    logger.info(
      `localhost of ${container.name}: port(s) ${ports.join(', ')} lead to the ambassador at ${address} (by ${by})`,
      fields,
    );
    const { shadowed } = JSON.parse(stdout) as LeadReport;
    if (shadowed.length === 0) return;
    logger.warn(
      `localhost of ${container.name}: something in it listens on port(s) ${shadowed.join(', ')}, and localhost does not reach it any more; remove the label, or let it listen elsewhere`,
      fields,
    );
  }

  async #clear(caller: Caller, signal: AbortSignal): Promise<Result<unknown>> {
    const address = caller.standing?.address ?? '';
    const outcome = await this.#enter(caller.container, ['clear', address], signal);
    if (outcome.ok) caller.standing = undefined;
    return outcome;
  }

  /** At the end: once, within the time that there is. */
  async #leave(caller: Caller): Promise<void> {
    const outcome = await this.#clear(caller, this.#hurry.signal);
    caller.told = outcome.ok ? undefined : outcome.error.message;
  }

  async #enter(container: Container, args: readonly string[], signal: AbortSignal): Promise<Result<Entered>> {
    const { entries, visitMs = 15_000 } = this.#options;
    if (!(await this.#slots.acquire(signal)))
      return fail(new AppError('ERR_RULES', 'no time was left for it'));
    const bound = AbortSignal.timeout(visitMs);
    try {
      const both = AbortSignal.any([signal, bound]);
      const outcome = await enterBy(entries, container, ['localhost-rules', ...args], both);
      if (outcome.ok) JSON.parse(outcome.value.stdout);
      return outcome.ok || !bound.aborted
        ? outcome
        : fail(new AppError('ERR_RULES', `no end within ${visitMs / 1000} s: ${outcome.error.message}`));
    } catch (thrown) {
      return fail(new AppError('ERR_RULES', `an answer that cannot be read: ${messageOf(thrown)}`));
    } finally {
      this.#slots.release();
    }
  }

  /** Once, until something else is to be told of the container. */
  #tell(caller: Caller, reason: string): void {
    if (caller.told === reason) return;
    caller.told = reason;
    const { name } = caller.container;
    this.#options.logger.warn(`localhost of ${name} does not lead to the ambassador: ${reason}`, {
      caller: name,
      code: 'ERR_RULES',
    });
  }
}

function keyOf(plan: LeadPlan): string {
  return JSON.stringify(plan);
}

function isDone({ plan, standing }: Caller): boolean {
  return plan.kind === 'lead' ? standing?.key === keyOf(plan) : standing === undefined;
}
