import { readFile } from 'node:fs/promises';
import { AppError } from '../core/errors.ts';
import { errnoName } from './libc.ts';
import { loadLibrary } from './library.ts';

/** linux/socket.h, linux/netlink.h */
const AF_INET = 2;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const NETLINK_ROUTE = 0;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLMSG_ERROR = 2;
const NLA_F_NESTED = 0x8000;
/** linux/rtnetlink.h, linux/if_link.h, linux/ip.h */
const RTM_SETLINK = 19;
const IFLA_AF_SPEC = 26;
const IFLA_INET_CONF = 1;
const IPV4_DEVCONF_ROUTE_LOCALNET = 26;

const consequence =
  'connections to localhost cannot be led elsewhere without it: use the published image, or a platform that koffi has a binary for';

/** Whether packets from and to 127.0.0.0/8 may pass an interface of this network namespace. */
export interface RouteLocalnet {
  /** @throws the file system's error where there is no such interface */
  isOn(interfaceName: string): Promise<boolean>;
  /** @throws AppError ERR_SYSCALL: ENODEV without such an interface, EPERM without CAP_NET_ADMIN */
  set(interfaceName: string, isOn: boolean): void;
}

/**
 * The setting `net.ipv4.conf.<interface>.route_localnet`, read from /proc and set by netlink: /proc/sys is read-only in a
 * container, and AppArmor's profile for containers forbids writing there, while netlink asks for CAP_NET_ADMIN alone.
 *
 * @throws AppError ERR_CANNOT_START where libc cannot be called on this platform
 * Source: Linux net/ipv4/devinet.c, inet_set_link_af; rtnetlink(7), netlink(7)
 */
export async function loadRouteLocalnet(): Promise<RouteLocalnet> {
  const { koffi, library } = await loadLibrary(consequence);
  const nameToIndex = library.func('unsigned int if_nametoindex(const char *name)');
  const socket = library.func('int socket(int family, int type, int protocol)');
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int option, uint8_t *value, uint32_t size)',
  );
  const send = library.func('long send(int fd, uint8_t *bytes, unsigned long size, int flags)');
  const recv = library.func('long recv(int fd, _Out_ uint8_t *bytes, unsigned long size, int flags)');
  const close = library.func('int close(int fd)');
  const failed = (syscall: string, errno: number) => {
    const name = errnoName(errno);
    return new AppError('ERR_SYSCALL', `${syscall}: ${name}`, { errno: name, syscall });
  };

  return {
    isOn: async (name) =>
      (await readFile(`/proc/sys/net/ipv4/conf/${name}/route_localnet`, 'utf8')).trim() === '1',
    set(name, isOn) {
      const index: number = nameToIndex(name);
      if (index === 0) throw failed('if_nametoindex', koffi.errno());
      const fd: number = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
      if (fd < 0) throw failed('socket', koffi.errno());
      try {
        // The kernel answers before `send` returns; a second is for what nobody has thought of.
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, seconds(1), 16) !== 0) {
          throw failed('setsockopt', koffi.errno());
        }
        const request = setLinkRequest(index, isOn);
        if (send(fd, request, request.length, 0) < 0) throw failed('send', koffi.errno());
        const answer = Buffer.alloc(4096);
        const size = Number(recv(fd, answer, answer.length, 0));
        if (size < 0) throw failed('recv', koffi.errno());
        const errno = readAnswer(answer.subarray(0, size));
        if (errno !== 0) throw failed('RTM_SETLINK', errno);
      } finally {
        close(fd);
      }
    },
  };
}

/** struct timeval of a 64-bit machine. */
function seconds(count: number): Buffer {
  return Buffer.from(new BigInt64Array([BigInt(count), 0n]).buffer);
}

/** nlmsghdr and ifinfomsg, 16 bytes each, then AF_SPEC { AF_INET { CONF { ROUTE_LOCALNET: 0 or 1 } } }; the machine's byte order. */
export function setLinkRequest(index: number, isOn: boolean): Buffer {
  const value = Buffer.from(new Uint32Array([isOn ? 1 : 0]).buffer);
  const conf = attribute(IFLA_INET_CONF | NLA_F_NESTED, attribute(IPV4_DEVCONF_ROUTE_LOCALNET, value));
  const spec = attribute(IFLA_AF_SPEC | NLA_F_NESTED, attribute(AF_INET | NLA_F_NESTED, conf));
  const head = new ArrayBuffer(32);
  new Uint32Array(head, 0, 1)[0] = 32 + spec.length;
  new Uint16Array(head, 4, 2).set([RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK]);
  new Uint32Array(head, 8, 1)[0] = 1;
  new Int32Array(head, 20, 1)[0] = index;
  return Buffer.concat([Buffer.from(head), spec]);
}

/** Every value here is a multiple of 4 bytes long: no padding. */
function attribute(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(new Uint16Array([4 + value.length, type]).buffer), value]);
}

/** The error number of an acknowledgement, 0 for success. */
function readAnswer(bytes: Buffer): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isLittle = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  if (bytes.length < 20 || words.getUint16(4, isLittle) !== NLMSG_ERROR) return -1;
  return -words.getInt32(16, isLittle);
}
