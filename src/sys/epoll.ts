import { AppError } from '../core/errors.ts';
import { errnoName } from './libc.ts';
import { loadLibrary } from './library.ts';

/** linux/eventpoll.h, linux/eventfd.h */
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
export const EPOLLIN = 0x1;
export const EPOLLPRI = 0x2;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
const EPOLLET = 0x80000000 | 0;

/** Every change of a stream, each told once. */
export const everyEdge = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/**
 * struct epoll_event is packed to 12 bytes on x86 (linux/eventpoll.h, EPOLL_PACKED), and has 4 bytes of padding after
 * the events elsewhere. In 32-bit words: the size of one, and where its 64 bits of data begin.
 */
const layout =
  process.arch === 'x64' || process.arch === 'ia32' ? { words: 3, data: 1 } : { words: 4, data: 2 };

/** One epoll set and the eventfd that wakes its thread. Calls return 0 or more, or the error's number below zero. */
export interface Epoll {
  readonly fd: number;
  /** What the last `wait` brought, for the index 0 up to what it returned. */
  eventsAt(index: number): number;
  /** The two halves of the data that `add` was given. */
  fdAt(index: number): number;
  generationAt(index: number): number;
  /**
   * @param generation comes back with each event, so that one of a descriptor's earlier life is known as such
   */
  add(fd: number, events: number, generation: number): number;
  remove(fd: number): number;
  /** @param timeoutMs rounded up; 0 returns at once */
  wait(timeoutMs: number): number;
}

const consequence = 'connections cannot be carried in worker threads without it';

/**
 * @param most events that one wait brings
 * @throws AppError ERR_CANNOT_START where libc cannot be called on this platform; ERR_SYSCALL
 */
export async function loadEpoll(most: number): Promise<Epoll> {
  const { koffi, library } = await loadLibrary(consequence);
  const create = library.func('int epoll_create1(int flags)');
  const control = library.func('int epoll_ctl(int epoll, int operation, int fd, int *event)');
  const epollWait = library.func('int epoll_wait(int epoll, int *events, int most, int timeoutMs)');
  const epoll: number = create(EPOLL_CLOEXEC);
  if (epoll < 0) throw callFailed('epoll_create1', koffi.errno());
  const events = new Int32Array(most * layout.words);
  const event = new Int32Array(layout.words);
  return {
    fd: epoll,
    eventsAt: (index) => events[index * layout.words] ?? 0,
    fdAt: (index) => events[index * layout.words + layout.data] ?? -1,
    generationAt: (index) => events[index * layout.words + layout.data + 1] ?? -1,
    add(fd, wanted, generation) {
      event[0] = wanted;
      event[layout.data] = fd;
      event[layout.data + 1] = generation;
      return control(epoll, EPOLL_CTL_ADD, fd, event) < 0 ? -koffi.errno() : 0;
    },
    remove: (fd) => (control(epoll, EPOLL_CTL_DEL, fd, event) < 0 ? -koffi.errno() : 0),
    wait(timeoutMs) {
      const ready: number = epollWait(epoll, events, most, Math.ceil(timeoutMs));
      return ready < 0 ? -koffi.errno() : ready;
    },
  };
}

/** An eventfd: a number that wakes whoever waits for it. */
export interface WakeUp {
  readonly fd: number;
  /** From any thread. */
  ring(): void;
  /** Takes what has rung; in the thread that waits. */
  silence(): void;
}

/**
 * @param fd an eventfd that another thread has made; absent: a new one
 * @throws AppError ERR_CANNOT_START, ERR_SYSCALL
 */
export async function loadWakeUp(fd?: number): Promise<WakeUp> {
  const { koffi, library } = await loadLibrary(consequence);
  const eventfd = library.func('int eventfd(uint32_t initial, int flags)');
  const read = library.func('long read(int fd, uint8_t *buffer, size_t size)');
  const write = library.func('long write(int fd, uint8_t *buffer, size_t size)');
  const own: number = fd ?? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (own < 0) throw callFailed('eventfd', koffi.errno());
  const taken = Buffer.alloc(8);
  const one = Buffer.from(new BigUint64Array([1n]).buffer);
  return { fd: own, ring: () => void write(own, one, 8), silence: () => void read(own, taken, 8) };
}

function callFailed(syscall: string, number: number): AppError {
  const errno = errnoName(number);
  return new AppError('ERR_SYSCALL', `${syscall}: ${errno}`, { errno, syscall });
}
