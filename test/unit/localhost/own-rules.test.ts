import assert from 'node:assert/strict';
import { it } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { fail, ok, type Result } from '../../../src/core/result.ts';
import type { NamespaceEntry } from '../../../src/localhost/entry.ts';
import { setOwnRules } from '../../../src/localhost/own-rules.ts';
import { container } from '../docker/fake-feed.ts';
import { rememberingLogger } from '../nat/fake-machine.ts';

const self = container({ id: 'self' });

async function told(answer: Result<string>, ambassador = self, mayByItself = false) {
  const visits: string[] = [];
  const entry: NamespaceEntry = {
    name: 'helper container',
    run: async ({ id }, args) => {
      visits.push([id, ...args].join(' '));
      return answer;
    },
  };
  const logger = rememberingLogger();
  await setOwnRules(ambassador, 10_000, entry, logger, mayByItself);
  return { visits, lines: logger.lines };
}

it('has a helper set the rules of an ambassador that may not', async () => {
  const { visits, lines } = await told(ok('{"level":"info"}\nnat rules set by nft\n'));
  assert.deepEqual(visits, ['self --setup-iptables --port 10000']);
  assert.deepEqual(lines, ['info: nat rules set by nft (by helper container)']);
});

it('tells why it could not', async () => {
  const { lines } = await told(fail(new AppError('ERR_DOCKER', 'forbidden')));
  assert.deepEqual(lines, ['warn: helper container: forbidden']);
});

it("leaves an ambassador alone that may, and one without a network of its own: that is the host's", async () => {
  assert.deepEqual((await told(ok(''), self, true)).visits, []);
  assert.deepEqual(
    (await told(ok(''), container({ id: 'self', addresses: [], networkMode: 'host' }))).visits,
    [],
  );
});
