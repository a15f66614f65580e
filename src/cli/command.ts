import type { Backend } from '../backend/backend.ts';

export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What every long-running command is told. */
export interface ProxySettings {
  readonly port: number;
  readonly connectTimeoutMs: number;
  /** Absent: by the limit of open files. */
  readonly maxConnections?: number;
  readonly drainMs: number;
  readonly allowLocalTargets: boolean;
  readonly dockerHost: string;
  readonly logLevel: LogLevel;
}

/** Which connections the rules bring to the proxy. */
export interface RuleSettings {
  readonly proxyPort: number;
  readonly adminPort?: number;
  /** Host networking; absent: the rules of the ambassador's own namespace. */
  readonly dnat?: {
    /** Empty: the addresses of docker0. */
    readonly proxyIps: readonly string[];
    readonly takePorts: readonly number[];
  };
}

/** What a command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'health'; readonly port?: number }
  | { readonly kind: 'setup-rules'; readonly rules: RuleSettings; readonly logLevel: LogLevel }
  | { readonly kind: 'cleanup-rules'; readonly logLevel: LogLevel }
  | {
      readonly kind: 'omni';
      readonly settings: ProxySettings;
      readonly rules: RuleSettings;
      readonly manageRules: boolean;
    }
  | { readonly kind: 'forward'; readonly settings: ProxySettings; readonly backend: Backend };
