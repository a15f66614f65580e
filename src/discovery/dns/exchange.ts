import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { formatHostPort, type SocketAddress } from '../../core/address.ts';
import { codeOf, messageOf } from '../../core/errors.ts';
import { type Answer, encodeQuery, type Query, readAnswer } from './message.ts';
import type { RecordType } from './records.ts';

// Why not dns2's own clients: they cannot be cancelled, their TCP side has no time limit and cuts an IPv6 server's address
// at the first colon, and neither compares the answer's question with what was asked.

/** Nothing came back that would say that the server is at work. */
export type Silent = { readonly kind: 'silent'; readonly why: string };

/** What came of asking one server once. */
export type Outcome<T extends RecordType> =
  | Exclude<Answer<T>, { readonly kind: 'truncated' | 'unrelated' }>
  | Silent;

type Settle<T extends RecordType> = (outcome: Answer<T> | Silent) => void;

/** A way to ask: opens its socket and returns what closes it; settles at most once that counts. */
type Transport = <T extends RecordType>(
  server: SocketAddress,
  query: Query & { type: T },
  bytes: Buffer,
  settle: Settle<T>,
) => () => void;

/**
 * Asks one server once. Never rejects.
 *
 * Over UDP, and over TCP where the answer does not fit. SRV records the other way round, over UDP only where TCP brings
 * nothing: Consul cuts what does not fit into a datagram without saying so, each time another part of the set, and in a
 * datagram of the old size it has three records at most (agent/dns.go, trimUDPResponse). That is also why the other
 * types are asked for with an OPT record.
 *
 * @param isPlain  without an OPT record, also the first time: there are boxes on the way that drop what has one
 * @param timeoutMs for each of the two
 * @returns `silent` also where the signal aborts; no socket and no timer is left when it settles
 * Source: RFC 1035 section 4.2; RFC 6891; RFC 7766 section 5 (TCP is as good as UDP); RFC 5452 section 9 (what an answer
 *         must match; each query has its socket, thus its port)
 */
export async function exchange<T extends RecordType>(
  server: SocketAddress,
  query: Query & { type: T },
  { timeoutMs, isPlain }: { readonly timeoutMs: number; readonly isPlain: boolean },
  signal: AbortSignal,
): Promise<Outcome<T>> {
  const plain = encodeQuery(query);
  const extended = isPlain ? plain : encodeQuery(query, true);
  if (!plain.ok) return { kind: 'failed', why: plain.error.message };
  if (!extended.ok) return { kind: 'failed', why: extended.error.message };
  const ask = (transport: Transport, bytes = plain.value) =>
    bounded(transport, server, query, bytes, timeoutMs, signal);
  if (query.type === 'SRV') {
    const whole = await ask(overTcp);
    return complete(whole.kind === 'silent' ? await ask(overUdp) : whole);
  }
  let short = await ask(overUdp, extended.value);
  if (short.kind === 'failed' && short.isFormatRefused && !isPlain) short = await ask(overUdp);
  return complete(short.kind === 'truncated' ? await ask(overTcp) : short);
}

/** There is no third way to ask. */
function complete<T extends RecordType>(
  answer: Exclude<Answer<T>, { readonly kind: 'unrelated' }> | Silent,
): Outcome<T> {
  return answer.kind === 'truncated' ? { kind: 'failed', why: 'a truncated answer' } : answer;
}

function bounded<T extends RecordType>(
  transport: Transport,
  server: SocketAddress,
  query: Query & { type: T },
  bytes: Buffer,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Exclude<Answer<T>, { readonly kind: 'unrelated' }> | Silent> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ kind: 'silent', why: 'given up' });
    let sawUnrelated = false;
    let isSettled = false;
    let close = () => {};
    const settle: Settle<T> = (outcome) => {
      if (isSettled) return;
      if (outcome.kind === 'unrelated') {
        sawUnrelated = true;
        return;
      }
      isSettled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      close();
      resolve(outcome);
    };
    const onAbort = () => settle({ kind: 'silent', why: 'given up' });
    const timer = setTimeout(() => {
      const hint = sawUnrelated ? ' (only something that does not belong to the question)' : '';
      settle({ kind: 'silent', why: `no answer within ${timeoutMs} ms${hint}` });
    }, timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    const opened = transport(server, query, bytes, settle);
    if (isSettled) opened();
    else close = opened;
  });
}

function overUdp<T extends RecordType>(
  { ip, port }: SocketAddress,
  query: Query & { type: T },
  bytes: Buffer,
  settle: Settle<T>,
): () => void {
  const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4');
  socket.on('error', (thrown) => settle({ kind: 'silent', why: refusal(thrown) }));
  socket.on('message', (message) => settle(readAnswer(message, query)));
  // Connected: the kernel then passes on only what comes from the server, and says at once where nobody listens.
  let isClosed = false;
  socket.connect(port, ip, (thrown?: unknown) => {
    if (isClosed) return;
    if (thrown) settle({ kind: 'silent', why: refusal(thrown) });
    else socket.send(bytes, (failure) => failure && settle({ kind: 'silent', why: refusal(failure) }));
  });
  return () => {
    isClosed = true;
    socket.close();
  };
}

function overTcp<T extends RecordType>(
  { ip, port }: SocketAddress,
  query: Query & { type: T },
  bytes: Buffer,
  settle: Settle<T>,
): () => void {
  const socket = connect({ host: ip, port });
  const prefix = Buffer.alloc(2);
  prefix.writeUInt16BE(bytes.length);
  socket.write(Buffer.concat([prefix, bytes]));
  let received = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    // The length prefix bounds what is kept: 64 KiB.
    const end = received.length < 2 ? Number.POSITIVE_INFINITY : 2 + received.readUInt16BE(0);
    if (received.length < end) return;
    const answer = readAnswer(received.subarray(2, end), query);
    settle(answer.kind === 'unrelated' ? { kind: 'failed', why: 'an unrelated answer over TCP' } : answer);
  });
  socket.on('error', (thrown) => settle({ kind: 'silent', why: refusal(thrown) }));
  socket.on('end', () => settle({ kind: 'silent', why: 'the connection ended before the answer' }));
  return () => socket.destroy();
}

function refusal(thrown: unknown): string {
  return codeOf(thrown) === 'ECONNREFUSED' ? 'nobody listens there (ECONNREFUSED)' : messageOf(thrown);
}

/** `10.0.0.2`, or `127.0.0.1:5353` where the port is not DNS's own. */
export function describeServer({ ip, port }: SocketAddress): string {
  return port === 53 ? ip : formatHostPort(ip, port);
}
