import { StringDecoder } from 'node:string_decoder';

/** Longest line that is kept while its end has not come, characters; the engine's events are around 500. */
const maxLine = 1_048_576;

/** Cuts a byte stream into JSON values, one a line, however the chunks fall. */
export class JsonLines {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  /**
   * @returns the values whose lines end in this chunk
   * @throws SyntaxError where a line is not JSON; RangeError where it is longer than 1 MiB. The stream is of no use then.
   */
  push(chunk: Buffer): unknown[] {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > maxLine) throw new RangeError(`a line is longer than ${maxLine} characters`);
    return lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as unknown);
  }
}
