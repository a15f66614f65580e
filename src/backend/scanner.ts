import { canonicalIp, parsePort } from '../core/address.ts';
import { AppError } from '../core/errors.ts';
import type { HostPort } from './backend.ts';

/** RFC 1123 labels; the underscore is for SRV names (RFC 2782) and for Compose's service names. */
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** Why a text is no host name, or undefined where it is one. A name of digits only would be a mistyped IPv4 address. */
export function hostNameFault(text: string): string | undefined {
  const labels = (text.endsWith('.') ? text.slice(0, -1) : text).split('.');
  if (text.length > 253) return 'a host name of at most 253 characters';
  if (labels.some((part) => !label.test(part))) return 'a host name or IP address';
  if (/^\d+$/.test(labels.at(-1) ?? '')) return 'an IPv4 address with four numbers up to 255';
  return undefined;
}

/**
 * Reads a descriptor from left to right and knows the column. Its methods throw AppError ERR_DESCRIPTOR_SYNTAX;
 * `parse.ts` turns that into a Result.
 */
export class Scanner {
  readonly text: string;
  #at: number;
  readonly #end: number;

  constructor(text: string) {
    this.text = text;
    this.#at = text.length - text.trimStart().length;
    this.#end = Math.max(text.trimEnd().length, this.#at);
  }

  get position(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** @param expected completes "expected …": "a port (1 to 65535)" */
  fault(expected: string, position = this.#at): AppError {
    const rest = this.text.slice(position, this.#end);
    const found = rest === '' ? 'the end' : JSON.stringify(rest.length > 24 ? `${rest.slice(0, 24)}…` : rest);
    const column = position + 1;
    return new AppError('ERR_DESCRIPTOR_SYNTAX', `column ${column}: expected ${expected}, found ${found}`, {
      column,
    });
  }

  /** Takes `literal` where it comes next. */
  accept(literal: string): boolean {
    if (!this.text.startsWith(literal, this.#at) || this.#at + literal.length > this.#end) return false;
    this.#at += literal.length;
    return true;
  }

  expect(literal: string, expected: string): void {
    if (!this.accept(literal)) throw this.fault(expected);
  }

  skipSpaces(): void {
    while (!this.isAtEnd && this.text[this.#at] === ' ') this.#at++;
  }

  /** Everything up to the first of `stops` or the end. */
  until(stops: string): string {
    const start = this.#at;
    while (!this.isAtEnd && !stops.includes(this.text[this.#at] ?? '')) this.#at++;
    return this.text.slice(start, this.#at);
  }

  expectEnd(expected: string): void {
    if (!this.isAtEnd) throw this.fault(expected);
  }

  /** A host name, an IPv4 address, or an IPv6 address in brackets. */
  host(): string {
    const start = this.#at;
    if (this.accept('[')) {
      const inside = this.until(']');
      const ip = inside.includes(':') ? canonicalIp(inside) : undefined;
      if (ip === undefined || inside.includes('%'))
        throw this.fault('an IPv6 address in the brackets', start + 1);
      this.expect(']', '"]" after the IPv6 address');
      return ip;
    }
    const text = this.until(':,/?[]; ');
    if (text === '') throw this.fault('a host name or IP address', start);
    if (canonicalIp(text) !== undefined) return text;
    const fault = hostNameFault(text);
    if (fault !== undefined) throw this.fault(fault, start);
    return text.toLowerCase();
  }

  port(): number {
    const start = this.#at;
    const port = parsePort(this.until(',/?[]; '));
    if (port === undefined) throw this.fault('a port (1 to 65535)', start);
    return port;
  }

  /** @param defaultPort taken where no port follows the host; without it a port must follow */
  hostPort(defaultPort?: number): HostPort {
    const host = this.host();
    if (this.accept(':')) return { host, port: this.port() };
    if (defaultPort === undefined) throw this.fault(`":" and a port after "${host}"`);
    return { host, port: defaultPort };
  }

  /** One or more items between commas, spaces around a comma allowed. */
  list<T>(item: () => T): T[] {
    const items = [item()];
    this.skipSpaces();
    while (this.accept(',')) {
      this.skipSpaces();
      items.push(item());
      this.skipSpaces();
    }
    return items;
  }
}
