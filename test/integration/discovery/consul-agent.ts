import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const unpacked = fileURLToPath(new URL('../../../.cache/consul/usr/bin/consul', import.meta.url));

/** The binary of NUNCIO_CONSUL, else the one that scripts/test unpacks. @throws AssertionError where there is none */
export function consulBinary(): string {
  const { NUNCIO_CONSUL: path = unpacked } = process.env;
  assert.ok(
    existsSync(path),
    `there is no consul at ${path}: run scripts/test once, which fetches it, or set NUNCIO_CONSUL to a consul binary`,
  );
  return path;
}

export interface ConsulAgentOptions {
  /** Configuration on top, in HCL. */
  readonly hcl?: string;
  /** Sent with every call of the test's own. */
  readonly token?: string;
  /** Serve HTTPS too; the certificates come with `hcl`. */
  readonly https?: boolean;
}

/**
 * A real Consul agent on loopback, server and client in one, which keeps nothing on disk.
 *
 *     await using consul = await ConsulAgent.start();
 *     await consul.put('services/web', '10.0.0.1:80');
 */
export class ConsulAgent implements AsyncDisposable {
  readonly host = '127.0.0.1';
  /** Of the HTTP API. */
  readonly port: number;
  readonly dnsPort: number;
  readonly httpsPort: number;
  readonly #args: readonly string[];
  readonly #token: string | undefined;
  #child: ChildProcess | undefined;

  private constructor(ports: readonly number[], options: ConsulAgentOptions) {
    const { hcl, token, https = false } = options;
    const [http = 0, dns = 0, server = 0, serf = 0, secure = 0] = ports;
    this.port = http;
    this.dnsPort = dns;
    this.httpsPort = secure;
    this.#token = token;
    this.#args = [
      ...['agent', '-dev', '-node=test', '-client=127.0.0.1', '-bind=127.0.0.1', '-log-level=info'],
      ...[`-http-port=${http}`, `-dns-port=${dns}`, `-server-port=${server}`, `-serf-lan-port=${serf}`],
      ...['-serf-wan-port=-1', '-grpc-port=-1', '-hcl=disable_update_check = true'],
      ...(https ? [`-https-port=${secure}`] : []),
      ...(hcl === undefined ? [] : [`-hcl=${hcl}`]),
    ];
  }

  /** @throws Error where there is no consul, or it does not come up */
  static async start(options: ConsulAgentOptions = {}): Promise<ConsulAgent> {
    for (let round = 1; ; round++) {
      const agent = new ConsulAgent(await freePorts(5), options);
      try {
        await agent.run();
        return agent;
      } catch (thrown) {
        await agent.kill();
        // Somebody may have taken a port in between.
        if (round === 3) throw thrown;
      }
    }
  }

  /** Starts the process (again, with nothing in it), and waits until it is its own leader and in its own catalog. */
  async run(): Promise<void> {
    const child = spawn(consulBinary(), this.#args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const last: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      last.push(line);
      if (last.length > 5) last.shift();
      if (line.includes('Synced node info')) resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`consul ended (${code}): ${last.join('\n')}`)));
    const late = setTimeout(() => reject(new Error(`consul is not ready: ${last.join('\n')}`)), 20_000);
    try {
      await ready;
    } finally {
      clearTimeout(late);
    }
  }

  /** Ends the process; `run` brings another one back on the same ports. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** The process keeps its sockets and does nothing: to its peers a black hole. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  put(key: string, value: string): Promise<string> {
    return this.call('PUT', `/v1/kv/${key}`, value);
  }

  /** @param query `?recurse` for everything whose name begins so */
  delete(key: string, query = ''): Promise<string> {
    return this.call('DELETE', `/v1/kv/${key}${query}`);
  }

  /** Registers with the agent; a check that stands in it is a TTL check, to be set by `check`. */
  register(service: object): Promise<string> {
    return this.call('PUT', '/v1/agent/service/register', JSON.stringify(service));
  }

  deregister(id: string): Promise<string> {
    return this.call('PUT', `/v1/agent/service/deregister/${id}`);
  }

  /** Sets the check that an instance was registered with. */
  check(id: string, state: 'pass' | 'warn' | 'fail', note = ''): Promise<string> {
    return this.call('PUT', `/v1/agent/check/${state}/service:${id}?note=${note}`);
  }

  /** One call over a connection of its own. @throws AssertionError unless it succeeds */
  async call(method: string, path: string, body = ''): Promise<string> {
    const headers = this.#token === undefined ? {} : { 'X-Consul-Token': this.#token };
    const call = request({ host: this.host, port: this.port, method, path, headers, agent: false });
    call.end(body);
    const [response] = await once(call, 'response', { signal: AbortSignal.timeout(10_000) });
    const answer = await text(response);
    assert.equal(response.statusCode, 200, `${method} ${path}: ${response.statusCode} ${answer}`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Ports that are free on loopback now, for TCP and UDP: Consul takes 0 for "none". */
async function freePorts(count: number): Promise<readonly number[]> {
  const held: { close(): unknown }[] = [];
  const ports: number[] = [];
  for (let round = 0; ports.length < count && round < 10 * count; round++) {
    const server = createServer().listen(0, '127.0.0.1');
    held.push(server);
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const socket = createSocket('udp4').bind(address.port, '127.0.0.1');
    const isFree = await once(socket, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    held.push(socket);
    ports.push(address.port);
  }
  for (const one of held) one.close();
  return ports;
}
