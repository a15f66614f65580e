/** The containers that the stand-in for Docker's API shows: the bed's caller, and others until there are enough routes. */

import { type FakeContainer, idOf } from '../../unit/docker/fake-engine.ts';
import type { Host } from '../bed/bed.ts';
import { backendAliases } from '../bed/bed.ts';
import { httpPort, streamPort } from './backend.ts';

const routesPerContainer = 100;
/** Ports of the routes that nobody dials. */
const firstOtherPort = 20_000;

/**
 * @param pid of a process in the caller's namespace
 * @param routes in the whole table, at least 2; each has a backend of its own that is there
 */
export function containers(
  caller: Host,
  backend: Host,
  pid: number,
  routes: number,
): readonly FakeContainer[] {
  const dialled = [httpPort, streamPort].map((port) => `BACKEND_${port}=${backend.ip}:${port}`);
  const all: FakeContainer[] = [];
  for (let made = 0; made < routes; ) {
    const own = all.length === 0 ? dialled : [];
    const count = Math.min(routesPerContainer, routes - made);
    const others = Array.from(
      { length: count - own.length },
      (_, index) => `BACKEND_${firstOtherPort + index}=${alias(made + index)}:${httpPort}`,
    );
    const number = all.length;
    all.push({
      id: idOf(number + 1),
      name: number === 0 ? 'caller' : `other-${number}`,
      ip: number === 0 ? caller.ip : `10.215.${Math.floor(number / 250)}.${(number % 250) + 1}`,
      env: [...own, ...others],
      ...(number === 0 ? { pid } : {}),
    });
    made += count;
  }
  return all;
}

/** The backend's address number `index`. */
function alias(index: number): string {
  const [a, b, c, d] = backendAliases.first;
  return [a, b, c + Math.floor(index / 250), d + (index % 250)].join('.');
}
