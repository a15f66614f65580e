import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AdminSettings } from '../../../src/admin/settings.ts';
import { parseCommand } from '../../../src/cli/parse-command.ts';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nuncio-admin-'));
});
after(() => rm(directory, { recursive: true }));

function admin(line: string, env: Record<string, string> = {}): AdminSettings | undefined {
  const parsed = parseCommand(line.split(' '), env);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error.message);
  const { command } = parsed.value;
  return 'run' in command ? command.run.admin : undefined;
}

function problems(line: string, env: Record<string, string> = {}): string {
  const parsed = parseCommand(line.split(' '), env);
  assert.ok(!parsed.ok, `${line} is taken`);
  return parsed.error.message;
}

async function file(text: string): Promise<string> {
  const path = join(directory, 'password');
  await writeFile(path, text);
  return path;
}

describe('the status page on a command line', () => {
  it('is off unless a port is named, in every mode', () => {
    assert.equal(admin('--omnimode'), undefined);
    assert.equal(admin('redis:6379', { STATS_PASSWORD: 'x' }), undefined);
    assert.deepEqual(admin('--omnimode --admin-port 8080'), { port: 8080 });
    assert.deepEqual(admin('redis:6379 --admin-port=8080'), { port: 8080 });
  });

  it('takes its password from the environment or the first line of a file, which goes first', async () => {
    const env = { STATS_PASSWORD: 'from env' };
    assert.deepEqual(admin('--omnimode --admin-port 1', env), { port: 1, password: 'from env' });
    assert.deepEqual(admin('--omnimode --admin-port 1', { STATS_PASSWORD: '' }), { port: 1 });
    for (const text of ['s3cret', 's3cret\n', 's3cret\r\nsecond line\n']) {
      const line = `--omnimode --admin-port 1 --admin-password-file ${await file(text)}`;
      assert.deepEqual(admin(line, env), { port: 1, password: 's3cret' });
    }
  });

  it('refuses a password file that is empty or not there, and one without a port', async () => {
    const line = '--omnimode --admin-port 1 --admin-password-file';
    assert.match(problems(`${line} ${await file('\nx')}`), /the first line of the file is empty/);
    assert.match(problems(`${line} ${await file('')}`), /the first line of the file is empty/);
    assert.match(problems(`${line} ${directory}/none`), /cannot read .*ENOENT/);
    const alone = `--omnimode --admin-password-file ${await file('x')}`;
    assert.match(problems(alone), /belongs to --admin-port/);
  });

  it('refuses the port of the proxy', () => {
    assert.match(problems('--omnimode --admin-port 10000'), /--admin-port 10000: the proxy listens there/);
    assert.match(problems('redis:6379 --admin-port 6379'), /the proxy listens there/);
    assert.match(problems('--omnimode --admin-port http'), /expected a port/);
  });
});
