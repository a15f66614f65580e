import { formatHostPort } from '../core/address.ts';
import type { RequestHead } from './request-head.ts';

/** Who made a request, and whether what it says of those before it is believed. */
export interface ClientFacts {
  /** Canonical address. */
  readonly ip: string;
  readonly isTrusted: boolean;
}

/**
 * The head of a request as the endpoint gets it, empty line included: the fields that belong to the message, its framing
 * in one form, and X-Forwarded-*. A client's own X-Forwarded-For is kept in front of its address; its -Host, -Port and
 * -Proto are replaced unless it is trusted with them.
 */
export function requestText(request: RequestHead, client: ClientFacts): string {
  const { framing, forwardedFor, upgrade } = request;
  const length =
    framing.kind === 'length'
      ? `Content-Length: ${framing.bytes}\r\n`
      : framing.kind === 'chunked'
        ? 'Transfer-Encoding: chunked\r\n'
        : needsLength(request)
          ? 'Content-Length: 0\r\n'
          : '';
  const before = forwardedFor === '' ? '' : `${forwardedFor}, `;
  const told = client.isTrusted ? request.forwarded : {};
  const host = told.host ?? request.authority;
  const options =
    upgrade !== undefined
      ? `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`
      : request.acceptsTrailers
        ? 'Connection: TE\r\nTE: trailers\r\n'
        : '';
  return (
    `${request.method} ${request.target} HTTP/1.1\r\nHost: ${request.authority}\r\n${request.fields}${length}` +
    `X-Forwarded-For: ${before}${client.ip}\r\nX-Forwarded-Host: ${host}\r\n` +
    `X-Forwarded-Port: ${told.port ?? portOf(request.authority)}\r\nX-Forwarded-Proto: ${told.proto ?? 'http'}\r\n${options}\r\n`
  );
}

/** RFC 9110 8.6: methods that expect a body say so also where it is empty. */
function needsLength({ method }: RequestHead): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}

/** The port that the client dialled, by what it says: a published port need not be the one that is listened on. */
function portOf(authority: string): string {
  return /:(\d{1,5})$/.exec(authority)?.[1] ?? '80';
}

/** `GET blog.example.com/path` for log lines. */
export function shownRequest({ method, authority, target }: RequestHead): string {
  const path = target.length > 200 ? `${target.slice(0, 200)}…` : target;
  return `${method} ${authority}${path}`;
}

/** `10.0.0.1:1234` */
export function shownClient(ip: string, port: number): string {
  return formatHostPort(ip, port);
}
