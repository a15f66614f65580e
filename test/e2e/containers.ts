/** Backends and callers for the end-to-end tests: small containers that run until they are removed. */
import assert from 'node:assert/strict';
import type { Docker, RunOptions } from './docker.ts';
import { ambassadorImage, testImage } from './images.ts';
import { until } from './until.ts';

type More = Omit<RunOptions, 'image' | 'name'>;

/** A Redis whose key `name` holds its container's name; it answers when this returns. */
export async function redis(docker: Docker, name: string, more: More = {}): Promise<void> {
  await docker.run({
    image: testImage,
    name,
    args: ['redis-server', '--protected-mode', 'no', '--save', '', '--bind', '0.0.0.0', '::'],
    ...more,
  });
  const script = 'for i in $(seq 200); do redis-cli set name "$1" && exit; usleep 50000; done; exit 1';
  const { code } = await docker.exec(name, ['sh', '-c', script, 'sh', name]);
  assert.equal(code, 0, await docker.logs(name));
}

/** A web server that answers every request for `/` with its container's name; it answers when this returns. */
export async function web(
  docker: Docker,
  name: string,
  { port = 80, ...more }: More & { readonly port?: number } = {},
): Promise<void> {
  const script = `echo ${name} > /www/index.html; exec httpd -f -h /www -p ${port}`;
  await docker.run({ image: testImage, name, args: ['sh', '-c', script], ...more });
  await until(`${name} to listen on port ${port}`, async () => {
    const { code } = await docker.exec(name, ['wget', '-qO-', `http://127.0.0.1:${port}/`]);
    return code === 0 || undefined;
  });
}

/** What a container gets from a web server, or what wget says where it gets nothing. */
export async function page(docker: Docker, from: string, url: string): Promise<string> {
  const { stdout, stderr } = await docker.exec(from, ['timeout', '10', 'wget', '-qO-', url]);
  return stdout.trim() || stderr;
}

/** A container that does nothing by itself; `docker exec` makes it call. It has busybox and redis-cli. */
export async function caller(docker: Docker, name: string, more: More = {}): Promise<void> {
  await docker.run({ image: testImage, name, args: ['sleep', '1000000'], ...more });
}

/** A caller that has Node instead. */
export async function nodeCaller(docker: Docker, name: string, more: More = {}): Promise<void> {
  await docker.run({ image: ambassadorImage, name, entrypoint: 'sleep', args: ['1000000'], ...more });
}

export interface RedisTarget {
  readonly host?: string;
  readonly port?: number;
}

/** The name of the Redis that a container reaches, or what redis-cli says where it reaches none. */
export async function nameOfRedis(
  docker: Docker,
  from: string,
  { host = 'backends', port = 6379 }: RedisTarget = {},
): Promise<string> {
  const argv = ['timeout', '10', 'redis-cli', '-h', host, '-p', String(port), 'get', 'name'];
  const { stdout, stderr } = await docker.exec(from, argv);
  return (stdout + stderr).trim();
}

/** For Node: dials argv's host and port, and prints what became of it as `dialFrom` tells. */
export const dialScript = `
const [host, port] = process.argv.slice(1);
const socket = require('node:net').connect({ host, port: Number(port) });
const told = (what) => { console.log(what); process.exit(0); };
socket.on('error', (error) => told(error.code));
socket.on('data', () => told('data'));
socket.on('close', () => told('closed'));
socket.setTimeout(8000, () => told('silence'));
`;

/** Dials and sends nothing. @returns ECONNRESET, ECONNREFUSED …, `closed`, `data`, or `silence` after 8 s */
export async function dialFrom(
  docker: Docker,
  nodeCaller: string,
  host: string,
  port: number,
): Promise<string> {
  const { stdout, stderr } = await docker.exec(nodeCaller, ['node', '-e', dialScript, host, String(port)]);
  return stdout.trim() || stderr;
}
