import { constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AppError, codeOf, messageOf } from '../../core/errors.ts';
import { fail, ok, type Result } from '../../core/result.ts';

/** Longest file that is read, bytes. */
const maxBytes = 1_048_576;

/**
 * Tells one state of a file from another: its identity, size and times, or why there is none. A file that is written twice
 * within a tick of the file system's clock may have one mark for both.
 */
export async function fileMark(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (thrown) {
    return codeOf(thrown) ?? messageOf(thrown);
  }
}

/**
 * Reads a file that a descriptor names. Descriptors come from containers, and the files are the ambassador's: only what is
 * inside a root, after every symbolic link, is opened.
 *
 * @param roots absolute paths of folders; the files below them may be read
 * @returns     ERR_DESCRIPTOR_REFUSED: outside the roots; ERR_RESOLVE_FAILED: missing, unreadable, no regular file, or
 *              over 1 MiB. The messages begin where a path would end.
 */
export async function readPermitted(path: string, roots: readonly string[]): Promise<Result<string>> {
  let handle: FileHandle | undefined;
  try {
    const real = await realPathWithin(path, roots);
    if (real === undefined) return refused(roots);
    // Of a pipe, only O_NONBLOCK opens without waiting for a writer; a link that appears meanwhile is not followed.
    handle = await open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const stats = await handle.stat();
    if (!stats.isFile()) return unreadable('it is no regular file');
    const bytes = Buffer.alloc(Math.min(Math.max(stats.size, 65_536), maxBytes) + 1);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > maxBytes) return unreadable(`it is longer than ${maxBytes} bytes`);
    return ok(bytes.toString('utf8', 0, length));
  } catch (thrown) {
    if (!isInside(resolve(path), roots)) return refused(roots);
    return unreadable(describe(thrown), thrown);
  } finally {
    // Nothing has been written that a failure to close could lose.
    await handle?.close().catch(() => {});
  }
}

/** The folder of the file, where it is one that may be looked into; undefined where it is not, or is missing. */
export async function permittedFolder(path: string, roots: readonly string[]): Promise<string | undefined> {
  try {
    return await realPathWithin(dirname(resolve(path)), roots);
  } catch {
    // What is wrong with the path is said by reading the file.
    return undefined;
  }
}

/** @throws as realpath does for the path; a root that is missing holds nothing */
async function realPathWithin(path: string, roots: readonly string[]): Promise<string | undefined> {
  const real = await realpath(path);
  const realRoots = await Promise.all(roots.map((root) => realpath(root).catch(() => undefined)));
  const present = realRoots.filter((root) => root !== undefined);
  return isInside(real, present) ? real : undefined;
}

function isInside(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => {
    const prefix = resolve(folder);
    return path === prefix || path.startsWith(prefix === '/' ? prefix : `${prefix}/`);
  });
}

function refused(roots: readonly string[]): ReturnType<typeof fail> {
  const where = roots.length === 0 ? 'no folder is permitted' : `it is not inside ${roots.join(', ')}`;
  const message = `the file may not be read: ${where}; permit its folder with --file-root`;
  return fail(new AppError('ERR_DESCRIPTOR_REFUSED', message));
}

function unreadable(why: string, cause?: unknown): ReturnType<typeof fail> {
  return fail(new AppError('ERR_RESOLVE_FAILED', `the file cannot be read: ${why}`, { cause }));
}

function describe(thrown: unknown): string {
  switch (codeOf(thrown)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is none (an empty file would mean that there are no endpoints)';
    case 'EACCES':
      return 'permission denied';
    case 'ELOOP':
      return 'its symbolic links do not end';
    default:
      return messageOf(thrown);
  }
}
