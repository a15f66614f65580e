/** One suite for every data plane: whoever carries the bytes, callers and endpoints must not see a difference. */
import { describe } from 'node:test';
import { Bed } from './data-plane-bed.ts';
import { carriesConnections } from './data-plane-relay.ts';
import { routesConnections } from './data-plane-routing.ts';

const choices = {
  'one worker thread': { workers: 1 },
  'three worker threads': { workers: 3 },
  'the portable relay': { dataPlane: 'portable', workers: 1 },
} as const;

for (const [name, choice] of Object.entries(choices)) {
  describe(name, () => {
    routesConnections((options) => Bed.start(choice, options), choice.workers);
    carriesConnections((options) => Bed.start(choice, options));
  });
}
