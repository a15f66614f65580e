/** The peers, configured as their documents advise for plain TCP: HAProxy with one thread, nginx with one worker. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bed } from '../bed/bed.ts';
import { Program } from '../bed/program.ts';
import { httpPort, nginxBase, streamPort } from './backend.ts';

const ports = [httpPort, streamPort];

export async function startHaproxy(bed: Bed): Promise<Program> {
  const configuration = join(bed.folder, 'haproxy.cfg');
  const listeners = ports.map(
    (port) => `
listen tcp-${port}
  bind ${bed.ambassador.ip}:${port}
  server backend ${bed.backend.ip}:${port}
`,
  );
  await writeFile(
    configuration,
    `global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  option splice-auto
  timeout connect 2s
  timeout client 1h
  timeout server 1h
${listeners.join('')}`,
  );
  return new Program(bed.ambassador, 'haproxy', ['-db', '-f', configuration], {
    logFile: join(bed.folder, 'haproxy.log'),
  });
}

export async function startNginxStream(bed: Bed): Promise<Program> {
  const configuration = join(bed.folder, 'nginx.conf');
  const servers = ports.map(
    (port) =>
      `server { listen ${bed.ambassador.ip}:${port} backlog=4096; proxy_pass ${bed.backend.ip}:${port}; }`,
  );
  await writeFile(
    configuration,
    `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
    ${nginxBase(bed.folder, 'nginx')}
    stream {
      access_log off;
      proxy_connect_timeout 2s;
      proxy_timeout 1h;
      ${servers.join('\n      ')}
    }
    `,
  );
  return new Program(bed.ambassador, 'nginx', ['-c', configuration], {
    logFile: join(bed.folder, 'nginx.log'),
  });
}
