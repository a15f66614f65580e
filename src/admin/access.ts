import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { isLoopbackOrLinkLocal } from '../core/address.ts';

/**
 * Whether a request carries the password, by HTTP basic authentication (RFC 7617). The user name is not looked at. How
 * long the comparison takes says nothing about the password: digests of one length are compared.
 *
 * @param header the `Authorization` field
 */
export function hasPassword(header: string | undefined, password: string): boolean {
  const encoded = /^basic +([\w+/=-]+) *$/i.exec(header ?? '')?.[1] ?? '';
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  const isEqual = timingSafeEqual(digest(pair.slice(colon + 1)), digest(password));
  return colon !== -1 && isEqual;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * Whether a request without a password was made for this machine by name. A web page elsewhere can have its own name lead
 * to 127.0.0.1 (DNS rebinding) and would read the answer; the `Host` field then has that name.
 *
 * @param header the `Host` field
 */
export function isLoopbackHost(header: string | undefined): boolean {
  const host = (header ?? '')
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1');
  return host === 'localhost' || (isIP(host) !== 0 && isLoopbackOrLinkLocal(host));
}
