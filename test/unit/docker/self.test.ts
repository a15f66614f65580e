import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selfContainerId } from '../../../src/docker/self.ts';

const [self, other] = ['a1b2c3d4e5f6'.padEnd(64, '0'), 'b'.repeat(64)];

function mount(root: string, mountPoint: string): string {
  return `127 109 254:0 ${root} ${mountPoint} rw,relatime - ext4 /dev/vda rw`;
}

test('the mounts that the engine makes name the container', () => {
  for (const folder of ['/var/lib/docker/containers', '/containers', '/data/docker/containers']) {
    const mountinfo = `${mount('/', '/')}\n${mount(`${folder}/${self}/hostname`, '/etc/hostname')}\n`;
    assert.equal(selfContainerId({ mountinfo, hostname: 'web', ids: [] }), self);
  }
});

test('the mounts of other containers, seen on a host, name nobody', () => {
  const mountinfo = [
    mount('/', `/var/lib/docker/containers/${other}/mounts/shm`),
    mount(`/var/lib/docker/containers/${other}/hostname`, '/mnt/x'),
    mount('/home/me/hosts', '/etc/hosts'),
    '',
  ].join('\n');
  assert.equal(selfContainerId({ mountinfo, hostname: 'host-1', ids: [self, other] }), undefined);
});

test('without mounts the host name is taken as the beginning of one running container’s id', () => {
  const clues = { mountinfo: '', hostname: 'a1b2c3d4e5f6' };
  assert.equal(selfContainerId({ ...clues, ids: [self, other] }), self);
  assert.equal(selfContainerId({ ...clues, ids: [other] }), undefined);
  assert.equal(selfContainerId({ ...clues, ids: [self, 'a1b2c3d4e5f6'.padEnd(64, '1')] }), undefined);
  assert.equal(selfContainerId({ mountinfo: '', hostname: 'a1b2', ids: [self] }), undefined);
  assert.equal(selfContainerId({ mountinfo: '', hostname: '', ids: [self] }), undefined);
});
