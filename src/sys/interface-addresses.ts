import { AppError } from '../core/errors.ts';
import { errnoName } from './libc.ts';
import { loadLibrary } from './library.ts';
import { readInterfaceIpv6 } from './local-addresses.ts';

/** linux/socket.h AF_INET, SOCK_DGRAM with SOCK_CLOEXEC; linux/sockios.h; linux/if.h: bytes of struct ifreq and its name. */
const AF_INET = 2;
const SOCK_DGRAM = 2 | 0o2000000;
const SIOCGIFADDR = 0x8915;
const ifreqSize = 40;
const nameSize = 16;

const consequence = 'the address of an interface cannot be read without it: name the address (PROXY_IP)';

/**
 * The addresses of one network interface, IPv4 first, link-local ones left out. Unlike `os.networkInterfaces()` this
 * also sees an interface without a carrier, such as `docker0` before the first container runs.
 * Of several IPv4 addresses only the primary one is told.
 *
 * @returns canonical; empty where the interface does not exist or has no address
 * @throws AppError ERR_SYSCALL for anything but a missing interface or address; ERR_CANNOT_START without libc
 * Source: netdevice(7) SIOCGIFADDR
 */
export async function interfaceAddresses(name: string): Promise<readonly string[]> {
  const ipv4 = await primaryIpv4(name);
  const ipv6 = (await readInterfaceIpv6())
    .filter(({ interfaceName, scope }) => interfaceName === name && scope === 'global')
    .map(({ ip }) => ip);
  return [...(ipv4 === undefined ? [] : [ipv4]), ...ipv6];
}

async function primaryIpv4(name: string): Promise<string | undefined> {
  const request = Buffer.alloc(ifreqSize);
  if (Buffer.byteLength(name) >= nameSize) return undefined;
  request.write(name);
  const { koffi, library } = await loadLibrary(consequence);
  const socket = library.func('int socket(int family, int type, int protocol)');
  const ioctl = library.func('int ioctl(int fd, unsigned long request, _Inout_ uint8_t *argument)');
  const close = library.func('int close(int fd)');
  const fd: number = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) throw callFailed('socket', errnoName(koffi.errno()));
  try {
    if (ioctl(fd, SIOCGIFADDR, request) === 0)
      return [...request.subarray(nameSize + 4, nameSize + 8)].join('.');
    const errno = errnoName(koffi.errno());
    if (errno === 'ENODEV' || errno === 'EADDRNOTAVAIL') return undefined;
    throw callFailed('ioctl', errno);
  } finally {
    close(fd);
  }
}

function callFailed(syscall: string, errno: string): AppError {
  return new AppError('ERR_SYSCALL', `${syscall}: ${errno}`, { errno, syscall });
}
