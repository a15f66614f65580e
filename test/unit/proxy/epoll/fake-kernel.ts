import type { Kernel, Pipe } from '../../../../src/proxy/epoll/kernel.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '../../../../src/sys/epoll.ts';
import { errnos } from '../../../../src/sys/sockets.ts';

const { EAGAIN, EBADF, ECONNREFUSED, ECONNRESET, EINPROGRESS, EMFILE, EPIPE } = errnos;

/** What one side of a connection sees of the other: a peer that the test plays. */
export interface FakeSocket {
  readonly fd: number;
  state: 'connecting' | 'open' | 'failed';
  /** Bytes that the peer has sent and nobody has read. */
  inbox: number[];
  hasPeerEnded: boolean;
  /** An error that waits to be read. */
  error: number;
  /** Bytes that the peer will get. */
  readonly sent: number[];
  /** Room for more of them. */
  room: number;
  /** Whether a write has found too little room: only then the kernel tells when there is more (SOCK_NOSPACE). */
  wantsRoom: boolean;
  hasShutDown: boolean;
  end: 'open' | 'closed' | 'reset';
  generation: number;
  pending: number;
}

interface FakePipe {
  bytes: number[];
  openEnds: number;
}

/** Decides for each call: undefined lets it do its work, a number is the error. */
export type Fault = (call: string) => number | undefined;

/**
 * A kernel whose sockets have peers that the test plays. Calls may be short or fail at the test's will; descriptors are
 * given out lowest first as the real one does, and each misuse of one (closed twice, used after close) is an error at once.
 */
export class FakeKernel implements Kernel {
  readonly address = Buffer.alloc(28);
  addressLength = 16;
  readonly sockets = new Map<number, FakeSocket>();
  readonly #pipes = new Map<number, FakePipe>();
  readonly accepts: number[] = [];
  readonly misuse: string[] = [];
  /** The most that one read or write moves. */
  most = Number.POSITIVE_INFINITY;
  fault: Fault = () => undefined;
  /** Called for each socket that connects. */
  onConnect: (socket: FakeSocket) => void = () => {};

  get openDescriptors(): number {
    return this.sockets.size + this.#pipes.size;
  }

  newSocket(state: FakeSocket['state']): FakeSocket {
    const socket: FakeSocket = {
      fd: this.#lowestFree(),
      state,
      inbox: [],
      hasPeerEnded: false,
      error: 0,
      sent: [],
      room: 64,
      wantsRoom: false,
      hasShutDown: false,
      end: 'open',
      generation: 0,
      pending: 0,
    };
    this.sockets.set(socket.fd, socket);
    return socket;
  }

  // What the peer does.

  peerSends(socket: FakeSocket, bytes: readonly number[]): void {
    if (socket.hasPeerEnded || socket.error !== 0) return;
    socket.inbox.push(...bytes);
    this.#edge(socket, EPOLLIN);
  }

  peerEnds(socket: FakeSocket): void {
    if (socket.error !== 0) return;
    socket.hasPeerEnded = true;
    this.#edge(socket, EPOLLIN | EPOLLRDHUP | (socket.hasShutDown ? EPOLLHUP : 0));
  }

  peerResets(socket: FakeSocket): void {
    socket.error = ECONNRESET;
    socket.hasPeerEnded = true;
    this.#edge(socket, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP);
  }

  peerReads(socket: FakeSocket, bytes: number): void {
    socket.room += bytes;
    if (socket.wantsRoom && bytes > 0) this.#edge(socket, EPOLLOUT);
    if (bytes > 0) socket.wantsRoom = false;
  }

  peerAccepts(socket: FakeSocket): void {
    if (socket.state !== 'connecting') return;
    socket.state = 'open';
    this.#edge(socket, EPOLLOUT);
  }

  peerRefuses(socket: FakeSocket): void {
    if (socket.state !== 'connecting') return;
    socket.state = 'failed';
    socket.error = ECONNREFUSED;
    this.#edge(socket, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP);
  }

  /** The edges since the last call, in the order of their descriptors, with the generation each was registered with. */
  takeEvents(): { readonly fd: number; readonly generation: number; readonly events: number }[] {
    const told = [...this.sockets.values()].filter(
      ({ pending, generation }) => pending !== 0 && generation !== 0,
    );
    return told.map((socket) => {
      const { fd, generation, pending } = socket;
      socket.pending = 0;
      return { fd, generation, events: pending };
    });
  }

  // The calls.

  accept(): number {
    const failed = this.fault('accept');
    if (failed !== undefined) return -failed;
    return this.accepts.shift() ?? -EAGAIN;
  }

  open(): number {
    const failed = this.fault('open');
    return failed === undefined ? this.newSocket('connecting').fd : -failed;
  }

  connect(fd: number): number {
    const socket = this.#of(fd, 'connect');
    const failed = this.fault('connect');
    if (socket === undefined || failed !== undefined) return -(failed ?? EBADF);
    this.onConnect(socket);
    return -EINPROGRESS;
  }

  recv(fd: number, into: Buffer, size: number): number {
    const got = this.#read(fd, size, 'recv');
    if (typeof got === 'number') return got;
    into.set(got);
    return got.length;
  }

  send(fd: number, from: Buffer, size: number): number {
    return this.#write(fd, [...from.subarray(0, size)], 'send');
  }

  splice(from: number, to: number, bytes: number): number {
    const source = this.#pipes.get(from);
    if (source !== undefined) {
      const sent = this.#write(to, source.bytes.slice(0, bytes), 'splice');
      if (sent > 0) source.bytes.splice(0, sent);
      return sent;
    }
    const target = this.#pipes.get(to);
    if (target === undefined) {
      this.misuse.push(`splice to ${to}`);
      return -EBADF;
    }
    if (target.bytes.length > 0) this.misuse.push('a pipe is filled that is not empty');
    const got = this.#read(from, Math.min(bytes, 32), 'splice');
    if (typeof got === 'number') return got;
    target.bytes.push(...got);
    return got.length;
  }

  shutdownWrite(fd: number): number {
    const socket = this.#of(fd, 'shutdown');
    if (socket === undefined) return -EBADF;
    if (socket.hasShutDown) this.misuse.push(`shutdown of ${fd} twice`);
    socket.hasShutDown = true;
    if (socket.hasPeerEnded) this.#edge(socket, EPOLLHUP);
    return 0;
  }

  close(fd: number): number {
    return this.#close(fd, 'closed');
  }

  reset(fd: number): number {
    return this.#close(fd, 'reset');
  }

  takeError(fd: number): number {
    const socket = this.#of(fd, 'getsockopt');
    const error = socket?.error ?? EBADF;
    if (socket !== undefined) socket.error = 0;
    return error;
  }

  waiting(fd: number): number {
    return this.#of(fd, 'ioctl')?.inbox.length ?? -EBADF;
  }

  originalDestination(fd: number): number {
    return this.ownAddress(fd);
  }

  ownAddress(fd: number): number {
    const failed = this.fault('ownAddress');
    return failed === undefined ? (this.#of(fd, 'getsockname') === undefined ? -EBADF : 0) : -failed;
  }

  setNoDelay(fd: number): number {
    return this.#of(fd, 'setsockopt') === undefined ? -EBADF : 0;
  }

  setKeepAlive(fd: number): number {
    return this.setNoDelay(fd);
  }

  delayAcknowledgement(fd: number): number {
    return this.setNoDelay(fd);
  }

  openPipe(): Pipe | undefined {
    if (this.fault('openPipe') !== undefined) return undefined;
    const pipe: FakePipe = { bytes: [], openEnds: 2 };
    const readEnd = this.#lowestFree();
    this.#pipes.set(readEnd, pipe);
    const writeEnd = this.#lowestFree();
    this.#pipes.set(writeEnd, pipe);
    return { readEnd, writeEnd, size: 32 };
  }

  watch(fd: number, generation: number): number {
    const failed = this.fault('watch');
    if (failed !== undefined) return -failed;
    const socket = this.#of(fd, 'epoll_ctl');
    if (socket === undefined) return -EBADF;
    socket.generation = generation;
    // What is so already is told as the first edge.
    if (socket.inbox.length > 0) this.#edge(socket, EPOLLIN);
    if (socket.hasPeerEnded) this.#edge(socket, EPOLLIN | EPOLLRDHUP);
    if (socket.error !== 0) this.#edge(socket, EPOLLIN | EPOLLERR | EPOLLHUP);
    if (socket.state !== 'connecting' && socket.room > 0) this.#edge(socket, EPOLLOUT);
    return 0;
  }

  unwatch(): number {
    return 0;
  }

  #edge(socket: FakeSocket, events: number): void {
    socket.pending |= events;
  }

  #of(fd: number, call: string): FakeSocket | undefined {
    const socket = this.sockets.get(fd);
    if (socket === undefined) this.misuse.push(`${call} of ${fd}, which is no open socket`);
    return socket;
  }

  #read(fd: number, size: number, call: string): number[] | number {
    const socket = this.#of(fd, call);
    if (socket === undefined) return -EBADF;
    const failed = this.fault(call);
    if (failed !== undefined) return this.#failed(socket, failed);
    if (socket.inbox.length > 0) {
      // A read that was cut short by the test says "empty" to whoever trusts short reads: the real kernel does not do
      // that, so what is left is a new edge. After a FIN there is none, so nothing is cut short.
      const got = socket.inbox.splice(0, socket.hasPeerEnded ? size : Math.min(size, this.most));
      if (socket.inbox.length > 0) this.#edge(socket, EPOLLIN);
      return got;
    }
    if (socket.error !== 0) {
      const { error } = socket;
      socket.error = 0;
      return -error;
    }
    return socket.hasPeerEnded ? [] : -EAGAIN;
  }

  #write(fd: number, bytes: readonly number[], call: string): number {
    const socket = this.#of(fd, call);
    if (socket === undefined) return -EBADF;
    if (socket.state === 'connecting') this.misuse.push(`${call} to ${fd} before it is connected`);
    if (socket.hasShutDown) this.misuse.push(`${call} to ${fd} after its FIN`);
    const failed = this.fault(call);
    if (failed !== undefined) return this.#failed(socket, failed);
    if (socket.error !== 0) {
      const { error } = socket;
      socket.error = 0;
      return -error;
    }
    if (socket.hasShutDown) return -EPIPE;
    if (socket.room < bytes.length) socket.wantsRoom = true;
    if (socket.room === 0) return -EAGAIN;
    const taken = bytes.slice(0, Math.min(socket.room, this.most));
    socket.sent.push(...taken);
    socket.room -= taken.length;
    return taken.length;
  }

  /** EAGAIN at the test's will: the real kernel then tells of an edge some time later. */
  #failed(socket: FakeSocket, errno: number): number {
    if (errno === EAGAIN) this.#edge(socket, EPOLLIN | EPOLLOUT);
    return -errno;
  }

  #close(fd: number, end: 'closed' | 'reset'): number {
    const pipe = this.#pipes.get(fd);
    if (pipe !== undefined) {
      this.#pipes.delete(fd);
      pipe.openEnds--;
      return 0;
    }
    const socket = this.#of(fd, 'close');
    if (socket === undefined) return -EBADF;
    socket.end = end;
    this.sockets.delete(fd);
    return 0;
  }

  #lowestFree(): number {
    let fd = 3;
    while (this.sockets.has(fd) || this.#pipes.has(fd)) fd++;
    return fd;
  }
}

export const outOfFiles = EMFILE;
