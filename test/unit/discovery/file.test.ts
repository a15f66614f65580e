import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, open, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { FileResolver } from '../../../src/discovery/file.ts';
import { followHosts } from '../../../src/discovery/follow-hosts.ts';
import { FakeAddresses } from '../../support/fake-addresses.ts';
import { FakeSleep, type Wait } from '../../support/fake-sleep.ts';
import { QuickSleep } from '../../support/quick-sleep.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';
import { resourcesNow } from '../../support/resources.ts';
import { settle, Updates, until } from '../../support/updates.ts';

const quick = () => new QuickSleep(20);

/** A folder of the test's own, and watches of files in it. */
async function bench<T extends Pick<QuickSleep, 'sleep'>>(time: T) {
  const folder = await mkdtemp(join(tmpdir(), 'nci-file-'));
  const log = new RecordingLogger();
  const end = new AbortController();
  const updates = new Updates();
  const addresses = new FakeAddresses({ db: ['10.1.0.1'] });
  const follow = followHosts({ addresses, logger: log });
  return {
    folder,
    log,
    time,
    updates,
    end,
    path: join(folder, 'list'),
    watch(path: string, allowedRoots: readonly string[] = [folder]) {
      const deps = { followHosts: follow, logger: log, allowedRoots, sleep: time.sleep };
      new FileResolver(deps).watch({ kind: 'file', path }, updates.onUpdate, end.signal);
    },
    async [Symbol.asyncDispose]() {
      end.abort();
      await rm(folder, { recursive: true });
    },
  };
}

/** Whatever has been written by now has been looked at: a look that is under way may have begun before. */
const looked = ({ time }: { time: QuickSleep }) => time.begun(2000, 2);

/** Lets pauses pass until nothing but the next poll is waited for. */
async function idle(time: FakeSleep): Promise<Wait> {
  for (let round = 0; round < 50; round++) {
    const wait = await time.wait([50, 2000]);
    if (wait.ms === 2000) return wait;
    wait.wake();
    await settle(5);
  }
  throw new Error('the folder does not come to rest');
}

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

describe('a file', () => {
  it('is its list: addresses as they are, names looked up', async () => {
    await using on = await bench(quick());
    await writeFile(on.path, 'db:6379 weight=2 tags=x\n10.0.0.5:6379 priority=1\n');
    on.watch(on.path);
    assert.equal(on.updates.count, 0);
    const update = await on.updates.next();
    assert.deepEqual(update.ok && update.value, [
      { ip: '10.1.0.1', port: 6379, name: 'db', weight: 2, priority: 0, tags: ['x'] },
      { ip: '10.0.0.5', port: 6379, name: '10.0.0.5', weight: 1, priority: 1, tags: [] },
    ]);
  });

  it('is followed when it is replaced, and when it is written in place', async () => {
    await using on = await bench(quick());
    await writeFile(on.path, '10.0.0.1:80\n');
    on.watch(on.path);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await replace(on.path, '10.0.0.2:80\n');
    assert.equal(await on.updates.text(), '10.0.0.2:80');
    await writeFile(on.path, '["10.0.0.3:80"]');
    assert.equal(await on.updates.text(), '10.0.0.3:80');
    await replace(on.path, '10.0.0.4:80\n');
    assert.equal(await on.updates.text(), '10.0.0.4:80');
  });

  it('is followed where a link is swapped beside it, as Kubernetes does', async () => {
    await using on = await bench(quick());
    const version = async (name: string, text: string) => {
      await mkdir(join(on.folder, name));
      await writeFile(join(on.folder, name, 'list'), text);
      await symlink(name, join(on.folder, '..data_tmp'));
      await rename(join(on.folder, '..data_tmp'), join(on.folder, '..data'));
    };
    await version('..2024_01', '10.0.0.1:80\n');
    await symlink('..data/list', on.path);
    on.watch(on.path);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await version('..2024_02', '10.0.0.2:80\n');
    assert.equal(await on.updates.text(), '10.0.0.2:80');
  });

  it('is followed where the watch sees nothing: its target is elsewhere', async () => {
    await using on = await bench(quick());
    await mkdir(join(on.folder, 'elsewhere'));
    await writeFile(join(on.folder, 'elsewhere', 'real'), '10.0.0.1:80\n');
    await symlink('elsewhere/real', on.path);
    on.watch(on.path);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await writeFile(join(on.folder, 'elsewhere', 'real'), '10.0.0.22:80\n');
    assert.equal(await on.updates.text(), '10.0.0.22:80');
  });

  it('is followed where its folder is another one', async () => {
    await using on = await bench(quick());
    const path = join(on.folder, 'sub', 'list');
    await mkdir(dirname(path));
    await writeFile(path, '10.0.0.1:80\n');
    on.watch(path);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await rename(dirname(path), join(on.folder, 'old'));
    await mkdir(dirname(path));
    await writeFile(path, '10.0.0.2:80\n');
    for (let update = await on.updates.text(); update !== '10.0.0.2:80'; update = await on.updates.text()) {
      assert.equal(update, 'ERR_RESOLVE_FAILED', 'at most: that it was missing for a moment');
    }
    await looked(on);
    await replace(path, '10.0.0.3:80\n');
    assert.equal(await on.updates.text(), '10.0.0.3:80');
  });

  it('is looked at when something happens in its folder, also in one that has come later', async () => {
    const time = new FakeSleep();
    await using on = await bench(time);
    const path = join(on.folder, 'sub', 'list');
    await mkdir(dirname(path));
    await writeFile(path, '10.0.0.1:80\n');
    on.watch(path);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await rename(dirname(path), join(on.folder, 'old'));
    await mkdir(dirname(path));
    await writeFile(path, '10.0.0.2:80\n');
    (await idle(time)).wake();
    await idle(time);
    assert.equal(await on.updates.text(), '10.0.0.2:80');
    await settle();
    await idle(time);
    await replace(path, '10.0.0.3:80\n');
    await time.wait(50);
    await idle(time);
    assert.equal(await on.updates.text(), '10.0.0.3:80');
  });

  it('that comes later is an error first', async () => {
    await using on = await bench(quick());
    const path = join(on.folder, 'sub', 'list');
    on.watch(path);
    const update = await on.updates.next();
    assert.match(
      update.ok ? '' : update.error.message,
      /^file:\/\/.*sub\/list: the file cannot be read: there is none/,
    );
    await mkdir(dirname(path));
    await looked(on);
    assert.equal(on.updates.unread, 0, 'the same fault is told once');
    await writeFile(path, '10.0.0.1:80\n');
    assert.equal(await on.updates.text(), '10.0.0.1:80');
  });
});

describe('a file, faults', () => {
  it('keeps its set while it is missing, faulty or too long; each is told and logged once', async () => {
    await using on = await bench(quick());
    await writeFile(on.path, '10.0.0.1:80\n');
    on.watch(on.path);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await unlink(on.path);
    assert.equal(await on.updates.text(), 'ERR_RESOLVE_FAILED');
    await replace(on.path, '10.0.0.1:80\n10.0.0.2\n');
    const update = await on.updates.next();
    assert.ok(!update.ok);
    assert.match(update.error.message, /^file:\/\/.*list: line 2, column 9: expected ":" and a port/);
    await replace(on.path, ' '.repeat(1_048_577));
    assert.match(await on.updates.text(), /ERR_RESOLVE_FAILED/);
    await looked(on);
    assert.equal(on.log.at('debug').length, 3, on.log.at('debug').join('\n'));
    assert.match(on.log.at('debug')[0] ?? '', /its last 1 endpoint\(s\) stay$/);
    await replace(on.path, '10.0.0.1:80\n');
    assert.equal(await on.updates.text(), '10.0.0.1:80', 'the set from before again');
    assert.equal(on.log.at('debug').length, 4);
    assert.equal(on.updates.unread, 0);
  });

  it('is empty where it lists nothing and stays so, not while it is being written', async () => {
    await using on = await bench(quick());
    await writeFile(on.path, '10.0.0.1:80\n');
    on.watch(on.path);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    const file = await open(on.path, 'w');
    // The file is empty now. Once that has been seen, and is waited upon, the list comes.
    await on.time.begun(1000);
    await file.write('10.0.0.1:80\n10.0.0.2:80\n');
    await file.close();
    assert.equal(await on.updates.text(), '10.0.0.1:80 10.0.0.2:80');
    await writeFile(on.path, '');
    assert.equal(await on.updates.text(), 'nothing');
    await replace(on.path, '# none\n');
    await looked(on);
    assert.equal(on.updates.unread, 0);
  });

  it('that is empty from the start is so at once', async () => {
    await using on = await bench(quick());
    await writeFile(on.path, '');
    on.watch(on.path);
    assert.equal(await on.updates.text(), 'nothing');
  });

  it('is read when writing pauses, not in between', async () => {
    const time = new FakeSleep();
    await using on = await bench(time);
    await writeFile(on.path, '10.0.0.1:80\n');
    on.watch(on.path);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await idle(time);
    let pause: Wait | undefined;
    for (const piece of ['10.0.0.2', ':8', '0\n', '10.0.0.3:80\n']) {
      await appendFile(on.path, piece);
      // The pause that was under way is over, another one has begun.
      const before = pause;
      await until(() => time.waits.some((wait) => wait.ms === 50 && wait !== before), 'a pause begins');
      pause = await time.wait(50);
      assert.equal(on.updates.count, 1);
    }
    await idle(time);
    assert.equal(await on.updates.text(), '10.0.0.1:80 10.0.0.2:80 10.0.0.3:80');
  });

  it('beside other files that change is not told again', async () => {
    await using on = await bench(quick());
    await writeFile(on.path, '10.0.0.1:80\n');
    on.watch(on.path);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    for (let round = 0; round < 20; round++) await appendFile(join(on.folder, 'log'), 'x');
    await looked(on);
    assert.equal(on.updates.count, 1);
  });
});

describe('a file, permission', () => {
  it('outside the roots is refused, and a link that begins to lead there keeps the set', async () => {
    await using on = await bench(quick());
    const [inside, outside] = [join(on.folder, 'inside'), join(on.folder, 'outside')];
    for (const folder of [inside, outside]) {
      await mkdir(folder);
      await writeFile(join(folder, 'list'), '10.0.0.1:80\n');
    }
    await symlink('inside/list', join(on.folder, 'link'));
    on.watch(join(on.folder, 'link'), [inside]);
    assert.equal(await on.updates.text(), '10.0.0.1:80');
    await symlink('outside/list', join(on.folder, 'link.new'));
    await rename(join(on.folder, 'link.new'), join(on.folder, 'link'));
    const update = await on.updates.next();
    assert.ok(!update.ok);
    assert.equal(update.error.code, 'ERR_DESCRIPTOR_REFUSED');
    assert.match(update.error.message, /^file:\/\/.*\/link: .*--file-root$/);
  });

  it('is looked at again until it is given, though the file does not change', async () => {
    await using on = await bench(quick());
    const inside = join(on.folder, 'inside');
    await mkdir(inside);
    await writeFile(join(inside, 'list'), '10.0.0.1:80\n');
    on.watch(join(inside, 'list'), [join(on.folder, 'root')]);
    assert.equal(await on.updates.text(), 'ERR_DESCRIPTOR_REFUSED');
    await symlink('inside', join(on.folder, 'root'));
    assert.equal(await on.updates.text(), '10.0.0.1:80');
  });

  it('is nobody’s by default', async () => {
    const log = new RecordingLogger();
    const updates = new Updates();
    const end = new AbortController();
    const resolver = new FileResolver({ followHosts: () => () => {}, logger: log });
    resolver.watch({ kind: 'file', path: '/etc/hosts' }, updates.onUpdate, end.signal);
    assert.equal(await updates.text(), 'ERR_DESCRIPTOR_REFUSED');
    end.abort();
  });
});

it('a file’s watch leaves nothing open', async () => {
  await using on = await bench(quick());
  await writeFile(on.path, '10.0.0.1:80\n');
  const backToStart = await resourcesNow();
  on.watch(on.path);
  await on.updates.next();
  await replace(on.path, '10.0.0.2:80\n');
  await on.updates.next();
  on.end.abort();
  await backToStart();
  await replace(on.path, '10.0.0.3:80\n');
  await settle();
  assert.equal(on.updates.count, 2);
});
