/**
 * The whole program, a registry that comes and goes, and callers that connect all the time: no accepted connection may fail
 * while one endpoint lives.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Nuncio } from '../nuncio.ts';
import { ConsulAgent } from './consul-agent.ts';
import { EtcdServer } from './etcd-server.ts';

const run = promisify(execFile);

/** A registry of either kind, as these tests need it. */
interface Registry extends AsyncDisposable {
  readonly descriptor: string;
  readonly port: number;
  put(value: string): Promise<unknown>;
  remove(): Promise<unknown>;
  kill(): Promise<void>;
  /** Comes back with the data that it had; where it keeps none, with that put in again. */
  run(value: string): Promise<void>;
  wipe(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

const registries: Readonly<Record<string, () => Promise<Registry>>> = {
  etcd: async () => {
    const etcd = await EtcdServer.start();
    return {
      descriptor: `etcd://127.0.0.1:${etcd.port}/db`,
      port: etcd.port,
      put: (value) => etcd.put('/db', value),
      remove: () => etcd.remove('/db'),
      kill: () => etcd.kill(),
      run: () => etcd.run(),
      wipe: () => etcd.wipe(),
      freeze: () => etcd.freeze(),
      thaw: () => etcd.thaw(),
      [Symbol.asyncDispose]: () => etcd[Symbol.asyncDispose](),
    };
  },
  consul: async () => {
    const consul = await ConsulAgent.start();
    return {
      descriptor: `consul://127.0.0.1:${consul.port}/db`,
      port: consul.port,
      put: (value) => consul.put('db', value),
      remove: () => consul.delete('db'),
      kill: () => consul.kill(),
      // An agent in development mode keeps nothing; its indices begin again at the bottom.
      run: async (value) => {
        await consul.run();
        await consul.put('db', value);
      },
      wipe: async () => {},
      freeze: () => consul.freeze(),
      thaw: () => consul.thaw(),
      [Symbol.asyncDispose]: () => consul[Symbol.asyncDispose](),
    };
  },
};

/** Drops every packet to and from a port of loopback, until the block ends. Wants root and nft. */
async function dropping(port: number): Promise<AsyncDisposable> {
  const table = `inet nci-drop-${port}`;
  const rules = `table ${table} {
    chain input {
      type filter hook input priority 0;
      tcp dport ${port} drop
      tcp sport ${port} drop
    }
  }`;
  await run('nft', [rules]);
  return {
    [Symbol.asyncDispose]: async () => void (await run('nft', ['delete', 'table', ...table.split(' ')])),
  };
}

/** A caller that dials without pause, until it is told to end. */
class Load implements AsyncDisposable {
  readonly #answers = new Set<string>();
  readonly #loop: Promise<void>;
  #isOver = false;

  constructor(nuncio: Nuncio) {
    this.#loop = this.#dial(nuncio);
  }

  /** What it was answered, each answer once. */
  async end(): Promise<readonly string[]> {
    this.#isOver = true;
    await this.#loop;
    return [...this.#answers].sort();
  }

  async #dial(nuncio: Nuncio): Promise<void> {
    while (!this.#isOver) this.#answers.add(await nuncio.dial());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

const servers: Server[] = [];
const endpoints: Record<string, string> = {};

before(async () => {
  for (const letter of ['a', 'b']) {
    const server = createServer((socket) => socket.on('error', () => {}).end(letter)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    endpoints[letter] = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
});
after(() => {
  for (const server of servers) server.close();
});

const a = () => endpoints.a ?? '';
const b = () => endpoints.b ?? '';

for (const [kind, startRegistry] of Object.entries(registries)) {
  describe(`${kind}, with callers that connect all the time`, () => {
    it('killed and back: no connection fails, and changes count again', async () => {
      await using registry = await startRegistry();
      await registry.put(a());
      await using nuncio = await Nuncio.start(registry.descriptor);
      await nuncio.until('a');
      await using load = new Load(nuncio);
      const mark = nuncio.mark;
      await registry.kill();
      await nuncio.line(/its last 1 endpoint\(s\) stay/, mark);
      await registry.run(a());
      await registry.put(b());
      await nuncio.until('b');
      assert.deepEqual(await load.end(), ['a', 'b']);
    });

    it('black-holed: no connection fails, and what was written meanwhile counts afterwards', async () => {
      await using registry = await startRegistry();
      await registry.put(a());
      await using nuncio = await Nuncio.start(registry.descriptor);
      await nuncio.until('a');
      await using load = new Load(nuncio);
      registry.freeze();
      // Nothing tells that a server is silent but time; both endpoints are served through it all the same.
      await delay(3000);
      registry.thaw();
      await registry.put(b());
      await nuncio.until('b');
      assert.deepEqual(await load.end(), ['a', 'b']);
    });

    it('its packets dropped: no connection fails, and what was written meanwhile counts afterwards', async () => {
      await using registry = await startRegistry();
      await registry.put(a());
      await using nuncio = await Nuncio.start(registry.descriptor);
      await nuncio.until('a');
      await using load = new Load(nuncio);
      {
        await using _ = await dropping(registry.port);
        await delay(3000);
      }
      await registry.put(b());
      await nuncio.until('b');
      assert.deepEqual(await load.end(), ['a', 'b']);
    });

    it('a key that is deleted and rewritten within a second empties nothing', async () => {
      await using registry = await startRegistry();
      await registry.put(a());
      await using nuncio = await Nuncio.start(registry.descriptor);
      await nuncio.until('a');
      await using load = new Load(nuncio);
      for (let flap = 0; flap < 5; flap++) {
        await registry.remove();
        await delay(300);
        await registry.put(a());
        await delay(200);
      }
      assert.deepEqual(await load.end(), ['a']);
    });

    it('a value that nobody can read takes nothing away', async () => {
      await using registry = await startRegistry();
      await registry.put(a());
      await using nuncio = await Nuncio.start(registry.descriptor);
      await nuncio.until('a');
      await using load = new Load(nuncio);
      await registry.put('a typo');
      await nuncio.line(/nothing there can be read.*its last 1 endpoint\(s\) stay/);
      await registry.put(b());
      await nuncio.until('b');
      assert.deepEqual(await load.end(), ['a', 'b']);
    });

    it('one of two endpoints dead: no connection fails', async () => {
      await using registry = await startRegistry();
      await registry.put(`127.0.0.1:1,${a()}`);
      await using nuncio = await Nuncio.start(registry.descriptor);
      await nuncio.until('a');
      await using load = new Load(nuncio);
      await nuncio.line(/endpoint 127.0.0.1:1 is left out/);
      await delay(300);
      assert.deepEqual(await load.end(), ['a']);
    });

    it('down at start with a state directory: what was known is served', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'nci-state-'));
      try {
        await using registry = await startRegistry();
        await registry.put(a());
        {
          await using nuncio = await Nuncio.start(registry.descriptor, '--state-dir', directory);
          await nuncio.until('a');
        }
        await registry.kill();
        await using nuncio = await Nuncio.start(registry.descriptor, '--state-dir', directory);
        await nuncio.until('a');
        await registry.run(a());
        await registry.put(b());
        await nuncio.until('b');
      } finally {
        await rm(directory, { recursive: true });
      }
    });

    it('down at start without one: refused at once, and served when it is there', async () => {
      await using registry = await startRegistry();
      await registry.put(a());
      await registry.kill();
      await using nuncio = await Nuncio.start(registry.descriptor);
      assert.equal(await nuncio.dial(), 'ECONNRESET');
      await registry.run(a());
      await nuncio.until('a');
    });

    it('silent for longer than --max-stale: the endpoints are given up', async () => {
      await using registry = await startRegistry();
      await registry.put(a());
      await using nuncio = await Nuncio.start(registry.descriptor, '--max-stale', '500ms');
      await nuncio.until('a');
      await registry.kill();
      await nuncio.until('ECONNRESET');
      await registry.run(a());
      await nuncio.until('a');
    });
  });
}

describe('etcd back with empty data', () => {
  it('is believed: the set is empty', async () => {
    const start = registries.etcd;
    assert.ok(start);
    await using registry = await start();
    await registry.put(a());
    await using nuncio = await Nuncio.start(registry.descriptor);
    await nuncio.until('a');
    await registry.kill();
    await registry.wipe();
    await registry.run('');
    await nuncio.until('ECONNRESET');
    await registry.put(b());
    await nuncio.until('b');
  });
});
