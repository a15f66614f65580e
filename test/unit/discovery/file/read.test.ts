import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { permittedFolder, readPermitted } from '../../../../src/discovery/file/read.ts';

let folder: string;
const at = (...names: string[]) => join(folder, ...names);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nci-read-'));
  for (const name of ['root', 'root/sub', 'root-2', 'outside']) await mkdir(at(name));
  await writeFile(at('root', 'list'), 'inside');
  await writeFile(at('root-2', 'list'), 'beside');
  await writeFile(at('outside', 'secret'), 'outside');
  await symlink(at('outside', 'secret'), at('root', 'out'));
  await symlink(at('outside'), at('root', 'out-folder'));
  await symlink(at('root', 'list'), at('outside', 'in'));
  await symlink(at('root'), at('root-link'));
  await symlink(at('root', 'loop'), at('root', 'loop'));
  await writeFile(at('root', 'long'), Buffer.alloc(1_048_577, 0x20));
  await writeFile(at('root', 'full'), Buffer.alloc(1_048_576, 0x20));
  execFileSync('mkfifo', [at('root', 'pipe')]);
});
after(() => rm(folder, { recursive: true }));

async function read(path: string, ...roots: string[]): Promise<string> {
  const content = await readPermitted(path, roots);
  return content.ok ? content.value : `${content.error.code} ${content.error.message}`;
}

describe('what may be read', () => {
  it('is what is inside a root, however either is written', async () => {
    assert.equal(await read(at('root', 'list'), at('root')), 'inside');
    assert.equal(await read(at('root', 'list'), at('outside'), `${at('root')}/`), 'inside');
    assert.equal(await read(at('root', 'sub', '..', 'list'), at('root')), 'inside');
    assert.equal(await read(at('root', 'list'), at('root-link')), 'inside');
    assert.equal(await read(at('root-link', 'list'), at('root')), 'inside');
    assert.equal(await read(at('outside', 'in'), at('root')), 'inside');
    assert.equal(await read(at('root', 'list'), at('root', 'list')), 'inside', 'one file');
    assert.equal(await read(at('outside', 'secret'), '/'), 'outside');
  });

  it('is not what only looks as if it were inside', async () => {
    for (const path of [
      at('outside', 'secret'),
      at('root-2', 'list'),
      at('root', 'out'),
      at('root', 'out-folder', 'secret'),
      `${at('root')}/../outside/secret`,
      at('outside', 'missing'),
      '/etc/passwd',
    ]) {
      assert.match(
        await read(path, at('root')),
        /^ERR_DESCRIPTOR_REFUSED .*not inside .*root; .*--file-root/,
        path,
      );
    }
    assert.match(
      await read(at('root', 'list')),
      /^ERR_DESCRIPTOR_REFUSED .*no folder is permitted; .*--file-root/,
    );
    assert.match(await read(at('root', 'list'), at('missing')), /^ERR_DESCRIPTOR_REFUSED/);
  });

  it('is a regular file of at most 1 MiB that is there', async () => {
    for (const [name, expected] of [
      ['missing', 'there is none (an empty file would mean that there are no endpoints)'],
      ['list/below', 'there is none (an empty file would mean that there are no endpoints)'],
      ['sub', 'it is no regular file'],
      ['pipe', 'it is no regular file'],
      ['loop', 'its symbolic links do not end'],
      ['long', 'it is longer than 1048576 bytes'],
    ] as const) {
      assert.equal(
        await read(at('root', name), at('root')),
        `ERR_RESOLVE_FAILED the file cannot be read: ${expected}`,
      );
    }
    assert.equal((await read(at('root', 'full'), at('root'))).length, 1_048_576);
  });

  it('is watched in its folder only where that is permitted, too', async () => {
    assert.equal(await permittedFolder(at('root-link', 'list'), [at('root')]), at('root'));
    assert.equal(await permittedFolder(at('outside', 'in'), [at('root')]), undefined);
    assert.equal(await permittedFolder(at('root', 'missing', 'list'), [at('root')]), undefined);
  });
});
