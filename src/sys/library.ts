import { AppError, messageOf } from '../core/errors.ts';

/**
 * glibc, and koffi to declare its functions with.
 *
 * @param consequence what does not work without it, and what to do: the second half of the error's message
 * @throws AppError ERR_CANNOT_START where koffi has no binary for this platform or libc is not glibc's
 */
export async function loadLibrary(consequence: string) {
  try {
    const { default: koffi } = await import('koffi');
    return { koffi, library: koffi.load('libc.so.6') };
  } catch (thrown) {
    const text = `cannot call libc (${messageOf(thrown)}); ${consequence}`;
    throw new AppError('ERR_CANNOT_START', text, { cause: thrown });
  }
}
