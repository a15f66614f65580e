import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FreshFile } from '../../../../src/discovery/dns/fresh-file.ts';

describe('a file that is read again when it has changed', () => {
  let folder: string;
  let path: string;
  let parsed: string[];
  let file: FreshFile<string>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nci-fresh-'));
    path = join(folder, 'hosts');
    parsed = [];
    file = new FreshFile(path, (text) => {
      parsed.push(text);
      return text;
    });
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is parsed once while it stays as it is', async () => {
    await writeFile(path, 'one');
    assert.deepEqual([await file.read(), await file.read(), await file.read()], ['one', 'one', 'one']);
    assert.deepEqual(parsed, ['one']);
  });

  it('is parsed again when it is written in place, or replaced by another of equal length', async () => {
    await writeFile(path, 'one');
    assert.equal(await file.read(), 'one');
    await writeFile(path, 'longer');
    assert.equal(await file.read(), 'longer');
    await writeFile(`${path}.new`, 'others');
    await rename(`${path}.new`, path);
    assert.equal(await file.read(), 'others');
  });

  it('is empty where it is missing, and read when it comes', async () => {
    assert.equal(await file.read(), '');
    await writeFile(path, 'one');
    assert.equal(await file.read(), 'one');
    await rm(path);
    assert.equal(await file.read(), '');
  });

  it('says what it said last where it cannot be read', async () => {
    await writeFile(path, 'one');
    assert.equal(await file.read(), 'one');
    await rm(path);
    await mkdir(path);
    assert.equal(await file.read(), 'one');
  });
});
