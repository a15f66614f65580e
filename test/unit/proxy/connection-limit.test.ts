/** Cause: above the limit of open files libuv accepts and closes without an error, so callers saw an end, not a reset. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { connectionLimit } from '../../../src/proxy/connection-limit.ts';

describe('connectionLimit', () => {
  it('takes what the open files allow where nothing is asked for', () => {
    assert.deepEqual(connectionLimit(1024), { maxConnections: 412 });
    assert.deepEqual(connectionLimit(128), { maxConnections: 32 });
    assert.deepEqual(connectionLimit(Number.POSITIVE_INFINITY), { maxConnections: 1_000_000 });
  });

  it("takes the operator's number where the files allow it", () => {
    assert.deepEqual(connectionLimit(1024, 412), { maxConnections: 412 });
    assert.deepEqual(connectionLimit(20_000, 16), { maxConnections: 16 });
  });

  it('takes less and says why where they do not', () => {
    const { maxConnections, problem } = connectionLimit(128, 1000);
    assert.equal(maxConnections, 32);
    assert.match(problem ?? '', /^1000 connections need 2200 open files and the limit is 128: .*nofile=2200/);
  });

  it('never needs more files than there are, and always takes one connection', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 2_000_000 }),
        fc.option(fc.nat(), { nil: undefined }),
        (files, asked) => {
          const { maxConnections } = connectionLimit(files, asked === undefined ? undefined : asked + 1);
          assert.ok(maxConnections >= 1);
          assert.ok(maxConnections * 2 <= files);
        },
      ),
    );
  });
});
