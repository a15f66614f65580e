import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadDockerode } from '../../../src/docker/load-dockerode.ts';
import { tidyHeap } from '../../../src/sys/tidy-heap.ts';

describe('what is loaded', () => {
  it('of dockerode is the part that speaks to the engine, without gRPC, SSH and tar', () => {
    const Docker = loadDockerode();
    const docker = new Docker({ socketPath: '/nowhere' });
    assert.equal(typeof docker.getContainer('x').inspect, 'function');
    const cache = Object.keys(process.getBuiltinModule('module').createRequire(import.meta.url).cache);
    for (const name of ['@grpc/grpc-js', 'protobufjs', 'ssh2', 'tar-fs/node_modules', 'tar-stream']) {
      assert.deepEqual(
        cache.filter((path) => path.includes(`/node_modules/${name}/`)),
        [],
      );
    }
  });

  it('does not leave the collector within reach of the program', () => {
    tidyHeap();
    assert.equal(Reflect.get(globalThis, 'gc'), undefined);
  });
});
