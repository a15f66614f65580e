/**
 * Containers of our own that live for one task: made, followed to their end, and gone.
 *
 *     const { stdout } = await runHelper(engine, { name: 'nuncio-localhost-1a2b', owner: selfId, image, command, hostConfig }, signal);
 */
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { AppError, messageOf } from '../core/errors.ts';
import type { HelperEngine } from './engine.ts';
import { readFrames } from './stream-frames.ts';

/** On every helper; its value is the owner. */
export const helperLabel = 'nuncio.helper';

export interface HelperSpec {
  readonly name: string;
  /** Who made it: the ambassador's container id, or another text that its next run has too. */
  readonly owner: string;
  readonly image: string;
  readonly command: readonly string[];
  /** As the API has it; what keeps a helper small and short is put around it. */
  readonly hostConfig: object;
}

export interface HelperOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** More than a helper ever says, bytes. */
const maxOutputBytes = 256 * 1024;

/** How long the removal of a helper that was cut off may take, ms. */
const removalMs = 5000;

/**
 * Runs a helper to its end and hands out what it has written. The engine removes it by itself; one that is cut off is removed
 * before this returns.
 *
 * @throws AppError ERR_DOCKER: the engine refused or failed, the signal came first, or the output has no end
 */
export async function runHelper(
  engine: HelperEngine,
  spec: HelperSpec,
  signal: AbortSignal,
): Promise<HelperOutput> {
  const [program = '', ...args] = spec.command;
  const body = {
    Image: spec.image,
    Entrypoint: [program],
    Cmd: args,
    User: '0',
    Labels: { [helperLabel]: spec.owner },
    Healthcheck: { Test: ['NONE'] },
    AttachStdout: true,
    AttachStderr: true,
    // Nobody but us reads what it says.
    HostConfig: { AutoRemove: true, LogConfig: { Type: 'none' }, ...spec.hostConfig },
  };
  let isOver = false;
  try {
    const id = await engine.create(spec.name, body, signal);
    // Attached before it starts, so that not one byte is missed.
    const stream = await engine.attach(id, signal);
    try {
      const reading = readToEnd(stream, signal);
      reading.catch(() => {});
      await engine.start(id, signal);
      const output = readFrames(await reading);
      isOver = true;
      return output;
    } finally {
      stream.destroy();
    }
  } finally {
    // By its name: where the making was cut off, that is all there is.
    if (!isOver) await engine.remove(spec.name, AbortSignal.timeout(removalMs)).catch(() => {});
  }
}

async function readToEnd(stream: Readable, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxOutputBytes) stream.destroy(new Error(`more than ${maxOutputBytes} bytes of output`));
  });
  // Also for what comes when nobody waits any more.
  stream.on('error', () => {});
  try {
    await once(stream, 'end', { signal });
  } catch (thrown) {
    const why = signal.aborted ? 'given up' : messageOf(thrown);
    throw new AppError('ERR_DOCKER', `reading what a helper container says: ${why}`, { cause: thrown });
  }
  return Buffer.concat(chunks);
}

/**
 * Removes what an owner's earlier run was killed over, and what owners that are no more have left.
 *
 * @param isAlive whether another owner may still be at it
 * @returns how many
 * @throws AppError ERR_DOCKER
 */
export async function removeHelpers(
  engine: HelperEngine,
  owner: string,
  isAlive: (owner: string) => boolean,
  signal: AbortSignal,
): Promise<number> {
  const listed = await engine.listLabelled(helperLabel, signal);
  let count = 0;
  for (const item of Array.isArray(listed) ? listed : []) {
    const { Id: id, Labels: labels } = item as { Id?: unknown; Labels?: Readonly<Record<string, unknown>> };
    const its = labels?.[helperLabel];
    if (typeof id !== 'string' || typeof its !== 'string' || (its !== owner && isAlive(its))) continue;
    await engine.remove(id, signal);
    count++;
  }
  return count;
}
