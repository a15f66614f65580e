import type { NamedEndpoint } from './named-endpoint.ts';
import { type Reading, readKeySegment, readValue } from './value-formats.ts';

/** One key of a registry with its text. */
export interface StoredValue {
  /** Below the path, without a leading slash: `10.0.0.5/web-1`; empty = the path itself. */
  readonly key: string;
  readonly value: string;
}

/** A value that was left out, and why. */
export interface SkippedValue {
  readonly key: string;
  readonly reason: string;
}

export interface ReadValues {
  /** By key; from a list at the path itself in the order of the list. */
  readonly endpoints: readonly NamedEndpoint[];
  /** By key. */
  readonly skipped: readonly SkippedValue[];
}

/** More than this many values are not read: no set that a descriptor names is as large. */
const maxValues = 10_000;

/**
 * The endpoints that the values at and below a path mean, in any of the formats of docs/operations.md. Where the path has
 * children they count, otherwise the value at the path does, which may be a list: `redis-1:6379,redis-2:6379`.
 *
 * Never throws, whatever the values are. The order of `values` does not matter.
 *
 * @param options.tags only endpoints that have all of them; one of a format without tags has none
 * @returns            `0.0.0.0` and `::` are among the skipped; what is announced for UDP is in neither list
 */
export function readValues(
  values: readonly StoredValue[],
  options: { readonly tags: readonly string[] },
): ReadValues {
  const endpoints: NamedEndpoint[] = [];
  const skipped: SkippedValue[] = [];
  const take = (key: string, reading: Reading) => {
    if (reading.kind === 'unreadable') skipped.push({ key, reason: reading.reason });
    if (reading.kind === 'endpoint' && hasAll(reading.endpoint.tags, options.tags)) {
      endpoints.push(reading.endpoint);
    }
  };
  const children = values.filter(({ key, value }) => key !== '' && !isFolder(key, value)).sort(byKey);
  if (children.length > 0) {
    for (const { key, value } of children.slice(0, maxValues)) take(key, readLeaf(key, value));
    if (children.length > maxValues) take('', tooMany);
  } else {
    const own = values.find(({ key, value }) => key === '' && value.trim() !== '');
    for (const reading of own === undefined ? [] : readOwn(own.value)) take('', reading);
  }
  return { endpoints, skipped };
}

function readLeaf(key: string, value: string): Reading {
  const segment = lastSegment(key);
  // registrator's ids: host:container:port, and :udp after it.
  if (segment.endsWith(':udp')) return { kind: 'none' };
  const fromKey = saysAddress(value) ? undefined : readKeySegment(segment);
  return fromKey ?? readValue(value, segment);
}

/** `c` of `a/b/c` and of `a/b/c/`. */
function lastSegment(key: string): string {
  const bare = key.endsWith('/') ? key.slice(0, -1) : key;
  return bare.slice(bare.lastIndexOf('/') + 1);
}

/** Whether a text is meant as an address or a document, readable or not: then the key is not asked. */
function saysAddress(text: string): boolean {
  return /[:{[]/.test(text);
}

/** The value at the path itself: a document, or a list. */
function readOwn(value: string): Reading[] {
  if (value.trimStart().startsWith('{')) return [readValue(value, '')];
  const items = value.split(',', maxValues + 1).filter((item) => item.trim() !== '');
  const readings = items.slice(0, maxValues).map((item) => readValue(item, ''));
  return items.length > maxValues ? [...readings, tooMany] : readings;
}

const tooMany: Reading = {
  kind: 'unreadable',
  reason: `there are more than ${maxValues} values, of which only the first ${maxValues} are read`,
};

/** Consul's folders are keys that end in a slash and hold nothing. */
function isFolder(key: string, value: string): boolean {
  return key.endsWith('/') && value.trim() === '';
}

function hasAll(tags: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((tag) => tags.includes(tag));
}

/** By code unit, so that the order is the same everywhere. */
function byKey(a: StoredValue, b: StoredValue): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
