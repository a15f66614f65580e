import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Discovery as Registry } from '../../../src/backend/discovery-service.ts';
import { consulName, type Registered } from '../../../src/backend/registration-keys.ts';
import { resourcesNow } from '../../support/resources.ts';
import { ConsulAgent } from '../discovery/consul-agent.ts';
import { freePort, GatewayBed, greets, Words } from './bed.ts';

let consul: ConsulAgent;
const registry = (): Registry => ({
  kind: 'consul',
  server: { host: consul.host, port: consul.port },
  passing: true,
});

before(async () => {
  consul = await ConsulAgent.start();
});
after(() => consul[Symbol.asyncDispose]());

/** Registers an instance with a check of its own, which passes. */
async function register(registered: Registered, id: string, at: string): Promise<void> {
  const { name, tag } = consulName(registered);
  const [address = '', port = ''] = at.split(':');
  const check = { CheckID: `service:${id}`, TTL: '1h', Status: 'passing' };
  await consul.register({
    ID: id,
    Name: name,
    Tags: [tag],
    Address: address,
    Port: Number(port),
    Check: check,
  });
}

suite('the catalog of Consul', () => {
  test('applications and services by their tags, with the health that Consul knows', async () => {
    await using words = await new Words();
    const [one, two, database] = [await words.http('one'), await words.http('two'), await words.tcp('db')];
    const port = await freePort();
    const app: Registered = { kind: 'application', domain: 'a.example' };
    await consul.register({ ID: 'theirs', Name: 'b.example', Address: '127.0.0.1', Port: 9 });
    await using bed = await GatewayBed.start(registry());
    await register(app, 'app-1', one.at);
    await bed.answers('a.example', '200 one');
    await register({ kind: 'service', name: 'db', port }, 'db-1', database.at);
    await greets(port, 'db');
    assert.match(await bed.get('b.example'), /^404 /);

    await register(app, 'app-2', two.at);
    await bed.until(({ applications }) => applications[0]?.endpoints.length === 2);
    await consul.check('app-1', 'fail');
    await bed.until(({ applications }) => applications[0]?.endpoints.length === 1);
    for (let i = 0; i < 5; i++) assert.equal(await bed.get('a.example'), '200 two');
    await consul.deregister('app-2');
    await bed.until(({ applications }) => applications[0]?.endpoints.length === 0);
    assert.match(await bed.get('a.example'), /^503 /);
    await consul.deregister('app-1');
    await consul.deregister('db-1');
    await bed.until(({ applications, services }) => applications.length === 0 && services.length === 0);
    await greets(port, '');
  });

  test('a tag of ours that makes no sense is skipped and shown', async () => {
    await consul.register({ ID: 'odd', Name: 'odd', Tags: ['nuncio-service=x'], Port: 9 });
    await using bed = await GatewayBed.start(registry());
    await bed.until(({ skipped }) => skipped.count === 1);
    assert.match(bed.gateway.status().skipped.keys[0]?.reason ?? '', /expected a port/);
    await consul.deregister('odd');
    await bed.until(({ skipped }) => skipped.count === 0);
  });

  test('away: what was known is served; nothing is left at the end', async () => {
    await using own = await ConsulAgent.start();
    await using words = await new Words();
    const one = await words.http('one');
    const { name, tag } = consulName({ kind: 'application', domain: 'a.example' });
    const port = Number(one.at.split(':')[1]);
    await own.register({ ID: 'a', Name: name, Tags: [tag], Address: '127.0.0.1', Port: port });
    const backToStart = await resourcesNow();
    const bed = await GatewayBed.start({
      kind: 'consul',
      server: { host: own.host, port: own.port },
      passing: true,
    });
    await bed.answers('a.example', '200 one');
    await own.kill();
    await bed.until(({ registry }) => registry.problem !== undefined);
    assert.equal(await bed.get('a.example'), '200 one');
    await bed[Symbol.asyncDispose]();
    await backToStart();
  });
});
