import { parseDuration } from '../core/duration.ts';
import { nearestWord } from '../core/nearest.ts';
import { type BackendOptions, balancePolicies, proxyProtocols } from './backend.ts';
import type { Scanner } from './scanner.ts';

/** Options that say what to look up rather than how to connect; each belongs to certain sources. */
export interface SourceOptions {
  readonly tags: readonly string[];
  readonly datacenter?: string;
  readonly passing: boolean;
}

interface Draft {
  backend: { -readonly [K in keyof BackendOptions]: BackendOptions[K] };
  tags: string[];
  datacenter?: string;
  passing: boolean;
}

/** Takes a value in; returns what was expected where it does not fit. */
type Take = (draft: Draft, value: string) => string | undefined;

function oneOf<T extends string>(words: readonly T[], set: (draft: Draft, word: T) => void): Take {
  return (draft, value) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) return `one of ${words.join(', ')}`;
    set(draft, word);
    return undefined;
  };
}

function duration(set: (draft: Draft, ms: number) => void): Take {
  return (draft, value) => {
    const ms = parseDuration(value);
    if (ms === undefined || ms < 1) return 'a time such as 500ms or 2s';
    set(draft, ms);
    return undefined;
  };
}

const backendOptions: Readonly<Record<string, Take>> = {
  balance: oneOf(balancePolicies, (draft, word) => {
    draft.backend.balance = word;
  }),
  'connect-timeout': duration((draft, ms) => {
    draft.backend.connectTimeoutMs = ms;
  }),
  'send-proxy': oneOf(proxyProtocols, (draft, word) => {
    draft.backend.sendProxy = word;
  }),
  check: duration((draft, ms) => {
    draft.backend.checkMs = ms;
  }),
};

const tag: Take = (draft, value) => {
  const tags = value.split(',');
  if (tags.includes('')) return 'a tag';
  draft.tags.push(...tags);
  return undefined;
};

const sourceOptions: Readonly<Record<string, Readonly<Record<string, Take>>>> = {
  etcd: { tag },
  consul: { tag },
  'consul-service': {
    tag,
    dc: (draft, value) => {
      if (value === '') return 'the name of a datacenter';
      draft.datacenter = value;
      return undefined;
    },
    passing: oneOf(['true', 'false'], (draft, word) => {
      draft.passing = word === 'true';
    }),
  },
};

/**
 * Reads `?key=value&key=value` to the end of the text; nothing is nothing.
 *
 * @param kind the source before the `?`: some options belong to one kind only
 * @throws AppError ERR_DESCRIPTOR_SYNTAX for an unknown key, a value that does not fit, a key given twice (`tag` may be)
 */
export function scanOptions(
  scanner: Scanner,
  kind: string,
): { options: BackendOptions; source: SourceOptions } {
  const draft: Draft = { backend: {}, tags: [], passing: true };
  const known = { ...backendOptions, ...sourceOptions[kind] };
  const seen = new Set<string>();
  if (scanner.accept('?')) {
    do {
      const start = scanner.position;
      const key = scanner.until('=&');
      const take = Object.hasOwn(known, key) ? known[key] : undefined;
      if (take === undefined) {
        const near = nearestWord(key, Object.keys(known));
        const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
        throw scanner.fault(`one of the options ${Object.keys(known).join(', ')}${hint}`, start);
      }
      if (seen.has(key) && take !== tag) throw scanner.fault(`"${key}" once only`, start);
      seen.add(key);
      scanner.expect('=', `"=" after "${key}"`);
      const valueStart = scanner.position;
      const expected = take(draft, scanner.until('&'));
      if (expected !== undefined) throw scanner.fault(`${expected} for "${key}"`, valueStart);
    } while (scanner.accept('&'));
  }
  scanner.expectEnd('"?" and options, or the end');
  const { backend, tags, passing, datacenter } = draft;
  return { options: backend, source: { tags, passing, ...(datacenter === undefined ? {} : { datacenter }) } };
}
