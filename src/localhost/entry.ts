import { AppError } from '../core/errors.ts';
import { fail, type Result } from '../core/result.ts';
import type { Container } from '../docker/container.ts';

/** A way into the network namespace of a container, for this program with other arguments. */
export interface NamespaceEntry {
  /** What log lines call it: `nsenter`. */
  readonly name: string;
  /**
   * Runs `nuncio <args>` there, to its end.
   *
   * @returns what it wrote to standard output. Never throws
   */
  run(container: Container, args: readonly string[], signal: AbortSignal): Promise<Result<string>>;
}

export interface Entered {
  readonly stdout: string;
  /** The way that it went. */
  readonly by: string;
}

/** Tries one way after the other. @returns the first success, or the reasons of all */
export async function enterBy(
  entries: readonly NamespaceEntry[],
  container: Container,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Result<Entered>> {
  const reasons: string[] = [];
  for (const entry of entries) {
    const outcome = await entry.run(container, args, signal);
    if (outcome.ok) return { ok: true, value: { stdout: outcome.value, by: entry.name } };
    reasons.push(`${entry.name}: ${outcome.error.message}`);
    if (signal.aborted) break;
  }
  return fail(new AppError('ERR_RULES', reasons.join('; ')));
}
