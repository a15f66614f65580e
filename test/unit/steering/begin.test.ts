import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '../../../src/core/errors.ts';
import { PartStack } from '../../../src/core/part.ts';
import { adviseOn, beginSteering } from '../../../src/steering/begin.ts';
import { RecordingLogger } from '../../support/recording-logger.ts';

const bpfFailed = (errno: string, message = `bpf(2), what: ${errno}`) =>
  new AppError('ERR_SYSCALL', message, { syscall: 'bpf', errno });

describe('what is missing', () => {
  const old = 'bpf(2), program nuncio_steer: EACCES: invalid bpf_context access off=64 size=4';
  const cases: readonly [what: string, thrown: unknown, line: string][] = [
    [
      'a capability',
      bpfFailed('EPERM'),
      'programs may not be loaded (--cap-add BPF; before Docker 23, SYS_ADMIN)',
    ],
    ['the system call', bpfFailed('ENOSYS'), 'this kernel has no bpf(2)'],
    ['the kind of program', bpfFailed('EINVAL'), 'Linux 5.17 or newer is needed (bpf(2), what: EINVAL)'],
    ['a field of it', bpfFailed('EACCES', old), `Linux 5.17 or newer is needed (${old})`],
    ['memory', bpfFailed('ENOMEM'), 'bpf(2), what: ENOMEM'],
    ['a proof', new AppError('ERR_RULES', 'not led to the proxy'), 'not led to the proxy'],
    ['something else', new Error('what else'), 'what else'],
  ];
  for (const [what, thrown, line] of cases) {
    it(`is said in one line: ${what}`, () => assert.equal(adviseOn(thrown), line));
  }
});

it('a data plane without a listening socket to give away cannot be steered to', async () => {
  const logger = new RecordingLogger();
  const parts = new PartStack();
  const options = { proxyPort: 10_000, exceptPorts: [], listener: undefined, logger, parts };
  assert.equal(await beginSteering(options), 'only the data plane in worker threads can be steered to');
  assert.deepEqual(logger.lines, []);
});
