/** What stands in the ambassador's place: HAProxy in http mode, or Nuncio's gateway with a real etcd; the same rules in both. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { registrationKey } from '../../../src/backend/registration-keys.ts';
import type { Bed } from '../bed/bed.ts';
import { projectRoot } from '../bed/machine.ts';
import { Program, run } from '../bed/program.ts';
import { httpPort } from '../paths/backend.ts';

export type HttpPathName = 'haproxy' | 'nuncio-gateway';

/** Requests go to one in the middle, which no order favours. */
export function domains(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `app-${index}.example.com`);
}

export function askedDomain(count: number): string {
  return `app-${Math.floor(count / 2)}.example.com`;
}

/** One thread, routing by Host in a map, X-Forwarded-*, least connections, kept-alive servers, a check each 5 s. */
export async function startHaproxy(bed: Bed, count: number): Promise<Program> {
  const map = join(bed.folder, 'hosts.map');
  const names = domains(count);
  await writeFile(map, names.map((domain, index) => `${domain} b${index}\n`).join(''));
  const backends = names.map(
    (domain, index) => `
backend b${index}
  balance leastconn
  http-reuse always
  option httpchk
  http-check send meth HEAD uri / ver HTTP/1.1 hdr Host ${domain}
  http-check expect status 200-499
  server s ${bed.backend.ip}:${httpPort} check inter 5s
`,
  );
  const configuration = join(bed.folder, 'haproxy-http.cfg');
  await writeFile(
    configuration,
    `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend http
  bind ${bed.ambassador.ip}:${httpPort}
  option forwardfor
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto http
  use_backend %[req.hdr(host),field(1,:),lower,map(${map})]
${backends.join('')}`,
  );
  return new Program(bed.ambassador, 'haproxy', ['-db', '-f', configuration], {
    logFile: join(bed.folder, 'haproxy-http.log'),
  });
}

const etcdUrl = 'http://127.0.0.1:2379';

/** A real etcd in the ambassador's namespace, with the domains in it. */
export async function startEtcd(bed: Bed, count: number): Promise<Program> {
  const peer = 'http://127.0.0.1:2380';
  const etcd = new Program(
    bed.ambassador,
    'etcd',
    [
      `--data-dir=${join(bed.folder, `etcd-${count}`)}`,
      ...[`--listen-client-urls=${etcdUrl}`, `--advertise-client-urls=${etcdUrl}`],
      ...[
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
      ],
    ],
    { logFile: join(bed.folder, 'etcd.log') },
  );
  try {
    await ctl(bed, 'endpoint health', 50);
    await register(bed, count);
    return etcd;
  } catch (thrown) {
    await etcd[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** etcd takes 128 operations in one transaction. */
const batch = 100;

async function register(bed: Bed, count: number): Promise<void> {
  const names = domains(count);
  for (let at = 0; at < count; at += batch) {
    const puts = names.slice(at, at + batch).map((domain) => {
      const key = registrationKey('', { kind: 'application', domain }, 'bench');
      return `put ${key} ${bed.backend.ip}:${httpPort}`;
    });
    const file = join(bed.folder, 'transaction');
    await writeFile(file, `\n${puts.join('\n')}\n\n\n`);
    await ctl(bed, `txn < ${file}`, 1);
  }
}

async function ctl(bed: Bed, command: string, tries: number): Promise<void> {
  for (let left = tries; ; left--) {
    try {
      const line = `ETCDCTL_API=3 etcdctl --endpoints=${etcdUrl} ${command}`;
      await run(bed.ambassador, 'sh', ['-c', line], { limitMs: 10_000 });
      return;
    } catch (thrown) {
      if (left <= 1) throw thrown;
      await delay(100);
    }
  }
}

/** As users run it. */
export function startGateway(bed: Bed): Program {
  const args = [
    'gateway',
    '--registry',
    'etcd://127.0.0.1:2379',
    '--http-port',
    `${httpPort}`,
    '--drain',
    '0s',
  ];
  return new Program(
    bed.ambassador,
    process.execPath,
    [
      '--max-semi-space-size=4',
      join(projectRoot, 'dist/main.js'),
      ...args,
      '--docker',
      'unix:///nonexistent',
    ],
    { logFile: join(bed.folder, 'gateway.log'), env: { PATH: process.env.PATH } },
  );
}
