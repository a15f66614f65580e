import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { ConsulClient } from '../../../src/registry/consul.ts';
import { consulSettings, type Environment } from '../../../src/registry/consul-settings.ts';
import { ConsulAgent, consulBinary } from './consul-agent.ts';

describe('consul over TLS, real agent', () => {
  let folder: string;
  let consul: ConsulAgent;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nci-consul-'));
    for (const kind of [['ca'], ['cert', '-server'], ['cert', '-client']]) {
      const [what = '', ...rest] = kind;
      execFileSync(consulBinary(), ['tls', what, 'create', ...rest], { cwd: folder, stdio: 'ignore' });
    }
    const hcl = `
      ca_file = "${join(folder, 'consul-agent-ca.pem')}"
      cert_file = "${join(folder, 'dc1-server-consul-0.pem')}"
      key_file = "${join(folder, 'dc1-server-consul-0-key.pem')}"
      verify_incoming_https = true`;
    consul = await ConsulAgent.start({ hcl, https: true });
    await consul.put('web', '10.0.0.1:80');
  });
  after(async () => {
    await consul[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  /** The value at `web` as a client sees it whose environment says that; or its error. */
  async function read(env: Environment, host = '127.0.0.1'): Promise<string> {
    const settings = consulSettings(env);
    assert.ok(settings.ok);
    const client = new ConsulClient({ host, port: consul.httpsPort }, settings.value);
    const query = { index: 0, waitMs: 1000, timeoutMs: 10_000 };
    try {
      const { value } = await client.tree('web', query, new AbortController().signal);
      return value.map((pair) => pair.value).join();
    } catch (thrown) {
      assert.ok(thrown instanceof AppError, String(thrown));
      return thrown.message;
    } finally {
      client.close();
    }
  }

  const ca = () => ({ CONSUL_HTTP_SSL: 'true', CONSUL_CACERT: join(folder, 'consul-agent-ca.pem') });
  const pair = () => ({
    CONSUL_CLIENT_CERT: join(folder, 'dc1-client-consul-0.pem'),
    CONSUL_CLIENT_KEY: join(folder, 'dc1-client-consul-0-key.pem'),
  });

  it('is read with the authority and a client certificate, by address and by name', async () => {
    assert.equal(await read({ ...ca(), ...pair() }), '10.0.0.1:80');
    assert.equal(await read({ ...ca(), ...pair() }, 'localhost'), '10.0.0.1:80');
    const name = { CONSUL_TLS_SERVER_NAME: 'server.dc1.consul' };
    assert.equal(await read({ ...ca(), ...pair(), ...name }), '10.0.0.1:80');
  });

  it('is read without the authority only where nobody wants to verify', async () => {
    const bare = { CONSUL_HTTP_SSL: 'true', ...pair() };
    assert.match(await read(bare), /its certificate is not accepted; check CONSUL_CACERT/);
    assert.equal(await read({ ...bare, CONSUL_HTTP_SSL_VERIFY: 'false' }), '10.0.0.1:80');
    const name = { CONSUL_TLS_SERVER_NAME: 'other.example' };
    assert.match(await read({ ...ca(), ...pair(), ...name }), /certificate is not accepted/);
  });

  it('says what is missing: the client certificate, or TLS at all', async () => {
    assert.match(
      await read(ca()),
      /check CONSUL_HTTP_SSL and CONSUL_CLIENT_CERT|certificate is not accepted/,
    );
    assert.match(await read({}), /set CONSUL_HTTP_SSL=true/);
  });
});
