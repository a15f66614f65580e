/** The status page in a real Chromium: what a reader sees, and what a hostile name cannot do. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { AdminServer } from '../../../src/admin/admin-server.ts';
import type { Status } from '../../../src/admin/status.ts';
import { endpoint } from '../../../src/core/endpoint.ts';
import { BoardBed, redis1, redis2, to } from '../../support/board-bed.ts';
import { gatewayStatus } from '../../support/gateway-status.ts';
import { freePort, Nuncio } from '../nuncio.ts';
import { phone, startBrowser, Visit } from './browser.ts';

let browser: Browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser.close());

/** The server over a board of the test's; the page's address. */
async function serve(bed: BoardBed, password?: string): Promise<AsyncDisposable & { readonly url: string }> {
  const settings = { port: 0, ...(password === undefined ? {} : { password }) };
  const server = new AdminServer({ settings, board: bed.board, logger: bed.log });
  await server.start();
  return {
    url: `http://127.0.0.1:${server.address?.port}/`,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

/** Everything that the page can show, with names of every length. */
async function fullBed(): Promise<BoardBed> {
  const bed = await BoardBed.start();
  const long = `consul-service://${'a-long-host-name.'.repeat(8)}example:8500/${'service'.repeat(12)}`;
  bed.backend('redis', [redis1, redis2], { ejected: ['10.0.0.2:6379'], options: { balance: 'leastconn' } });
  bed.backend(
    long,
    [endpoint('2001:db8:1234:5678:9abc:def0:1234:5678', 65_535, { name: 'n'.repeat(120), weight: 10 })],
    {
      problem: `no answer: ${'x'.repeat(300)}`,
    },
  );
  bed.caller(
    'c1',
    `compose-project-${'worker'.repeat(12)}-1`,
    [
      [6379, to('redis')],
      [8500, to(long)],
      [9, { kind: 'refused', code: 'ERR_DESCRIPTOR_SYNTAX', reason: `column 6: ${'y'.repeat(200)}` }],
    ],
    ['172.17.0.5', '2001:db8::5'],
  );
  bed.board.showGateway(() => gatewayStatus);
  bed.board.logger.warn(`refused web -> 172.17.0.2:9: ${'z'.repeat(400)}`, { code: 'ERR_CONNECT_FAILED' });
  bed.carried('redis', '10.0.0.1:6379', { connections: 123_456_789, bytesUp: 9.99e14, bytesDown: 9.99e14 });
  return bed;
}

describe('the page', () => {
  for (const [name, viewport] of Object.entries({ phone, desk: { width: 1280, height: 800 } })) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`fits a ${name}, in ${colorScheme} colours`, async () => {
        await using bed = await fullBed();
        await using server = await serve(bed);
        await using visit = await Visit.begin(browser, { viewport, colorScheme });
        await visit.page.goto(server.url);
        assert.ok((await visit.overflow()) <= 0, 'nothing is wider than the screen');
        const background = await visit.page.evaluate('getComputedStyle(document.body).backgroundColor');
        assert.equal(background, colorScheme === 'dark' ? 'rgb(20, 23, 22)' : 'rgb(246, 245, 242)');
        for (const heading of [
          'Applications',
          'Services',
          'Backends',
          'Callers',
          'Recent warnings and errors',
        ]) {
          assert.ok(await visit.page.getByRole('heading', { name: heading, level: 2 }).isVisible(), heading);
        }
        assert.deepEqual(visit.complaints, []);
      });
    }
  }

  it('shows hostile names as the text that they are, also when they come later', async () => {
    const hostile = [
      '<script>alert(1)</script>',
      '<img src=x onerror=alert(1)>',
      '"><svg onload=alert(1)>',
      `' onmouseover='alert(1)`,
      '</title></textarea><script>alert(1)</script>',
      'javascript:alert(1)',
    ];
    await using bed = await BoardBed.start();
    await using server = await serve(bed);
    await using visit = await Visit.begin(browser);
    const name = (index: number) =>
      visit.page.getByRole('heading', { name: hostile[index] ?? '', exact: true });
    const appear = (text: string, index: number) => {
      bed.backend(text, [endpoint(`10.0.0.${index + 1}`, 80, { name: text })], { text, problem: text });
      bed.caller(text, text, [[1, to(text)]], [`172.17.0.${index + 1}`]);
      bed.board.logger.error(text, { code: text });
    };
    for (const [index, text] of hostile.slice(0, 3).entries()) appear(text, index);
    await visit.page.goto(`${server.url}?q=${encodeURIComponent('"><script>alert(1)</script>')}`);
    assert.equal(await visit.page.getByRole('searchbox').inputValue(), '"><script>alert(1)</script>');
    await visit.page.goto(server.url);
    await name(2).waitFor();
    for (const [index, text] of hostile.entries()) appear(text, index);
    for (const index of hostile.keys()) await name(index).waitFor();
    assert.equal(
      await visit.page.locator('main script, main img, main [onload], main [onmouseover]').count(),
      0,
    );
    assert.deepEqual(visit.complaints, []);
  });

  it('keeps the field, the focus and the place of the reader while it changes', async () => {
    await using bed = await BoardBed.start();
    for (let number = 0; number < 30; number++) bed.backend(`backend-${number}`, [redis1]);
    await using server = await serve(bed);
    await using visit = await Visit.begin(browser);
    const { page } = visit;
    await page.goto(server.url);
    await page.getByRole('searchbox').focus();
    await page.keyboard.type('backend-7');
    await page.getByRole('heading', { name: 'backend-8' }).waitFor({ state: 'detached' });
    assert.match(page.url(), /\?q=backend-7$/, 'a reload, or a link, shows the same');
    assert.equal(await page.locator('article').count(), 1);
    await page.evaluate('document.querySelector("article").isTheSame = true');
    bed.carried('backend-7', '10.0.0.1:6379', { connections: 4321 });
    await page.getByText('4,321 connections').waitFor();
    assert.equal(await page.evaluate('document.querySelector("article").isTheSame'), true);
    assert.equal(await page.evaluate('document.activeElement.name'), 'q');
    bed.backend('backend-77', [redis1]);
    await page.getByRole('heading', { name: 'backend-77' }).waitFor();
    await page.getByRole('searchbox').fill('');
    await page.getByRole('heading', { name: 'backend-8' }).waitFor();
    assert.deepEqual(visit.complaints, []);
  });

  it('can be read and filtered without scripts', async () => {
    await using bed = await fullBed();
    await using server = await serve(bed);
    await using visit = await Visit.begin(browser, { javaScriptEnabled: false, viewport: phone });
    const { page } = visit;
    await page.goto(server.url);
    await page.getByRole('heading', { name: 'redis', exact: true }).waitFor();
    await page.getByRole('searchbox').fill('blog-2');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\?q=blog-2$/);
    await page.getByRole('heading', { name: 'blog.example.com' }).waitFor();
    assert.equal(await page.getByRole('heading', { name: 'redis', exact: true }).count(), 0);
  });

  it('asks for the password, and is whole with it', async () => {
    await using bed = await fullBed();
    await using server = await serve(bed, 's3cret');
    {
      await using visit = await Visit.begin(browser);
      assert.equal((await visit.page.goto(server.url).catch(() => undefined))?.status() ?? 401, 401);
      assert.equal(await visit.page.getByText('redis').count(), 0);
    }
    await using visit = await Visit.begin(browser, {
      httpCredentials: { username: 'me', password: 's3cret' },
    });
    await visit.page.goto(server.url);
    await visit.page.locator('#live[data-state=live]').waitFor();
    bed.backend('one-more', [redis1]);
    await visit.page.getByRole('heading', { name: 'one-more' }).waitFor();
    assert.deepEqual(visit.complaints, []);
  });
});

describe('the page of the program', () => {
  it('follows connections, failures and health, and says when nothing answers any more', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nuncio-page-'));
    const passwordFile = join(directory, 'password');
    await writeFile(passwordFile, 's3cret\n');
    const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const { port } = echo.address() as AddressInfo;
    const closed = await freePort();
    const admin = await freePort();
    try {
      await using nuncio = await Nuncio.start(
        `127.0.0.1:${closed},127.0.0.1:${port}?balance=first`,
        '--admin-port',
        String(admin),
        '--admin-password-file',
        passwordFile,
      );
      const url = `http://127.0.0.1:${admin}/`;
      assert.equal((await fetch(`${url}status`)).status, 401);
      for (let attempt = 0; attempt < 500 && !(await fetch(`${url}readyz`)).ok; attempt++);
      assert.equal((await fetch(`${url}healthz`)).status, 200);

      const httpCredentials = { username: 'any', password: 's3cret' };
      await using visit = await Visit.begin(browser, { viewport: phone, httpCredentials });
      const { page } = visit;
      await page.goto(url);
      const dialled = page.locator(`tr[data-key="127.0.0.1:${port}"]`);
      const failed = page.locator(`tr[data-key="127.0.0.1:${closed}"]`);
      await dialled.getByText('up', { exact: true }).waitFor();
      const caller = connect(nuncio.port, '127.0.0.1');
      caller.on('error', () => {});
      caller.write('hello');
      await once(caller, 'data');
      await dialled.locator('td[data-label="Open"]').getByText('1', { exact: true }).waitFor();
      await failed.locator('td[data-label="Failed"].bad').getByText('1', { exact: true }).waitFor();
      await page.getByText(/is left out for \d+ ms: ECONNREFUSED/).waitFor();
      caller.end();
      await once(caller, 'close');
      await dialled.locator('td[data-label="Open"]').getByText('0', { exact: true }).waitFor();
      await dialled.locator('td[data-label="Up"]').getByText('5 B', { exact: false }).waitFor();
      const metrics = await fetch(`${url}metrics`, {
        headers: { authorization: `Basic ${Buffer.from('x:s3cret').toString('base64')}` },
      });
      assert.match(await metrics.text(), /^nuncio_endpoint_connections_total\{[^}]+\} 1$/m);
      assert.ok((await visit.overflow()) <= 0);
      assert.deepEqual(visit.complaints, []);

      await nuncio[Symbol.asyncDispose]();
      await page.locator('#live[data-state=lost]').waitFor();
      assert.match((await page.locator('#live').textContent()) ?? '', /no answer since/);
    } finally {
      echo.close();
      await rm(directory, { recursive: true });
    }
  });

  it('shows a drain: alive, not ready, and what is still open', async () => {
    const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const { port } = echo.address() as AddressInfo;
    const admin = await freePort();
    try {
      await using nuncio = await Nuncio.start(
        ...[`127.0.0.1:${port}`, '--admin-port', String(admin), '--drain', '60s'],
      );
      const url = `http://127.0.0.1:${admin}/`;
      const caller = connect(nuncio.port, '127.0.0.1');
      caller.write('hello');
      await once(caller, 'data');
      await using visit = await Visit.begin(browser);
      await visit.page.goto(url);
      await visit.page.getByText('ready', { exact: true }).waitFor();
      nuncio.end();
      await visit.page.getByText('draining', { exact: true }).waitFor();
      assert.equal((await fetch(`${url}healthz`)).status, 200);
      assert.equal((await fetch(`${url}readyz`)).status, 503);
      const { traffic } = (await (await fetch(`${url}status`)).json()) as Status;
      assert.equal(traffic.active, 1);
      caller.end();
      await once(caller, 'close');
    } finally {
      echo.close();
    }
  });
});
