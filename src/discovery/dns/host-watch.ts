import { Backoff } from '../../core/backoff.ts';
import { AppError, messageOf } from '../../core/errors.ts';
import { type AddressLookup, type HostLookup, sorted } from './addresses.ts';

/** What is known of a host name. */
export type HostState =
  /** Not answered yet. */
  | { readonly kind: 'pending' }
  /** Never answered; the last failure. */
  | { readonly kind: 'unknown'; readonly error: AppError }
  /** `problem`: why the addresses cannot be confirmed at present; they are then the last ones known. */
  | { readonly kind: 'known'; readonly addresses: readonly string[]; readonly problem?: AppError };

export interface HostWatchDeps {
  readonly addresses: AddressLookup;
  /** Waits; ends early on abort. Never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

const backoffMs = { initialMs: 1000, maxMs: 30_000 };

/**
 * Looks a host name up again and again until the signal aborts: after its time to live, and with growing delays while
 * nobody can say. What was known stays through failures, also that of one family alone.
 *
 * @param onState  told after each look-up, also where nothing has changed; never synchronously, never after abort
 * @returns        settles after the abort; never rejects
 */
export async function watchHost(
  host: string,
  { addresses, sleep }: HostWatchDeps,
  onState: (state: HostState) => void,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff(backoffMs);
  let state: HostState = { kind: 'pending' };
  while (!signal.aborted) {
    const found = await lookedUp(host, addresses, signal);
    if (signal.aborted) return;
    state = next(state, found);
    onState(state);
    if (found.kind !== 'failed') backoff.reset();
    await sleep(found.kind === 'failed' ? backoff.next() : found.askAgainMs, signal);
  }
}

/** A look-up that throws all the same must not end the watch. */
async function lookedUp(host: string, addresses: AddressLookup, signal: AbortSignal): Promise<HostLookup> {
  try {
    return await addresses.lookup(host, signal);
  } catch (thrown) {
    const message = `cannot resolve "${host}": ${messageOf(thrown)}`;
    return { kind: 'failed', error: new AppError('ERR_RESOLVE_FAILED', message, { cause: thrown }) };
  }
}

function next(state: HostState, found: HostLookup): HostState {
  switch (found.kind) {
    case 'none':
      return { kind: 'known', addresses: [] };
    case 'failed':
      if (state.kind === 'known') return { ...state, problem: found.error };
      return { kind: 'unknown', error: found.error };
    case 'addresses': {
      const before = state.kind === 'known' ? state.addresses : [];
      const kept = before.filter((ip) => (ip.includes(':') ? 6 : 4) === found.unknownFamily);
      return { kind: 'known', addresses: sorted([...found.addresses, ...kept]) };
    }
  }
}
