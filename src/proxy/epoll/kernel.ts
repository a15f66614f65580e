import { type Epoll, everyEdge } from '../../sys/epoll.ts';
import type { Pipes } from '../../sys/pipes.ts';
import type { Sockets } from '../../sys/sockets.ts';
import type { Ledger } from './ledger.ts';

/** A pipe's two descriptors and how many bytes it has room for. */
export interface Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
  readonly size: number;
}

/**
 * What connections need of the kernel. Every call returns what the system call returns, or the error's number below zero.
 * The tests have one of their own, which fails on demand.
 */
export interface Kernel
  extends Pick<
    Sockets,
    | 'address'
    | 'addressLength'
    | 'accept'
    | 'open'
    | 'connect'
    | 'recv'
    | 'send'
    | 'shutdownWrite'
    | 'close'
    | 'reset'
    | 'takeError'
    | 'waiting'
    | 'originalDestination'
    | 'ownAddress'
    | 'setNoDelay'
    | 'setKeepAlive'
    | 'delayAcknowledgement'
  > {
  /** Undefined where there are no files or no pages left. */
  openPipe(): Pipe | undefined;
  splice: Pipes['splice'];
  /** Begins to tell of every edge of a socket; `close` ends that. */
  watch(fd: number, generation: number): number;
  /** Ends that for a descriptor that stays open. */
  unwatch(fd: number): number;
}

/** What a pipe is asked to hold, bytes: the most that an unprivileged process may have (pipe(7), pipe-max-size). */
const pipeBytes = 1024 * 1024;

export interface KernelParts {
  readonly sockets: Sockets;
  readonly pipes: Pipes;
  readonly epoll: Epoll;
  /** Whatever this thread opens is written down there until it is closed. */
  readonly ledger: Ledger;
}

/** The real kernel, through FFI. */
export function makeKernel({ sockets, pipes, epoll, ledger }: KernelParts): Kernel {
  const opened = (fd: number) => {
    if (fd >= 0) ledger.opened(fd);
    return fd;
  };
  return {
    address: sockets.address,
    get addressLength() {
      return sockets.addressLength;
    },
    accept: (listener) => opened(sockets.accept(listener)),
    open: (family) => opened(sockets.open(family)),
    connect: sockets.connect,
    recv: sockets.recv,
    send: sockets.send,
    shutdownWrite: sockets.shutdownWrite,
    close(fd) {
      ledger.closing(fd);
      return sockets.close(fd);
    },
    reset(fd) {
      ledger.closing(fd);
      return sockets.reset(fd);
    },
    takeError: sockets.takeError,
    waiting: sockets.waiting,
    originalDestination: sockets.originalDestination,
    ownAddress: sockets.ownAddress,
    setNoDelay: sockets.setNoDelay,
    setKeepAlive: sockets.setKeepAlive,
    delayAcknowledgement: sockets.delayAcknowledgement,
    openPipe() {
      if (pipes.open() < 0) return undefined;
      const [readEnd = -1, writeEnd = -1] = pipes.ends;
      opened(readEnd);
      opened(writeEnd);
      const size = pipes.resize(writeEnd, pipeBytes);
      return { readEnd, writeEnd, size: size < 0 ? defaultPipeBytes : size };
    },
    splice: pipes.splice,
    watch: (fd, generation) => epoll.add(fd, everyEdge, generation),
    unwatch: epoll.remove,
  };
}

/** pipe(7): what a pipe holds unless told otherwise. */
const defaultPipeBytes = 65_536;
