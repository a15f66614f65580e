/** The states of a connection against random orders of events, on a kernel whose peers the test plays. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { errnos } from '../../../../src/sys/sockets.ts';
import { ConnectionBed } from './connection-bed.ts';
import type { FakeSocket } from './fake-kernel.ts';

/** What each peer has said so far: consecutive numbers, so that order and loss show. */
class Peer {
  readonly said: number[] = [];
  hasEnded = false;
  hasReset = false;

  says(count: number): number[] {
    const bytes = Array.from({ length: count }, (_, index) => (this.said.length + index) % 251);
    this.said.push(...bytes);
    return bytes;
  }
}

type Step =
  | { do: 'send' | 'read'; who: 'caller' | 'endpoint'; bytes: number }
  | { do: 'end' | 'reset'; who: 'caller' | 'endpoint' }
  | { do: 'accept' | 'refuse' | 'round' }
  | { do: 'most'; bytes: number }
  | { do: 'pass'; ms: number }
  | { do: 'replay'; index: number }
  | { do: 'fault'; call: string; errno: number };

const who = fc.constantFrom<'caller' | 'endpoint'>('caller', 'endpoint');
const soft = [errnos.EAGAIN, errnos.EINTR];
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('send' as const), who, bytes: fc.integer({ min: 1, max: 60 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('read' as const), who, bytes: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), who }) },
  { weight: 3, arbitrary: fc.constant({ do: 'accept' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'refuse' as const }) },
  { weight: 8, arbitrary: fc.constant({ do: 'round' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('most' as const), bytes: fc.integer({ min: 1, max: 20 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 1500 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replay' as const), index: fc.nat(50) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      call: fc.constantFrom('recv', 'send', 'splice', 'openPipe'),
      errno: fc.constantFrom(...soft),
    }),
  },
);

/** Whether `received` is how `said` begins. */
const isBeginning = (received: readonly number[], said: readonly number[]) =>
  received.length <= said.length && received.every((byte, index) => byte === said[index]);

class Model {
  readonly bed = new ConnectionBed();
  readonly caller = new Peer();
  /** One for each endpoint that was dialled. */
  readonly #endpoints = new Map<FakeSocket, Peer>();

  constructor() {
    this.bed.connection.begin();
  }

  take(step: Step): void {
    const { kernel } = this.bed;
    switch (step.do) {
      case 'send':
        this.#with(step.who, (socket, peer) => {
          if (!peer.hasEnded) kernel.peerSends(socket, peer.says(step.bytes));
        });
        break;
      case 'read':
        this.#with(step.who, (socket) => kernel.peerReads(socket, step.bytes));
        break;
      case 'end':
        this.#with(step.who, (socket, peer) => {
          peer.hasEnded = true;
          kernel.peerEnds(socket);
        });
        break;
      case 'reset':
        this.#with(step.who, (socket, peer) => {
          peer.hasEnded = true;
          peer.hasReset = true;
          kernel.peerResets(socket);
        });
        break;
      case 'accept':
        if (this.bed.endpoint !== undefined && kernel.sockets.has(this.bed.endpoint.fd)) {
          kernel.peerAccepts(this.bed.endpoint);
        }
        return;
      case 'refuse':
        if (this.bed.endpoint !== undefined) kernel.peerRefuses(this.bed.endpoint);
        return;
      case 'round':
        this.bed.round();
        break;
      case 'most':
        kernel.most = step.bytes;
        return;
      case 'pass':
        this.bed.pass(step.ms);
        break;
      case 'replay':
        this.bed.replay(step.index);
        break;
      case 'fault': {
        let isDue = true;
        kernel.fault = (call) => {
          if (!isDue || call !== step.call) return undefined;
          isDue = false;
          return step.errno;
        };
      }
    }
  }

  check(): void {
    const { kernel, pipes, connection, isServed } = this.bed;
    assert.deepEqual(kernel.misuse, []);
    const { endpoint: socket } = this.bed;
    const endpoint = this.#peerOf(socket);
    const arrived = socket?.sent ?? [];
    assert.ok(isBeginning(arrived, this.caller.said), 'what the endpoint gets is what the caller said');
    assert.ok(isBeginning(this.bed.caller.sent, endpoint.said), 'and the other way');
    const hasReset = this.caller.hasReset || endpoint.hasReset;
    if (isServed === true && !hasReset && this.bed.clock.now === 0) {
      assert.deepEqual(arrived, this.caller.said, 'a connection that has ended lost nothing');
      assert.deepEqual(this.bed.caller.sent, endpoint.said);
      assert.ok(this.caller.hasEnded && endpoint.hasEnded, 'it ended because both have');
    }
    if (isServed !== undefined) {
      assert.equal(kernel.sockets.size, 0, 'a closed connection has no socket');
      for (const row of this.bed.traffic) assert.equal(row.active, 0);
    }
    if (isServed === undefined && socket?.state === 'open') {
      assert.ok(!hasReset, 'a reset has ended it');
      assert.deepEqual(arrived, this.caller.said, 'nothing is stuck on the way up');
      assert.deepEqual(this.bed.caller.sent, endpoint.said, 'nothing is stuck on the way down');
      assert.equal(socket.hasShutDown, this.caller.hasEnded, 'the end of the caller is passed on');
      assert.equal(this.bed.caller.hasShutDown, endpoint.hasEnded, 'the end of the endpoint, too');
    }
    pipes.trim();
    assert.equal(pipes.open, 0, 'no pipe is held by a connection at rest');
    if (isServed === undefined) connection.cutOff();
    assert.equal(kernel.openDescriptors, 0, 'nothing is open after the end');
    assert.deepEqual(kernel.misuse, []);
  }

  #with(side: 'caller' | 'endpoint', act: (socket: FakeSocket, peer: Peer) => void): void {
    const { kernel } = this.bed;
    const socket = side === 'caller' ? this.bed.caller : this.bed.endpoint;
    if (socket === undefined || !kernel.sockets.has(socket.fd) || kernel.sockets.get(socket.fd) !== socket)
      return;
    if (side === 'endpoint' && socket.state !== 'open') return;
    act(socket, side === 'caller' ? this.caller : this.#peerOf(socket));
  }

  #peerOf(socket: FakeSocket | undefined): Peer {
    const known = socket === undefined ? undefined : this.#endpoints.get(socket);
    const peer = known ?? new Peer();
    if (socket !== undefined) this.#endpoints.set(socket, peer);
    return peer;
  }

  /** Every endpoint that is dialled accepts, and both peers read everything. */
  settle(): void {
    for (let dials = 0; dials < 3; dials++) {
      const { endpoint, kernel } = this.bed;
      if (endpoint !== undefined && kernel.sockets.get(endpoint.fd) === endpoint)
        kernel.peerAccepts(endpoint);
      this.bed.settle();
    }
  }
}

describe('a connection', () => {
  it('loses nothing, stalls never and leaves nothing open, in whatever order things happen', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model = new Model();
        for (const each of steps) model.take(each);
        model.settle();
        model.check();
      }),
      { numRuns: 3000 },
    );
  });

  it('waits without a turn for a receiver that does not read', () => {
    const bed = new ConnectionBed();
    bed.connection.begin();
    const { kernel, caller, endpoint } = bed;
    assert.ok(endpoint);
    kernel.peerAccepts(endpoint);
    for (let count = 0; count < 50; count++) kernel.peerSends(caller, [count]);
    for (let round = 0; round < 50; round++) {
      kernel.peerSends(caller, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
      bed.round();
    }
    for (let round = 0; round < 5; round++) bed.round();
    assert.equal(endpoint.room, 0);
    assert.ok(caller.inbox.length > 500, 'and nothing more is read from the sender');
    assert.equal(bed.turns, 0);
  });

  for (const call of ['open', 'connect', 'watch', 'openPipe', 'recv', 'send', 'splice', 'ownAddress']) {
    it(`closes everything where ${call} has no file or memory left, at whichever call`, () => {
      for (let at = 0; at < 12; at++) {
        const [callerSays, endpointSays] = [new Peer(), new Peer()];
        let calls = 0;
        const failing = new ConnectionBed();
        failing.kernel.fault = (name) => (name === call && calls++ === at ? errnos.EMFILE : undefined);
        failing.connection.begin();
        for (let round = 0; round < 6; round++) {
          const { endpoint, kernel, caller } = failing;
          if (endpoint !== undefined && kernel.sockets.get(endpoint.fd) === endpoint) {
            kernel.peerAccepts(endpoint);
            kernel.peerReads(endpoint, 100);
            if (endpoint.state === 'open') kernel.peerSends(endpoint, endpointSays.says(40));
          }
          if (kernel.sockets.has(caller.fd)) {
            kernel.peerSends(caller, callerSays.says(40));
            kernel.peerReads(caller, 100);
          }
          failing.round();
        }
        failing.pass(20_000);
        if (failing.isServed === undefined) failing.connection.cutOff();
        failing.pipes.trim();
        assert.deepEqual(failing.kernel.misuse, []);
        assert.equal(failing.kernel.openDescriptors, 0, `${call}, call ${at}`);
      }
    });
  }
});
