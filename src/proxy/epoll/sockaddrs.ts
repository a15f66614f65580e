import type { SocketAddress } from '../../core/address.ts';
import type { Endpoint } from '../../core/endpoint.ts';
import { readSockaddr } from '../../sys/sockaddr.ts';
import { addressFamily, writeSockaddr } from '../../sys/write-sockaddr.ts';

/** Addresses whose text is remembered. */
const mostNames = 4096;

/** Addresses as the kernel has them, to and from text, with a memory: the same few come again and again. */
export class Sockaddrs {
  readonly #bytes = new WeakMap<Endpoint, Buffer>();
  readonly #names = new Map<number, string>();

  of(endpoint: Endpoint): Buffer {
    let bytes = this.#bytes.get(endpoint);
    if (bytes === undefined) {
      bytes = writeSockaddr(endpoint);
      this.#bytes.set(endpoint, bytes);
    }
    return bytes;
  }

  /** AF_INET or AF_INET6, for socket(2). */
  familyOf(sockaddr: Buffer): number {
    return sockaddr.length === 16 ? addressFamily[4] : addressFamily[6];
  }

  /**
   * The address in a struct sockaddr_in or sockaddr_in6, an IPv4-mapped one as IPv4.
   *
   * @param length bytes that the kernel has written
   */
  read(bytes: Buffer, length: number): SocketAddress {
    if (length <= 16) return { ip: this.#ipv4(bytes.readUInt32BE(4)), port: bytes.readUInt16BE(2) };
    const isMapped =
      bytes.readUInt32BE(16) === 0xffff && bytes.readUInt32BE(12) === 0 && bytes.readUInt32BE(8) === 0;
    if (isMapped) {
      return { ip: this.#ipv4(bytes.readUInt32BE(20)), port: bytes.readUInt16BE(2) };
    }
    return readSockaddr(bytes, 6);
  }

  #ipv4(address: number): string {
    const known = this.#names.get(address);
    if (known !== undefined) return known;
    if (this.#names.size >= mostNames) this.#names.clear();
    const name = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');
    this.#names.set(address, name);
    return name;
  }
}
