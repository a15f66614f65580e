import { formatHostPort } from '../core/address.ts';
import type { NamedEndpoint } from './named-endpoint.ts';
import { readValue } from './value-formats.ts';
import type { ReadValues, SkippedValue } from './values.ts';

/** Which instances count. */
export interface InstanceChoice {
  /** All of them are required; compared without case, as Consul does. */
  readonly tags: readonly string[];
  /** True: only where every check passes. False: where none is critical. */
  readonly passing: boolean;
}

type CheckState = 'passing' | 'warning' | 'critical';

const maxWeight = 65_535;

/**
 * The endpoints that entries of GET /v1/health/service/<name> mean: service address before node address, weight by the
 * state of the checks, ordered by service id. Never throws, whatever the entries are.
 *
 * The checks of an entry are those of the node and of the service; the worst one counts. Maintenance is a critical check.
 * With `passing` false this is what Consul's own DNS leaves out by default (only_passing = false): critical ones.
 *
 * Source: Consul documentation, Health API and Agent configuration (dns_config.only_passing, service weights);
 *         agent/dns.go findWeight: no weights = 1
 */
export function readInstances(entries: readonly object[], choice: InstanceChoice): ReadValues {
  const instances = entries.map(instance).filter((entry) => entry !== undefined);
  const unreadable = entries.length - instances.length;
  const endpoints: NamedEndpoint[] = [];
  const skipped: SkippedValue[] = [];
  for (const entry of instances.filter((one) => isChosen(one, choice)).sort(byId)) {
    const reading = readAddress(entry);
    if (typeof reading === 'string') skipped.push({ key: entry.id, reason: reading });
    else endpoints.push(reading);
  }
  if (unreadable > 0) {
    skipped.push({ key: '', reason: 'expected entries with "Node", "Service" and "Checks" only' });
  }
  return { endpoints, skipped };
}

/** What counts of an entry. */
interface Instance {
  readonly id: string;
  readonly node: string;
  readonly host: string;
  readonly port: unknown;
  readonly tags: readonly string[];
  readonly state: CheckState;
  readonly weights: Readonly<Record<string, unknown>>;
}

function instance(entry: object): Instance | undefined {
  const { Node, Service, Checks } = entry as Record<string, unknown>;
  if (!isRecord(Node) || !isRecord(Service) || !Array.isArray(Checks)) return undefined;
  const node = text(Node.Node);
  return {
    id: text(Service.ID) || text(Service.Service) || node,
    node,
    host: text(Service.Address) || text(Node.Address),
    port: Service.Port,
    tags: list(Service.Tags).filter((tag) => typeof tag === 'string'),
    state: worst(Checks),
    weights: isRecord(Service.Weights) ? Service.Weights : {},
  };
}

/** A state that is none of the known ones counts as critical. */
function worst(checks: readonly unknown[]): CheckState {
  const states = new Set(checks.map((check) => (isRecord(check) ? check.Status : undefined)));
  states.delete('passing');
  const isWarning = states.delete('warning');
  if (states.size > 0) return 'critical';
  return isWarning ? 'warning' : 'passing';
}

function isChosen({ state, tags }: Instance, choice: InstanceChoice): boolean {
  if (state === 'critical' || (choice.passing && state !== 'passing')) return false;
  const present = new Set(tags.map((tag) => tag.toLowerCase()));
  return choice.tags.every((tag) => present.has(tag.toLowerCase()));
}

/** The endpoint, or why there is none. */
function readAddress({ id, host, port, tags, state, weights }: Instance): NamedEndpoint | string {
  if (host === '') return 'neither the service nor its node has an address';
  if (typeof port !== 'number' || port === 0) return 'it is registered without a port';
  const reading = readValue(formatHostPort(host, port), id);
  if (reading.kind === 'unreadable') return reading.reason;
  if (reading.kind === 'none') return 'it is no TCP endpoint';
  const weight = weightOf(state === 'warning' ? weights.Warning : weights.Passing);
  return { ...reading.endpoint, weight, tags };
}

function weightOf(value: unknown): number {
  if (typeof value !== 'number' || Number.isNaN(value)) return 1;
  return Math.min(maxWeight, Math.max(0, Math.trunc(value)));
}

/** By id, then by node: Consul promises no order. */
function byId(a: Instance, b: Instance): number {
  return compare(a.id, b.id) || compare(a.node, b.node);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
