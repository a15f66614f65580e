import { AppError, messageOf } from '../core/errors.ts';
import type { Engine } from './engine.ts';
import { type ContainerEvent, eventFilters, readEvent } from './events.ts';
import { JsonLines } from './json-lines.ts';

/** One connection to the engine's event stream. */
export interface EventStream {
  /** Resolves with the reason once the stream has ended, in whatever way; never rejects. */
  readonly ended: Promise<AppError>;
  /** No event comes after this. May be called twice. */
  close(): void;
}

/**
 * Opens the event stream; the events that follow `sinceMs` come even if the engine subscribes us a moment after it has
 * answered (dockerd flushes its headers first: api/server/router/system/system_routes.go, getEvents).
 *
 * @param sinceMs the engine's time, ms since 1970; far from the engine's clock it only means more or fewer repetitions
 * @throws AppError ERR_DOCKER
 */
export async function openEventStream(
  engine: Engine,
  sinceMs: number,
  onEvent: (event: ContainerEvent) => void,
  signal: AbortSignal,
): Promise<EventStream> {
  const source = await engine.events(sinceMs, eventFilters, signal);
  const lines = new JsonLines();
  const ended = Promise.withResolvers<AppError>();
  let isOpen = true;

  const end = (why: string, cause?: unknown) => {
    if (!isOpen) return;
    isOpen = false;
    ended.resolve(
      new AppError('ERR_DOCKER', `docker engine at ${engine.host}, event stream: ${why}`, { cause }),
    );
    source.destroy();
  };
  const parse = (chunk: Buffer): unknown[] => {
    try {
      return lines.push(chunk);
    } catch (thrown) {
      end(`cannot be read (${messageOf(thrown)})`, thrown);
      return [];
    }
  };
  source.on('data', (chunk: Buffer) => {
    for (const json of parse(chunk)) {
      const event = readEvent(json);
      if (event !== undefined && isOpen) onEvent(event);
    }
  });
  source.on('error', (error) => end(messageOf(error), error));
  source.on('end', () => end('the engine ended it'));
  source.on('close', () => end('the connection was closed'));
  if (source.destroyed) end('the connection was closed');
  return { ended: ended.promise, close: () => end('closed by Nuncio') };
}
