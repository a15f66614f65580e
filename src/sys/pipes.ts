import { loadLibrary } from './library.ts';

/** fcntl.h (asm-generic), linux/fcntl.h, linux/splice.h */
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_SETPIPE_SZ = 1031;
const SPLICE_F_MOVE = 1;
const SPLICE_F_NONBLOCK = 2;

/** Pipes and splice(2), which moves bytes from a socket to a pipe and on without copying them through this process. */
export interface Pipes {
  /** The two ends that the last `open` made. */
  readonly ends: Int32Array;
  /** pipe2(2), non-blocking. @returns 0, or the error's number below zero */
  open(): number;
  /** F_SETPIPE_SZ. @returns the size in bytes, or the error's number below zero (EPERM above the user's share) */
  resize(fd: number, bytes: number): number;
  /** @returns bytes moved; 0 at the end of the stream; the error's number below zero */
  splice(from: number, to: number, bytes: number): number;
}

const consequence = 'bytes cannot be moved in the kernel without it';

/** @throws AppError ERR_CANNOT_START where libc cannot be called on this platform */
export async function loadPipes(): Promise<Pipes> {
  const { koffi, library } = await loadLibrary(consequence);
  const pipe2 = library.func('int pipe2(int *ends, int flags)');
  const fcntl = library.func('int fcntl(int fd, int command, int value)');
  const splice = library.func(
    'long splice(int from, int64_t *fromOffset, int to, int64_t *toOffset, size_t size, uint32_t flags)',
  );
  const ends = new Int32Array(2);
  return {
    ends,
    open: () => (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0 ? -koffi.errno() : 0),
    resize(fd, bytes) {
      const size: number = fcntl(fd, F_SETPIPE_SZ, bytes);
      return size < 0 ? -koffi.errno() : size;
    },
    splice(from, to, bytes) {
      const moved: number = splice(from, null, to, null, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      return moved < 0 ? -koffi.errno() : moved;
    },
  };
}
