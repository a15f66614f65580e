/** The benchmark's bed: three hosts that reach each other, and nothing left of them, however it ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Bed } from '../../bench/bed/bed.ts';
import { Caller } from '../../bench/bed/caller.ts';
import { Program, run } from '../../bench/bed/program.ts';

const port = 8080;
const server = `require('node:http').createServer((request, response) => response.end(
  request.url === '/who' ? request.socket.remoteAddress : request.headers.host)).listen(${port}, '0.0.0.0')`;

/** Namespaces and folders of the benchmark that a process has made. */
function madeBy(pid: number | undefined): readonly string[] {
  return [...readdirSync('/run/netns'), ...readdirSync(tmpdir())].filter((name) =>
    name.startsWith(`nuncio-bench-${pid}-`),
  );
}

describe('the bed', () => {
  it('has three hosts that reach each other, and leaves nothing', async () => {
    {
      await using bed = await Bed.build();
      await using caller = new Caller(bed.caller);
      await using program = new Program(bed.backend, process.execPath, ['-e', server], {
        logFile: join(bed.folder, 'server.log'),
      });
      const target = { host: bed.backend.ip, port };
      await Promise.race([caller.awaitServed(target, '/', 10_000), program.failsWhenEnded()]);
      assert.equal(await caller.text(target, '/who'), bed.caller.ip);
      assert.equal(await caller.text({ ...target, domain: 'a.example' }, '/'), 'a.example');
      // Any of the backend's other addresses leads to it as well.
      assert.equal(await caller.text({ host: '10.214.130.7', port }, '/who'), bed.caller.ip);
      assert.equal(await caller.hold(target, '/', 100), 100);
      await caller.release();
      const { rssMb, pssMb } = await program.usage();
      assert.ok(rssMb > 1 && pssMb > 1, `${rssMb} MB, ${pssMb} MB`);
      assert.ok(madeBy(process.pid).length > 0);
    }
    assert.deepEqual(madeBy(process.pid), []);
  });

  it('tells what a program said that fails, or ends', async () => {
    await using bed = await Bed.build();
    await assert.rejects(
      run(bed.caller, 'sh', ['-c', 'echo why >&2; exit 3'], { limitMs: 5000 }),
      /sh .*: why/,
    );
    await using program = new Program(bed.caller, 'sh', ['-c', 'echo the end'], {
      logFile: join(bed.folder, 'sh.log'),
    });
    await assert.rejects(program.failsWhenEnded(), /sh has ended: the end/);
  });

  it('that was killed is cleared away by the next one, with what still ran in it', async () => {
    const path = fileURLToPath(new URL('../../bench/bed/', import.meta.url));
    const script = `
      import { Bed } from '${path}bed.ts';
      import { Program } from '${path}program.ts';
      const bed = await Bed.build();
      // As nginx: a child that outlives its parent.
      new Program(bed.backend, 'sh', ['-c', 'sleep 600 & echo $! >' + bed.folder + '/child; wait'], { logFile: bed.folder + '/log' });
      console.log(bed.folder);
      setInterval(() => {}, 1000);`;
    const killed = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [folder] = await once(createInterface({ input: killed.stdout }), 'line');
    const child = await numberIn(join(String(folder), 'child'));
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    assert.ok(madeBy(killed.pid).length > 0 && isRunning(child));

    await using _ = await Bed.build();
    assert.deepEqual(madeBy(killed.pid), []);
    for (let tries = 0; isRunning(child) && tries < 100; tries++) await delay(20);
    assert.ok(!isRunning(child));
  });
});

/** The number that a program writes into a file, once it is there. */
async function numberIn(file: string): Promise<number> {
  for (let tries = 0; tries < 250; tries++) {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (text.endsWith('\n')) return Number(text);
    await delay(20);
  }
  return assert.fail(`${file} was not written within 5 s`);
}

/** A zombie, where nobody reaps orphans, does not run. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
