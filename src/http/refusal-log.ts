import type { Logger } from '../core/log.ts';

/** So many refusals are told one by one in a second; a scanner must not fill the disk. */
const linesPerSecond = 20;

/** The log of what the gateway answers itself: a line each, and in a flood one line for all that were left out. */
export class RefusalLog {
  readonly #logger: Logger;
  #left = linesPerSecond;
  #untold = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  tell(status: number, reason: string, client: string, request: string): void {
    this.#timer ??= setTimeout(() => this.#renew(), 1000);
    if (this.#left === 0) {
      this.#untold++;
      return;
    }
    this.#left--;
    // The client's mistakes are information; the applications' are to be looked after.
    const level = status < 500 ? 'info' : 'warn';
    const what = request === '' ? '' : ` ${request}`;
    this.#logger[level](`${status} to ${client}${what}: ${reason}`, {
      caller: client,
      code: `HTTP_${status}`,
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tellUntold();
  }

  #renew(): void {
    this.#timer = undefined;
    this.#left = linesPerSecond;
    this.#tellUntold();
  }

  #tellUntold(): void {
    if (this.#untold === 0) return;
    this.#logger.warn(`${this.#untold} more requests were refused within a second`, { code: 'ERR_LIMIT' });
    this.#untold = 0;
  }
}
