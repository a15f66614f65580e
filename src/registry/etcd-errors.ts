import { formatHostPort } from '../core/address.ts';
import { AppError, codeOf, messageOf } from '../core/errors.ts';
import type { GrpcFailure } from './etcd-rpc.ts';
import type { EtcdServer } from './etcd-settings.ts';

const deadlineExceeded = 4;
const permissionDenied = 7;
const resourceExhausted = 8;

/** Whether a user may not read what was asked for: the server is well. */
export function isDenied({ code }: GrpcFailure): boolean {
  return code === permissionDenied;
}

/** Whether it is about what was asked for, and not about the server or the connection. */
export function isAboutRequest({ code, details }: GrpcFailure): boolean {
  return code === permissionDenied || code === resourceExhausted || isAboutLease(details);
}

/** "requested lease not found", "lease already exists" (etcd api/v3rpc/rpctypes/error.go). */
function isAboutLease(details: string): boolean {
  return /\blease\b/.test(details);
}

/** Whether another log-in helps: the token has expired, the server has restarted, or the users have changed. */
export function isStaleToken({ details }: GrpcFailure): boolean {
  return /invalid auth token|revision in header is old/.test(details);
}

/** @param path what was asked for, where that matters */
export function etcdError(server: EtcdServer, failure: GrpcFailure, path?: string): AppError {
  const about = path === undefined ? '' : ` about ${path}`;
  return failed(server, `${reason(failure)}${about}; ${advice(failure, path)}`, failure);
}

/** For what a connection says before gRPC speaks. */
export function unreachable(server: EtcdServer, thrown: unknown): AppError {
  const code = codeOf(thrown);
  const message = openSslReason(thrown) ?? messageOf(thrown);
  const why = code === undefined || message.includes(code) ? message : `${message} (${code})`;
  const what = /CERT|SSL|TLS/.test(code ?? '') ? checkCertificates : checkServer;
  return failed(server, `cannot be reached: ${why}; ${what}`, thrown);
}

/** The part of OpenSSL's message that is for people; the whole has source files and ends its line. */
function openSslReason(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('reason' in thrown)) return undefined;
  return typeof thrown.reason === 'string' ? thrown.reason : undefined;
}

function failed(server: EtcdServer, what: string, cause: unknown): AppError {
  const where = `etcd ${formatHostPort(server.host, server.port)}`;
  return new AppError('ERR_RESOLVE_FAILED', `${where}: ${what}`, { cause });
}

const checkServer = 'check that etcd runs there and that this machine reaches it, with TLS or without';

const checkCertificates =
  'check that it speaks TLS, and the certificates: the authority that has signed its own, and the one shown to it';

function reason({ code, details }: GrpcFailure): string {
  return code === deadlineExceeded ? 'no answer in time' : details;
}

function advice({ code, details }: GrpcFailure, path: string | undefined): string {
  if (code === permissionDenied) {
    return `grant the user read on ${path} and on everything below ${path}/ (to register: readwrite)`;
  }
  if (code === resourceExhausted && /larger than max/.test(details))
    return 'there is too much below the path: name a longer one';
  if (isAboutLease(details)) return 'it is tried again with a lease that is valid';
  if (/user name is empty/.test(details)) return 'etcd asks for a user: set ETCD_USERNAME and ETCD_PASSWORD';
  if (/authentication (failed|is not enabled)/.test(details)) {
    return 'check ETCD_USERNAME and ETCD_PASSWORD, and that authentication is on';
  }
  if (/no leader|timed out/.test(details)) return 'the cluster has no majority: check its other members';
  return checkServer;
}
