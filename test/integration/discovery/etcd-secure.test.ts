import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { codeOf } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { EtcdConnections } from '../../../src/registry/etcd.ts';
import type { EtcdTls } from '../../../src/registry/etcd-settings.ts';
import { resourcesNow } from '../../support/resources.ts';
import { EtcdServer } from './etcd-server.ts';
import { nextSet, watching } from './etcd-watching.ts';

const folder = await mkdtemp(join(tmpdir(), 'nci-pki-'));
after(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const openssl = (...args: readonly string[]) => promisify(execFile)('openssl', args);
const keyArgs = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];

/** An authority of its own, and a certificate of each name signed by it, for 127.0.0.1. */
async function makeAuthority(name: string, leaves: readonly string[]): Promise<void> {
  const authority = [
    '-x509',
    '-keyout',
    at(`${name}.key`),
    '-out',
    at(`${name}.pem`),
    '-subj',
    `/CN=${name}`,
  ];
  await openssl('req', ...keyArgs, ...authority);
  await writeFile(at('san'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
  for (const leaf of leaves) {
    await openssl('req', ...keyArgs, '-keyout', at(`${leaf}.key`), '-out', at('csr'), '-subj', `/CN=${leaf}`);
    const signed = ['-CA', at(`${name}.pem`), '-CAkey', at(`${name}.key`), '-CAcreateserial', '-days', '2'];
    await openssl(
      'x509',
      '-req',
      '-in',
      at('csr'),
      ...signed,
      '-extfile',
      at('san'),
      '-out',
      at(`${leaf}.pem`),
    );
  }
}

await makeAuthority('ca', ['server', 'client']);
await makeAuthority('other-ca', ['other-client']);
const pem = (name: string) => readFile(at(name), 'utf8');
const tls = { ca: await pem('ca.pem'), cert: await pem('client.pem'), key: await pem('client.key') };

describe('etcd with TLS and client certificates', async () => {
  const server = await EtcdServer.start({
    ca: at('ca.pem'),
    cert: at('server.pem'),
    key: at('server.key'),
    clientCert: at('client.pem'),
    clientKey: at('client.key'),
  });
  after(() => server[Symbol.asyncDispose]());

  it('is read and followed', async () => {
    await server.put('/tls/a', '10.0.0.1:80');
    const backToStart = await resourcesNow();
    using on = watching([server], { settings: { tls } });
    const updates = on.watch('/tls');
    assert.equal(await updates.text(), '10.0.0.1:80');
    await server.put('/tls/a', '10.0.0.2:80');
    assert.equal(await updates.text(), '10.0.0.2:80');
    on[Symbol.dispose]();
    await backToStart();
  });

  const wrong: readonly [what: string, settings: EtcdTls | undefined, reason: RegExp][] = [
    [
      'without a certificate',
      { ca: tls.ca },
      /cannot be reached: .*(bad certificate|certificate required).* \(ERR_SSL_.*\); check that it speaks TLS/,
    ],
    [
      'with a stranger’s',
      { ...tls, cert: await pem('other-client.pem'), key: await pem('other-client.key') },
      /cannot be reached: .*(bad certificate|unknown ca)/,
    ],
    [
      'from an authority that is not known',
      { ...tls, ca: await pem('other-ca.pem') },
      /cannot be reached: .*(certificate|issuer)/,
    ],
    ['from the system’s authorities', {}, /cannot be reached: .*(certificate|issuer)/],
    ['in plain text', undefined, /cannot be reached: .*; check that etcd runs .* with TLS or without/],
  ];
  for (const [what, settings, reason] of wrong) {
    it(`is not spoken to ${what}, and the reason is told`, async () => {
      const backToStart = await resourcesNow();
      using on = watching([server], settings === undefined ? {} : { settings: { tls: settings } });
      const update = await on.watch('/tls').next();
      assert.ok(!update.ok);
      assert.match(update.error.message, reason);
      on[Symbol.dispose]();
      await backToStart();
    });
  }
});

it('certificates that cannot be used are refused at the start', () => {
  const table: readonly [EtcdTls, RegExp][] = [
    [{ cert: tls.cert }, /belong together/],
    [{ key: tls.key }, /belong together/],
    [{ ca: tls.ca, cert: 'nonsense', key: tls.key }, /in PEM form/],
    [{ ...tls, key: 'nonsense' }, /in PEM form/],
  ];
  for (const [settings, reason] of table) {
    assert.throws(
      () => new EtcdConnections({ settings: { tls: settings }, logger: silentLogger }),
      (thrown: Error) => codeOf(thrown) === 'ERR_CANNOT_START' && reason.test(thrown.message),
    );
  }
});

describe('etcd with users', async () => {
  const server = await EtcdServer.start();
  after(() => server[Symbol.asyncDispose]());
  const asRoot = (...args: readonly string[]) => server.ctl('--user=root:secret', ...args);
  await server.ctl('user', 'add', 'root:secret');
  await server.ctl('user', 'add', 'nuncio:secret-word');
  await server.ctl('role', 'add', 'reader');
  await server.ctl('role', 'grant-permission', 'reader', 'read', '/open');
  await server.ctl('role', 'grant-permission', 'reader', 'read', '--prefix', '/open/');
  await server.ctl('user', 'grant-role', 'nuncio', 'reader');
  await server.put('/open/a', '10.0.0.1:80');
  await server.put('/closed/a', '10.0.0.1:80');
  await server.ctl('auth', 'enable');
  const user = { name: 'nuncio', password: 'secret-word' };

  it('is read by one of them', async () => {
    const backToStart = await resourcesNow();
    using on = watching([server], { settings: { user } });
    const updates = on.watch('/open');
    assert.equal(await updates.text(), '10.0.0.1:80');
    await asRoot('put', '/open/a', '10.0.0.2:80');
    assert.equal(await updates.text(), '10.0.0.2:80');
    on[Symbol.dispose]();
    await backToStart();
  });

  it('is not read without one, with a wrong password, or by a stranger', async () => {
    const table = [
      { settings: {}, reason: /etcd asks for a user: set ETCD_USERNAME and ETCD_PASSWORD/ },
      {
        settings: { user: { ...user, password: 'secret-guess' } },
        reason: /check ETCD_USERNAME and ETCD_PASSWORD/,
      },
      { settings: { user: { ...user, name: 'nobody' } }, reason: /check ETCD_USERNAME and ETCD_PASSWORD/ },
    ];
    for (const { settings, reason } of table) {
      using on = watching([server], { settings });
      const update = await on.watch('/open').next();
      assert.ok(!update.ok);
      assert.match(update.error.message, reason);
      assert.doesNotMatch(update.error.message, /secret/);
    }
  });

  it('a path that the user may not read is its own trouble, and over when it is granted', async () => {
    using on = watching([server], { settings: { user } });
    const open = on.watch('/open');
    await open.next();
    const closed = on.watch('/closed');
    const update = await closed.next();
    assert.ok(!update.ok);
    assert.match(
      update.error.message,
      /permission denied about \/closed; grant the user read on \/closed and/,
    );
    await asRoot('role', 'grant-permission', 'reader', 'read', '/closed');
    await asRoot('role', 'grant-permission', 'reader', 'read', '--prefix', '/closed/');
    await nextSet(closed, '10.0.0.1:80');
    await asRoot('put', '/closed/a', '10.0.0.3:80');
    await nextSet(closed, '10.0.0.3:80');
    assert.deepEqual([open.unread, on.logger.at('warn').length, on.logger.at('info').length], [0, 1, 1]);
  });

  it('a token that is not valid any more is replaced, and the watches before it go on', async () => {
    using on = watching([server], { settings: { user } });
    const before = on.watch('/open');
    await before.next();
    await asRoot('auth', 'disable');
    await server.ctl('auth', 'enable');
    const later = on.watch('/open/sub');
    assert.equal(await later.text(), 'nothing');
    await asRoot('put', '/open/sub/a', '10.0.0.7:80');
    assert.equal(await later.text(), '10.0.0.7:80');
    assert.match(await before.text(), /10\.0\.0\.7:80/);
    assert.deepEqual(on.logger.lines, []);
  });
});
