import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { suite, test } from 'node:test';
import { bodyOf, HttpBed, statusOf } from './bed.ts';
import { passedOn, refused } from './smuggling-cases.ts';

suite('requests that could be read in two ways', () => {
  for (const { name, request, status } of refused) {
    test(`refused with ${status}: ${name}`, async () => {
      await using bed = await HttpBed.start();
      const seen: string[] = [];
      await bed.application((received, response) => {
        // The head of a chunked request may have gone out before its body turned out bad; then it must never end.
        received.on('end', () => seen.push(`${received.method} ${received.url}`));
        received.on('error', () => {});
        received.resume();
        received.on('end', () => response.end('seen'));
      }, 'a.example');
      const answer = await bed.raw(request);
      assert.equal(statusOf(answer), status, answer.slice(0, 200));
      assert.match(answer, /\r\nConnection: close\r\n/);
      assert.equal(answer.match(/^HTTP\/1\.1 \d/gm)?.length, 1, 'one answer, and nothing after it');
      assert.deepEqual(seen, [], 'the endpoint has seen no whole request');
      assert.match(bodyOf(answer), /^<!doctype html>/);
      await bed.log.line(({ fields }) => fields.code === `HTTP_${status}`);
    });
  }

  for (const { name, request, seen } of passedOn) {
    test(`passed on as one reading: ${name}`, async () => {
      await using bed = await HttpBed.start();
      const received: string[] = [];
      await bed.application(async (got, response) => {
        const body = await text(got);
        received.push(`${got.method} ${got.url} ${body}`);
        assert.equal(got.headers.host, 'a.example');
        assert.equal(got.headers.upgrade, undefined);
        assert.equal(got.headers['http2-settings'], undefined);
        response.end('ok');
      }, 'a.example');
      const client = bed.connect();
      client.end(request, 'latin1');
      const chunks: Buffer[] = [];
      for await (const chunk of client) chunks.push(chunk as Buffer);
      const answer = Buffer.concat(chunks).toString('latin1');
      assert.deepEqual(received, seen);
      assert.equal(answer.match(/HTTP\/1\.1 200 OK/g)?.length, seen.length, answer);
    });
  }
});
