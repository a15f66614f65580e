import { readFile, stat } from 'node:fs/promises';
import { codeOf } from '../../core/errors.ts';

/**
 * A small text file of the system that somebody else rewrites now and then (Docker does with /etc/hosts when a linked
 * container restarts, with /etc/resolv.conf when a network changes): parsed once, and again when it has changed.
 *
 *     const hosts = new FreshFile('/etc/hosts', parseHosts);
 *     (await hosts.read()).get('redis-1');
 */
export class FreshFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #held: { readonly mark: string; readonly value: T } | undefined;

  /** @param parse must not throw; gets the empty text where there is no file */
  constructor(path: string, parse: (text: string) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  /**
   * What the file says now. No file is an empty file.
   * A file that is there and cannot be read leaves what it said before; if it never said anything, it is empty.
   */
  async read(): Promise<T> {
    try {
      // The mark is taken first: a change between the two calls is then seen by the next read.
      const { ino, size, mtimeNs } = await stat(this.#path, { bigint: true });
      const mark = `${ino} ${size} ${mtimeNs}`;
      if (this.#held?.mark === mark) return this.#held.value;
      return this.#hold(mark, await readFile(this.#path, 'utf8'));
    } catch (thrown) {
      if (this.#held !== undefined && codeOf(thrown) !== 'ENOENT') return this.#held.value;
      return this.#hold('', '');
    }
  }

  #hold(mark: string, text: string): T {
    const value = this.#parse(text);
    this.#held = { mark, value };
    return value;
  }
}
