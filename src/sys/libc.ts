/**
 * System calls that Node does not offer, called in libc through koffi. No policy here: a call, its bytes, its errno.
 *
 *     const libc = await loadLibc();
 *     const bytes = libc.getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, 16);
 */
import { constants } from 'node:os';
import { AppError } from '../core/errors.ts';
import { loadLibrary } from './library.ts';

export interface Libc {
  /**
   * getsockopt(2).
   * @param size bytes of room for the value
   * @returns the value's bytes, as many as the kernel wrote
   * @throws AppError ERR_SYSCALL with `errno`
   */
  getsockopt(fd: number, level: number, option: number, size: number): Buffer;
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** The name of an error number: 2 -> "ENOENT". */
export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `errno ${errno}`;
}

const consequence =
  'the original destination of a connection cannot be read without it: use the published image, or a platform that koffi has a binary for';

/**
 * @throws AppError ERR_CANNOT_START where koffi has no binary for this platform or libc is not glibc's
 */
export async function loadLibc(): Promise<Libc> {
  const { koffi, library } = await loadLibrary(consequence);
  const getsockopt = library.func(
    'int getsockopt(int fd, int level, int option, _Out_ uint8_t *value, _Inout_ uint32_t *length)',
  );
  return {
    getsockopt(fd, level, option, size) {
      const value = Buffer.alloc(size);
      const length = [size];
      if (getsockopt(fd, level, option, value, length) !== 0) {
        const errno = errnoName(koffi.errno());
        throw new AppError('ERR_SYSCALL', `getsockopt: ${errno}`, { errno, syscall: 'getsockopt' });
      }
      return value.subarray(0, length[0]);
    },
  };
}
