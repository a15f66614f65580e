import { open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { canonicalIp } from '../core/address.ts';
import { codeOf } from '../core/errors.ts';

/** A TCP socket in state LISTEN. */
export interface Listener {
  /** Canonical; `0.0.0.0` or `::` for any address. */
  readonly ip: string;
  readonly port: number;
}

/** linux/net/tcp_states.h TCP_LISTEN, as /proc writes it. */
const listenState = '0A';
const chunkBytes = 65_536;
/** About 27,000 sockets; more are not believed. */
const maxBytes = 4 * 1024 * 1024;

/**
 * The TCP sockets that listen in this network namespace.
 *
 * Only the head of the files is read: the kernel writes the listening sockets first, and a busy host has very many others
 * (Linux net/ipv4/tcp_ipv4.c, tcp_seq_start).
 *
 * @throws the file system's error; a missing tcp6 is a kernel without IPv6
 */
export async function readListeners(): Promise<readonly Listener[]> {
  const ipv4 = await readHead('/proc/self/net/tcp');
  const ipv6 = await readHead('/proc/self/net/tcp6').catch((thrown: unknown) => {
    if (codeOf(thrown) === 'ENOENT') return '';
    throw thrown;
  });
  return [...parseListeners(ipv4), ...parseListeners(ipv6)];
}

/**
 * Reads the lines of /proc/net/tcp and tcp6. Addresses are 32-bit words in the machine's byte order, ports are plain
 * hexadecimal: `0100007F:1F90` is 127.0.0.1:8080 on a little endian machine.
 *
 * Source: proc(5) /proc/net/tcp; Linux net/ipv4/tcp_ipv4.c, get_tcp4_sock
 */
export function parseListeners(text: string): readonly Listener[] {
  const listeners: Listener[] = [];
  for (const line of text.split('\n')) {
    const fields = /^\s*\d+: ((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line);
    if (fields === null || fields[3] !== listenState) continue;
    const ip = parseProcAddress(fields[1] ?? '');
    if (ip !== undefined) listeners.push({ ip, port: Number.parseInt(fields[2] ?? '', 16) });
  }
  return listeners;
}

function parseProcAddress(hex: string): string | undefined {
  const words = (hex.match(/.{8}/g) ?? []).map((word) => [...Buffer.from(word, 'hex')]);
  const bytes = words.flatMap((word) => (endianness() === 'LE' ? word.reverse() : word));
  if (bytes.length === 4) return bytes.join('.');
  const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g);
  return canonicalIp((groups ?? []).join(':'));
}

/** Reads up to the first complete line whose socket does not listen. */
async function readHead(path: string): Promise<string> {
  const file = await open(path);
  try {
    let text = '';
    let lineStart = 0;
    while (text.length < maxBytes) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes);
      text += buffer.toString('latin1', 0, bytesRead);
      if (bytesRead === 0 || hasOtherState(text.slice(lineStart))) break;
      lineStart = text.lastIndexOf('\n') + 1;
    }
    return text;
  } finally {
    await file.close();
  }
}

function hasOtherState(lines: string): boolean {
  return new RegExp(`^\\s*\\d+: \\S+ \\S+ (?!${listenState})[0-9A-F]{2} `, 'm').test(lines);
}
