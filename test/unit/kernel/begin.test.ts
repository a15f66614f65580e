import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { adviseOn } from '../../../src/kernel/begin.ts';
import { byProxy, describePath } from '../../../src/kernel/route-path.ts';

describe('what is missing', () => {
  const cases: readonly [syscall: string, errno: string, line: string][] = [
    ['setns', 'EPERM', 'network namespaces may not be entered (--cap-add SYS_ADMIN)'],
    ['getsockopt', 'ENOPROTOOPT', 'Linux 5.14 or newer is needed'],
    ['fsmount', 'EXDEV', 'only a part of the cgroup hierarchy can be seen from here (--cgroupns=host)'],
    ['fsopen', 'ENODEV', 'this kernel has no cgroup v2'],
  ];
  for (const [syscall, errno, line] of cases) {
    it(`is said of ${syscall} ${errno}`, () => {
      assert.equal(adviseOn(new AppError('ERR_SYSCALL', `${syscall}: ${errno}`, { syscall, errno })), line);
    });
  }

  it('is the verifier’s reason where a program is refused', () => {
    const message = 'bpf(2), program nuncio_connect4: EINVAL: unknown func unknown#122';
    assert.equal(
      adviseOn(new AppError('ERR_SYSCALL', message, { syscall: 'bpf', errno: 'EINVAL' })),
      message,
    );
    const denied = new AppError('ERR_SYSCALL', 'bpf(2), attaching connect4: EPERM', {
      syscall: 'bpf',
      errno: 'EPERM',
    });
    assert.equal(
      adviseOn(denied),
      'bpf(2), attaching connect4: EPERM (--cap-add SYS_ADMIN; with it, another program holds the hooks for itself)',
    );
    assert.equal(adviseOn(new Error('what else')), 'what else');
  });
});

describe('describePath', () => {
  it('says why it is the proxy', () => {
    assert.equal(describePath({ kind: 'kernel' }), 'kernel');
    assert.equal(describePath(byProxy('leastconn')), 'proxy (leastconn)');
    assert.equal(describePath(byProxy('')), 'proxy');
  });
});
