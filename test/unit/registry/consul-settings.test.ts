import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { consulSettings, type Environment } from '../../../src/registry/consul-settings.ts';

/** Settings, or the message of the fault. */
function settingsOf(env: Environment, files: Readonly<Record<string, string>> = {}): unknown {
  const read = consulSettings(env, (path) => {
    const text = files[path];
    if (text === undefined) throw new Error('no such file');
    return text;
  });
  if (read.ok) return read.value;
  assert.equal(read.error.code, 'ERR_CANNOT_START');
  return read.error.message;
}

describe('consulSettings', () => {
  it('says nothing where the environment says nothing', () => {
    assert.deepEqual(settingsOf({}), {});
    assert.deepEqual(settingsOf({ CONSUL_HTTP_TOKEN: '', CONSUL_HTTP_SSL: '', CONSUL_HTTP_AUTH: '' }), {});
    assert.deepEqual(settingsOf({ CONSUL_HTTP_SSL: 'false', CONSUL_CACERT: '/absent' }), {});
  });

  it('has a token, from the variable before the file', () => {
    const files = { '/token': 'from-file\n' };
    assert.deepEqual(settingsOf({ CONSUL_HTTP_TOKEN_FILE: '/token' }, files), { token: 'from-file' });
    const both = { CONSUL_HTTP_TOKEN: 'itself', CONSUL_HTTP_TOKEN_FILE: '/token' };
    assert.deepEqual(settingsOf(both, files), { token: 'itself' });
  });

  it('has a user, and TLS that verifies unless told otherwise', () => {
    assert.deepEqual(settingsOf({ CONSUL_HTTP_AUTH: 'user:pass', CONSUL_HTTP_SSL: '1' }), {
      auth: 'user:pass',
      tls: { verify: true },
    });
    const env = {
      CONSUL_HTTP_SSL: 'true',
      CONSUL_HTTP_SSL_VERIFY: 'false',
      CONSUL_TLS_SERVER_NAME: 'server.dc1.consul',
    };
    assert.deepEqual(settingsOf(env), { tls: { verify: false, serverName: 'server.dc1.consul' } });
  });

  for (const [env, files, pattern] of [
    [{ CONSUL_HTTP_SSL: 'yes' }, {}, /^CONSUL_HTTP_SSL: expected true or false, found "yes"$/],
    [{ CONSUL_HTTP_TOKEN: 'a\nb' }, {}, /^CONSUL_HTTP_TOKEN: expected a token on one line$/],
    [{ CONSUL_HTTP_TOKEN_FILE: '/t' }, { '/t': 'a b' }, /^CONSUL_HTTP_TOKEN_FILE: expected a token/],
    [{ CONSUL_HTTP_TOKEN_FILE: '/t' }, {}, /^CONSUL_HTTP_TOKEN_FILE: cannot read "\/t" \(no such file\)/],
    [{ CONSUL_HTTP_SSL: '1', CONSUL_CACERT: '/c' }, {}, /^CONSUL_CACERT: cannot read "\/c"/],
    [
      { CONSUL_HTTP_SSL: '1', CONSUL_CLIENT_CERT: '/c' },
      { '/c': 'x' },
      /belong together: set both or neither/,
    ],
    [
      { CONSUL_HTTP_SSL: '1', CONSUL_CLIENT_CERT: '/c', CONSUL_CLIENT_KEY: '/c' },
      { '/c': 'no certificate' },
      /expected PEM files that fit together/,
    ],
  ] as const satisfies readonly (readonly [Environment, Readonly<Record<string, string>>, RegExp])[]) {
    it(`refuses ${JSON.stringify(env)}`, () => assert.match(String(settingsOf(env, files)), pattern));
  }
});
