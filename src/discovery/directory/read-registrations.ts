import { type Registered, readRegistrationKey } from '../../backend/registration-keys.ts';
import type { NamedEndpoint } from '../named-endpoint.ts';
import { type Reading, readKeySegment, readValue } from '../value-formats.ts';
import type { ReadValues, SkippedValue } from '../values.ts';
import { listedKey } from './directory.ts';

/** One application or service with what its keys say. */
export interface Group extends ReadValues {
  readonly registered: Registered;
}

/** What is registered, by `listedKey`, and what cannot be read. */
export interface Registrations {
  readonly groups: ReadonlyMap<string, Group>;
  readonly skipped: readonly SkippedValue[];
}

/** More keys are not read: each may be an endpoint, and a registry is a stranger's text. */
const maxKeys = 50_000;

/**
 * Reads the keys of etcd, of all roots together. Never throws, whatever they are; the order of the values does not matter.
 *
 * @param values by root (`/apps`): by the key below it, without a leading slash
 */
export function readRegistrations(values: ReadonlyMap<string, ReadonlyMap<string, string>>): Registrations {
  const groups = new Map<
    string,
    { registered: Registered; endpoints: NamedEndpoint[]; skipped: SkippedValue[] }
  >();
  const skipped: SkippedValue[] = [];
  let count = 0;
  // By code unit, so that the order of a set is the same everywhere.
  for (const root of [...values.keys()].sort()) {
    const below = values.get(root) ?? new Map<string, string>();
    for (const key of [...below.keys()].sort()) {
      if (++count > maxKeys) {
        skipped.push({
          key: '',
          reason: `there are more than ${maxKeys} keys, of which only the first are read`,
        });
        return { groups, skipped };
      }
      const whole = `${root}/${key}`;
      const reading = readRegistrationKey(root, key);
      if (reading.kind === 'unreadable') skipped.push({ key: whole, reason: reading.reason });
      if (reading.kind !== 'endpoint') continue;
      const { registered, id, address } = reading;
      const name = listedKey(registered);
      const group = groups.get(name) ?? { registered, endpoints: [], skipped: [] };
      groups.set(name, group);
      const found = readEndpoint(below.get(key) ?? '', id, address);
      if (found.kind === 'endpoint') group.endpoints.push({ ...found.endpoint, name: id.slice(0, shownId) });
      if (found.kind !== 'unreadable') continue;
      group.skipped.push({ key: whole, reason: found.reason });
      skipped.push({ key: whole, reason: found.reason });
    }
  }
  return { groups, skipped };
}

/** Of a container's id, what Docker's own tools show. */
const shownId = 64;

function readEndpoint(value: string, id: string, address: string | undefined): Reading {
  if (address === undefined) return readValue(value, id);
  return (
    readKeySegment(address) ?? {
      kind: 'unreadable',
      reason: `expected ip:port after the id, found ${JSON.stringify(address.slice(0, 40))}`,
    }
  );
}
