/** What the status page says of a gateway: the whole program, a real etcd. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../../../src/admin/status.ts';
import { EtcdServer } from '../discovery/etcd-server.ts';
import { freePort, Nuncio } from '../nuncio.ts';

/** The status of an answer to a request for a domain. */
function ask(port: number, domain: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, headers: { host: domain }, agent: false }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    asking.on('error', reject);
    asking.end();
  });
}

test('applications and services with what they carried, skipped keys, and the same as metrics', async () => {
  await using etcd = await EtcdServer.start();
  const web = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(web, 'listening');
  const endpoint = `127.0.0.1:${(web.address() as AddressInfo).port}`;
  const [http, admin, service] = [await freePort(), await freePort(), await freePort()];
  try {
    await etcd.put('/apps/blog.example.com/web-1', endpoint);
    await etcd.put(`/services/web/${service}/web-1`, endpoint);
    await etcd.put('/apps/no domain/web-1', endpoint);
    await using _nuncio = await Nuncio.start(
      ...['gateway', '--registry', `etcd://127.0.0.1:${etcd.port}`, '--allow-local-targets'],
      ...['--http-port', String(http), '--admin-port', String(admin)],
    );
    const until = async (what: string, fits: (status: Status) => boolean) => {
      let status: Status | undefined;
      for (let look = 0; look < 100; look++) {
        status = (await (await fetch(`http://127.0.0.1:${admin}/status`)).json()) as Status;
        if (fits(status)) return status;
        await delay(100);
      }
      assert.fail(`${what}: ${JSON.stringify(status)}`);
    };
    await until('both are served', ({ gateway }) => gateway?.services[0]?.state === 'listening');
    for (let look = 0; look < 100 && (await ask(http, 'blog.example.com')) !== 200; look++) await delay(100);
    assert.equal(await ask(service, 'anything'), 200);
    assert.equal(await ask(http, 'unknown.example.com'), 404);

    const { gateway, traffic } = await until('all of it is counted', (status) => {
      const { applications = [], services = [], http: counted } = status.gateway ?? {};
      return (
        (applications[0]?.served ?? 0) > 0 && (services[0]?.served ?? 0) > 0 && (counted?.refused ?? 0) > 0
      );
    });
    assert.equal(gateway?.registry.isRead, true);
    const [application] = gateway.applications;
    assert.deepEqual([application?.domain, application?.state], ['blog.example.com', 'up']);
    assert.ok((application?.answers[2] ?? 0) > 0);
    assert.deepEqual(
      application?.endpoints.map(({ address, name, state }) => [address, name, state]),
      [[endpoint, 'web-1', 'up']],
    );
    assert.deepEqual(
      gateway.services.map(({ name, port, health }) => [name, port, health]),
      [['web', service, 'up']],
    );
    assert.deepEqual(
      gateway.skipped.keys.map(({ key }) => key),
      ['/apps/no domain/web-1'],
    );
    assert.ok(traffic.connections >= 3 && traffic.bytesDown > 0, JSON.stringify(traffic));

    const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
    assert.match(metrics, /^nuncio_application_endpoints_up\{domain="blog\.example\.com"\} 1$/m);
    assert.match(
      metrics,
      new RegExp(`^nuncio_service_listening\\{service="web",port="${service}"\\} 1$`, 'm'),
    );
    assert.match(metrics, /^nuncio_registry_keys_skipped 1$/m);
    const page = await (await fetch(`http://127.0.0.1:${admin}/?q=blog`)).text();
    assert.match(page, /<h3>blog\.example\.com<\/h3>/);
  } finally {
    web.close();
    web.closeAllConnections();
  }
});
