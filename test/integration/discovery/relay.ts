import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A wire in the hands of a test: what connects to it is connected to a server, until the wire is cut or plugged.
 *
 *     await using wire = await Relay.to({ host: '127.0.0.1', port: 8500 });
 *     await wire.cut(); // refused from now on
 *     await wire.mend();
 */
export class Relay implements AsyncDisposable {
  readonly host = '127.0.0.1';
  port = 0;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #isPlugged = false;
  #answered: (() => void)[] = [];

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
  }

  static async to(target: { readonly host: string; readonly port: number }): Promise<Relay> {
    const relay = new Relay(target);
    await relay.mend();
    return relay;
  }

  /** Connections are open or not; new ones are refused, those that are open end with a reset. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  /** Undoes `cut`, on the same port. */
  async mend(): Promise<void> {
    const server = createServer((socket) => this.#join(socket));
    server.listen(this.port, this.host);
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** From now on connections are accepted, and nothing gets through. */
  plug(): void {
    this.#isPlugged = true;
  }

  /** The next bytes that come from the server. */
  nextAnswer(): Promise<void> {
    return new Promise((resolve) => this.#answered.push(resolve));
  }

  #join(near: Socket): void {
    const far = connect(this.#target);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.on('data', (chunk) => {
        if (!this.#isPlugged) other.write(chunk);
      });
    }
    far.on('data', () => {
      for (const resolve of this.#answered.splice(0)) resolve();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut();
  }
}
