import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { Packet, type Resource, TCPServer, UDPServer } from 'dns2';
import type { SocketAddress } from '../../src/core/address.ts';

export interface Asked {
  /** In the spelling of the question. */
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV' | 'other';
  readonly transport: 'udp' | 'tcp';
}

/** A reply as a packet, as raw bytes, or none at all. */
export type Reply = Packet | Buffer | undefined;
export type Script = (asked: Asked, request: Packet) => Reply;

export interface DnsServer extends AsyncDisposable {
  readonly address: SocketAddress;
  /** What has been asked, in order: `udp A redis`. */
  readonly asked: string[];
  script: Script;
  /** TCP connections that the other side has not ended. */
  readonly connected: number;
  [Symbol.asyncDispose](): Promise<void>;
}

const typeName = (type: number | undefined): Asked['type'] =>
  (['A', 'AAAA', 'SRV'] as const).find((name) => Packet.TYPE[name] === type) ?? 'other';

/** A DNS server on loopback, on a free port, UDP and TCP alike, that answers as the test says. */
export async function startDnsServer(script: Script, ip = '127.0.0.1'): Promise<DnsServer> {
  const asked: string[] = [];
  const handler =
    (transport: Asked['transport']) => (request: Packet, send: (reply: Packet | Buffer) => unknown) => {
      const [question] = request.questions;
      const about: Asked = { name: question?.name ?? '', type: typeName(question?.type), transport };
      asked.push(`${transport} ${about.type} ${about.name}`);
      const reply = server.script(about, request);
      if (reply !== undefined) void send(reply);
    };
  const { udp, tcp } = await listenOnOnePort(ip, handler('udp'), handler('tcp'));
  const connections = new Set<Socket>();
  let connected = 0;
  tcp.on('connection', (connection: Socket) => {
    connections.add(connection);
    connected++;
    connection.once('end', () => {
      connected--;
      // dns2 would keep its side open for a reply that never comes.
      connection.destroy();
    });
    connection.once('close', () => connections.delete(connection));
  });
  const server: DnsServer = {
    address: { ip, port: udp.address().port },
    asked,
    script,
    get connected() {
      return connected;
    },
    async [Symbol.asyncDispose]() {
      const closed = Promise.all([once(udp, 'close'), once(tcp, 'close')]);
      udp.close();
      tcp.close();
      // dns2 would wait for the questions that were left without a reply.
      for (const connection of connections) connection.destroy();
      await closed;
    },
  };
  return server;
}

type Handler = (request: Packet, send: (reply: Packet | Buffer) => unknown) => void;

/** The port that UDP is given may be taken on the TCP side: then another one. */
async function listenOnOnePort(ip: string, onUdp: Handler, onTcp: Handler) {
  for (let round = 0; round < 10; round++) {
    const udp = new UDPServer({ type: ip.includes(':') ? 'udp6' : 'udp4' });
    udp.on('request', onUdp);
    await udp.listen(0, ip);
    const tcp = new TCPServer();
    tcp.on('request', onTcp);
    tcp.listen((udp.address() as AddressInfo).port, ip);
    try {
      await once(tcp, 'listening');
      return { udp, tcp };
    } catch {
      udp.close();
    }
  }
  throw new Error('no port is free for both UDP and TCP');
}

/** The reply that a resolver gives: recursion available, the question repeated. */
export function reply(
  request: Packet,
  answers: readonly Partial<Resource>[] = [],
  header: Partial<Packet['header']> = {},
  additionals: readonly Partial<Resource>[] = [],
): Packet {
  const response = Packet.createResponseFromRequest(request);
  Object.assign(response.header, { ra: 1 }, header);
  const record = (data: Partial<Resource>) => new Packet.Resource({ class: Packet.CLASS.IN, ...data });
  response.answers = answers.map(record);
  response.additionals = additionals.map(record);
  return response;
}

export const a = (name: string, address: string, ttl = 60) => ({ name, type: Packet.TYPE.A, address, ttl });
export const aaaa = (name: string, address: string, ttl = 60) => ({
  name,
  type: Packet.TYPE.AAAA,
  address,
  ttl,
});
export const cname = (name: string, domain: string, ttl = 60) => ({
  name,
  type: Packet.TYPE.CNAME,
  domain,
  ttl,
});

/** @param target `db.example:6379`; the empty name is the root */
export const srv = (name: string, target: string, rest: Partial<Resource> = {}) => ({
  name,
  type: Packet.TYPE.SRV,
  priority: 0,
  weight: 1,
  target: target.slice(0, target.lastIndexOf(':')),
  port: Number(target.slice(target.lastIndexOf(':') + 1)),
  ttl: 60,
  ...rest,
});

export const rcode = { servfail: 2, nxdomain: 3, refused: 5 };

/**
 * A script that answers from a table that the test may change: addresses by name, `servfail` and the like for a name that
 * fails, `silent`. A name that is not there does not exist.
 */
export function zone(
  table: Readonly<Record<string, readonly string[] | keyof typeof rcode | 'silent'>>,
  ttl = 60,
): Script {
  return ({ name, type }, request) => {
    const entry = table[name.toLowerCase()];
    if (entry === 'silent') return undefined;
    if (entry === undefined) return reply(request, [], { rcode: rcode.nxdomain });
    if (typeof entry === 'string') return reply(request, [], { rcode: rcode[entry as keyof typeof rcode] });
    const records = entry
      .filter((ip) => (type === 'AAAA') === ip.includes(':'))
      .map((ip) => (type === 'AAAA' ? aaaa(name, ip, ttl) : a(name, ip, ttl)));
    return reply(request, records);
  };
}
