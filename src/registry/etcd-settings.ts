import { createSecureContext } from 'node:tls';
import { AppError, messageOf } from '../core/errors.ts';

export interface EtcdServer {
  /** A DNS name or an IP address. */
  readonly host: string;
  readonly port: number;
}

/** PEM texts. Without `ca` the system's authorities stand; `cert` and `key` come together. */
export interface EtcdTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** How to speak to etcd, the same for every server of every descriptor. */
export interface EtcdSettings {
  /** Absent = without TLS. */
  readonly tls?: EtcdTls;
  readonly user?: { readonly name: string; readonly password: string };
  /** How long any one call may take, ms. */
  readonly timeoutMs?: number;
}

/** @throws AppError ERR_CANNOT_START where the certificates cannot be used */
export function checkEtcdSettings({ tls }: EtcdSettings): void {
  if (tls === undefined) return;
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new AppError(
      'ERR_CANNOT_START',
      'etcd: a certificate and its key belong together: give both or neither',
    );
  }
  try {
    createSecureContext(tls);
  } catch (cause) {
    throw new AppError(
      'ERR_CANNOT_START',
      `etcd: expected certificates and a key in PEM form that fit together (${messageOf(cause)}); correct the files`,
      { cause },
    );
  }
}
