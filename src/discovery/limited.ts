import { describeSource, type Source } from '../backend/backend.ts';
import { formatDuration } from '../core/duration.ts';
import type { Logger } from '../core/log.ts';
import { ok } from '../core/result.ts';
import type { Resolver } from './resolver.ts';

/**
 * A resolver whose last good set does not stay for ever: after `maxStaleMs` of errors alone the set is empty, until the
 * source answers again. For whoever would rather have no backend than an old one (`--max-stale`).
 */
export function limited<S extends Source>(
  resolver: Resolver<S>,
  maxStaleMs: number,
  logger: Logger,
): Resolver<S> {
  return {
    watch(source, onUpdate, signal) {
      let timer: NodeJS.Timeout | undefined;
      let isKnown = false;
      function expire(): void {
        const text = describeSource(source);
        const age = formatDuration(maxStaleMs);
        logger.error(`backend ${text}: no answer for ${age}; its endpoints are given up (--max-stale)`, {
          backend: text,
        });
        isKnown = false;
        onUpdate(ok([]));
      }
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
      resolver.watch(
        source,
        (update) => {
          if (update.ok) {
            clearTimeout(timer);
            timer = undefined;
            isKnown = true;
          } else if (isKnown) {
            timer ??= setTimeout(expire, maxStaleMs);
          }
          onUpdate(update);
        },
        signal,
      );
    },
  };
}
