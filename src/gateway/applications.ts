import type { Source } from '../backend/backend.ts';
import type { CallerChange } from '../caller/caller.ts';
import { ok } from '../core/result.ts';
import { httpPort } from '../http/applications.ts';

export interface ApplicationsOptions {
  /** Time between two checks of an endpoint, ms. */
  readonly checkMs: number;
  /** Takes each change to the table of the HTTP proxy. */
  readonly onChange: (change: CallerChange) => void;
}

/** Keeps the applications of the HTTP proxy's table those of the directory. */
export class Applications {
  readonly #options: ApplicationsOptions;
  readonly #told = new Map<string, string>();

  constructor(options: ApplicationsOptions) {
    this.#options = options;
  }

  /** @param sources by domain */
  set(sources: ReadonlyMap<string, Source>): void {
    for (const domain of this.#told.keys()) {
      if (sources.has(domain)) continue;
      this.#told.delete(domain);
      this.#options.onChange({ kind: 'caller-gone', id: domain });
    }
    for (const [domain, source] of sources) {
      const text = JSON.stringify(source);
      if (this.#told.get(domain) === text) continue;
      this.#told.set(domain, text);
      const options = {
        balance: 'leastconn',
        checkMs: this.#options.checkMs,
        checkHost: checkHost(domain),
      } as const;
      const routes = new Map([[httpPort, ok({ source, options })]]);
      this.#options.onChange({ kind: 'caller', caller: { id: domain, name: domain, addresses: [], routes } });
    }
  }
}

/** What an application is asked for by a check: a wildcard's own name, as no host is called `*`. */
export function checkHost(domain: string): string {
  return domain.startsWith('*.') ? domain.slice(2) : domain;
}
