import type Docker from 'dockerode';
import { loadLate, replaceFile } from '../core/load-late.ts';

const notThere = () => {
  throw new Error('not part of this program');
};

/**
 * dockerode without its BuildKit sessions (gRPC, protobuf), SSH and build contexts (tar): none is used here, and they are
 * 25 MB of the 33 that it takes.
 */
export function loadDockerode(): typeof Docker {
  replaceFile('dockerode/lib/session.js', notThere);
  replaceFile('docker-modem/lib/ssh.js', notThere);
  replaceFile('tar-fs', notThere, 'dockerode');
  replaceFile('@balena/dockerignore', notThere, 'dockerode');
  return loadLate('dockerode');
}
