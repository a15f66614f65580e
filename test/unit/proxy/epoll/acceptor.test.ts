/** Cause: without a descriptor to accept with, a caller waits in the kernel's queue for as long as it likes to. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Acceptor } from '../../../../src/proxy/epoll/acceptor.ts';
import { Counters, makeCounterMemory } from '../../../../src/proxy/epoll/counters.ts';
import { Reports } from '../../../../src/proxy/epoll/reports.ts';
import { TimerWheel } from '../../../../src/proxy/epoll/timers.ts';
import { Watches } from '../../../../src/proxy/epoll/watches.ts';
import { errnos } from '../../../../src/sys/sockets.ts';
import { FakeKernel } from './fake-kernel.ts';

function makeBed() {
  const kernel = new FakeKernel();
  const clock = { now: 0 };
  const timers = new TimerWheel(0);
  const reports = new Reports({ front: 1, logsInfo: true }, new Counters(makeCounterMemory(1), 1), clock);
  const accepted: number[] = [];
  let shed = 0;
  let turns = 0;
  const listener = kernel.newSocket('open');
  const acceptor = new Acceptor(listener.fd, {
    kernel,
    watches: new Watches(kernel),
    timers,
    clock,
    reports,
    runAgain: () => void turns++,
    onAccepted: (fd) => void accepted.push(fd),
    onShed: () => void shed++,
  });
  acceptor.begin();
  const queue = (count: number) => {
    const waiting = Array.from({ length: count }, () => kernel.newSocket('open'));
    kernel.accepts.push(...waiting.map(({ fd }) => fd));
    return waiting;
  };
  return { kernel, clock, timers, reports, accepted, acceptor, queue, counts: () => ({ shed, turns }) };
}

describe('accepting', () => {
  it('takes what waits, a bounded number in one turn', () => {
    const { acceptor, accepted, queue, counts } = makeBed();
    queue(100);
    acceptor.onEdge();
    assert.equal(accepted.length, 64);
    assert.equal(counts().turns, 1);
    acceptor.pump();
    assert.equal(accepted.length, 100);
    assert.equal(counts().turns, 1);
  });

  it('goes on after a caller that has gone meanwhile', () => {
    const { kernel, acceptor, accepted, queue } = makeBed();
    queue(1);
    let calls = 0;
    kernel.fault = (call) => (call === 'accept' && calls++ === 0 ? errnos.ECONNABORTED : undefined);
    acceptor.onEdge();
    assert.equal(accepted.length, 1);
  });

  it('resets callers by a spare descriptor where no file is left, says it once, and then accepts again', () => {
    const { kernel, acceptor, accepted, queue, counts, reports } = makeBed();
    const waiting = queue(3);
    // Every second accept finds the descriptor that was given up.
    let calls = 0;
    kernel.fault = (call) =>
      call === 'accept' && calls++ % 2 === 0 && calls < 6 ? errnos.EMFILE : undefined;
    acceptor.onEdge();
    assert.deepEqual(
      waiting.map(({ end }) => end),
      ['reset', 'reset', 'reset'],
    );
    assert.equal(counts().shed, 3);
    const told = reports.take().lines;
    assert.equal(told.length, 1);
    assert.match(told[0]?.message ?? '', /limit of open files .* callers are reset/);
    kernel.fault = () => undefined;
    queue(1);
    acceptor.onEdge();
    assert.equal(accepted.length, 1);
    assert.deepEqual(kernel.misuse, []);
  });

  it('pauses where nothing helps, and tries again by itself', () => {
    const { kernel, acceptor, accepted, queue, clock, timers } = makeBed();
    queue(1);
    kernel.fault = (call) => (call === 'accept' ? errnos.ENOMEM : undefined);
    acceptor.onEdge();
    assert.equal(accepted.length, 0);
    kernel.fault = () => undefined;
    clock.now = 3000;
    timers.advance(clock.now, (entry) => entry.onDeadline());
    assert.equal(accepted.length, 1);
  });

  it('leaves the listening socket to its opener when it stops, and nothing else behind', () => {
    const { kernel, acceptor } = makeBed();
    acceptor.stop();
    acceptor.stop();
    assert.equal(kernel.openDescriptors, 1);
    assert.deepEqual(kernel.misuse, []);
  });
});
