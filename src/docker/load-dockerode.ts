import type Docker from 'dockerode';
import { loadLate, replaceFile } from '../core/load-late.ts';

const notThere = () => {
  throw new Error('not part of this program');
};

/**
 * dockerode without its BuildKit sessions (gRPC, protobuf) and without SSH: neither is used here, and they are 25 MB of
 * the 33 that it takes.
 */
export function loadDockerode(): typeof Docker {
  replaceFile('dockerode/lib/session.js', notThere);
  replaceFile('docker-modem/lib/ssh.js', notThere);
  return loadLate('dockerode');
}
