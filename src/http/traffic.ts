import type { TrafficStatus } from '../core/gateway-status.ts';

/** Seconds that a rate is taken over. */
const window = 10;

/** What went to one application, or to one of its endpoints. */
export class Traffic {
  active = 0;
  served = 0;
  bytesUp = 0;
  bytesDown = 0;
  failures = 0;

  status(): TrafficStatus {
    const { active, served, bytesUp, bytesDown, failures } = this;
    return { active, served, bytesUp, bytesDown, failures };
  }
}

/** Requests a second, over the last ten. Call `tick` once a second. */
export class Rate {
  readonly #marks: number[] = [];
  #count = 0;

  add(): void {
    this.#count++;
  }

  tick(): void {
    this.#marks.push(this.#count);
    if (this.#marks.length > window) this.#marks.shift();
  }

  get perSecond(): number {
    const first = this.#marks[0];
    if (first === undefined) return this.#count;
    return Math.round(((this.#count - first) / this.#marks.length) * 10) / 10;
  }
}

/** The traffic of an application: its own, and that of its endpoints. */
export class ApplicationTraffic extends Traffic {
  readonly rate = new Rate();
  /** By the first digit of the status. */
  readonly answers: number[] = [0, 0, 0, 0, 0, 0];
  readonly endpoints = new Map<string, Traffic>();

  of(endpoint: string): Traffic {
    const known = this.endpoints.get(endpoint);
    if (known !== undefined) return known;
    const fresh = new Traffic();
    this.endpoints.set(endpoint, fresh);
    return fresh;
  }

  /** Forgets endpoints that are not in the set any more, unless a request to them is under way. */
  prune(isNamed: (endpoint: string) => boolean): void {
    for (const [endpoint, { active }] of this.endpoints) {
      if (active === 0 && !isNamed(endpoint)) this.endpoints.delete(endpoint);
    }
  }

  answered(status: number): void {
    const digit = Math.floor(status / 100);
    this.answers[digit] = (this.answers[digit] ?? 0) + 1;
  }
}
