import { constants } from 'node:os';
import { loadLibrary } from './library.ts';
import { sockaddrSize } from './sockaddr.ts';

/** asm-generic/socket.h, linux/net.h, linux/tcp.h, linux/socket.h, asm-generic/ioctls.h */
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_KEEPALIVE = 9;
const SO_LINGER = 13;
const SO_REUSEPORT = 15;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_QUICKACK = 12;
const IPV6_V6ONLY = 26;
const SO_ORIGINAL_DST = 80;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
const SHUT_RD = 0;
const SHUT_WR = 1;
const FIONREAD = 0x541b;

/** Keepalive probes after the first, as libuv sets them: one a second, ten of them. */
const keepAliveIntervalS = 1;
const keepAliveProbes = 10;

/**
 * TCP sockets by descriptor, non-blocking and close-on-exec. Every call returns what the system call returns, or the
 * error's number below zero (-11 is EAGAIN). Nothing is allocated on the way; addresses go through `address`.
 */
export interface Sockets {
  /** Where `accept`, `originalDestination` and `ownAddress` put a struct sockaddr, and `addressLength` its bytes. */
  readonly address: Buffer;
  readonly addressLength: number;
  /** accept4(2); the peer's address is in `address`. */
  accept(listener: number): number;
  /** @param family AF_INET or AF_INET6 */
  open(family: number): number;
  bind(fd: number, sockaddr: Buffer): number;
  listen(fd: number, backlog: number): number;
  /** -EINPROGRESS where the handshake goes on. */
  connect(fd: number, sockaddr: Buffer): number;
  recv(fd: number, into: Buffer, size: number): number;
  /** @param isMoreToCome holds a packet that is not full back for what follows: only where something surely does */
  send(fd: number, from: Buffer, size: number, isMoreToCome: boolean): number;
  /** Ends our direction of the stream: FIN. */
  shutdownWrite(fd: number): number;
  /** Ends the listening of a socket without closing it: callers are refused from now on. */
  shutdownListener(fd: number): number;
  close(fd: number): number;
  /** Closes with RST in place of FIN. */
  reset(fd: number): number;
  /** SO_ERROR, which is thereby cleared: an error's number above zero, or 0. */
  takeError(fd: number): number;
  /** Bytes that could be read now. */
  waiting(fd: number): number;
  /** SO_ORIGINAL_DST into `address`. @param level SOL_IP (0), also for an IPv4 peer of an IPv6 socket, or SOL_IPV6 (41) */
  originalDestination(fd: number, level: number): number;
  /** getsockname(2) into `address`. */
  ownAddress(fd: number): number;
  /** A listener's options pass to what it accepts. */
  setNoDelay(fd: number): number;
  /** @param idleS silence before the first probe, seconds */
  setKeepAlive(fd: number, idleS: number): number;
  setReuseAddress(fd: number): number;
  setReusePort(fd: number): number;
  setV6Only(fd: number, isOnly: boolean): number;
  /** Lets the acknowledgement of a handshake wait for the first data: before `connect`, where data is there already. */
  delayAcknowledgement(fd: number): number;
}

const consequence = 'connections cannot be carried in worker threads without it';

/** @throws AppError ERR_CANNOT_START where libc cannot be called on this platform */
export async function loadSockets(): Promise<Sockets> {
  const { koffi, library } = await loadLibrary(consequence);
  const errno = () => -koffi.errno();
  const accept4 = library.func('int accept4(int fd, uint8_t *address, uint32_t *length, int flags)');
  const socket = library.func('int socket(int family, int type, int protocol)');
  const bind = library.func('int bind(int fd, uint8_t *address, uint32_t length)');
  const listen = library.func('int listen(int fd, int backlog)');
  const connect = library.func('int connect(int fd, uint8_t *address, uint32_t length)');
  const recv = library.func('long recv(int fd, uint8_t *buffer, size_t size, int flags)');
  const send = library.func('long send(int fd, uint8_t *buffer, size_t size, int flags)');
  const shutdown = library.func('int shutdown(int fd, int how)');
  const close = library.func('int close(int fd)');
  const ioctl = library.func('int ioctl(int fd, unsigned long request, int *value)');
  const getsockname = library.func('int getsockname(int fd, uint8_t *address, uint32_t *length)');
  const getsockopt = library.func(
    'int getsockopt(int fd, int level, int option, uint8_t *value, uint32_t *length)',
  );
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int option, int *value, uint32_t length)',
  );

  const address = Buffer.alloc(sockaddrSize[6]);
  const length = new Uint32Array(1);
  const value = new Int32Array(1);
  const valueBytes = Buffer.from(value.buffer);
  const result = (returned: number) => (returned < 0 ? errno() : returned);
  const set = (fd: number, level: number, option: number, to: number) => {
    value[0] = to;
    return setsockopt(fd, level, option, value, 4) < 0 ? errno() : 0;
  };
  /** struct linger: on, 0 seconds. */
  const lingerNever = new Int32Array([1, 0]);

  return {
    address,
    get addressLength() {
      return length[0] ?? 0;
    },
    accept(listener) {
      length[0] = address.length;
      const fd: number = accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
      return fd < 0 ? errno() : fd;
    },
    open: (family) => result(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
    bind: (fd, sockaddr) => result(bind(fd, sockaddr, sockaddr.length)),
    listen: (fd, backlog) => result(listen(fd, backlog)),
    connect: (fd, sockaddr) => result(connect(fd, sockaddr, sockaddr.length)),
    recv(fd, into, size) {
      const got: number = recv(fd, into, size, 0);
      return got < 0 ? errno() : got;
    },
    send(fd, from, size, isMoreToCome) {
      const sent: number = send(fd, from, size, isMoreToCome ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL);
      return sent < 0 ? errno() : sent;
    },
    shutdownWrite: (fd) => result(shutdown(fd, SHUT_WR)),
    shutdownListener: (fd) => result(shutdown(fd, SHUT_RD)),
    close: (fd) => result(close(fd)),
    reset(fd) {
      setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerNever, 8);
      return result(close(fd));
    },
    takeError(fd) {
      length[0] = 4;
      return getsockopt(fd, SOL_SOCKET, SO_ERROR, valueBytes, length) < 0 ? koffi.errno() : (value[0] ?? 0);
    },
    waiting: (fd) => (ioctl(fd, FIONREAD, value) < 0 ? errno() : (value[0] ?? 0)),
    originalDestination(fd, level) {
      length[0] = level === 0 ? sockaddrSize[4] : sockaddrSize[6];
      return result(getsockopt(fd, level, SO_ORIGINAL_DST, address, length));
    },
    ownAddress(fd) {
      length[0] = address.length;
      return result(getsockname(fd, address, length));
    },
    setNoDelay: (fd) => set(fd, IPPROTO_TCP, TCP_NODELAY, 1),
    setKeepAlive(fd, idleS) {
      const failed = set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
      if (failed < 0) return failed;
      set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idleS);
      set(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepAliveIntervalS);
      return set(fd, IPPROTO_TCP, TCP_KEEPCNT, keepAliveProbes);
    },
    setReuseAddress: (fd) => set(fd, SOL_SOCKET, SO_REUSEADDR, 1),
    setReusePort: (fd) => set(fd, SOL_SOCKET, SO_REUSEPORT, 1),
    setV6Only: (fd, isOnly) => set(fd, IPPROTO_IPV6, IPV6_V6ONLY, isOnly ? 1 : 0),
    delayAcknowledgement: (fd) => set(fd, IPPROTO_TCP, TCP_QUICKACK, 0),
  };
}

/** The numbers of errors by name, for what looks at them. */
export const errnos = constants.errno;
