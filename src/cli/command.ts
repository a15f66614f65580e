import type { AdminSettings } from '../admin/settings.ts';
import type { ForwardSettings } from '../ambassador/forward.ts';
import type { OmniSettings } from '../ambassador/omni.ts';
import type { ServicesSettings } from '../ambassador/services.ts';
import type { Backend } from '../backend/backend.ts';
import type { DiscoverySettings } from '../discovery/start.ts';
import type { EngineOptions } from '../docker/engine.ts';
import type { GatewaySettings } from '../gateway/start.ts';
import type { RuleSettings } from '../nat/settings.ts';
import type { DockerRegisterSettings, RegistrationSettings } from '../registration/start.ts';
import type { LocalhostTask } from './localhost-rules.ts';

export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** How a long-running command logs and ends. */
export interface RunSettings {
  readonly logLevel: LogLevel;
  /** How long open connections may go on after SIGTERM, ms. */
  readonly drainMs: number;
  /** Absent: no status page. */
  readonly admin?: AdminSettings;
}

/** What `nuncio resolve` is told. */
export interface ResolveSettings {
  readonly backend: Backend;
  readonly isWatching: boolean;
  readonly engine: EngineOptions;
  readonly discovery: DiscoverySettings;
}

/** What `nuncio dynamic` is told. */
export interface DynamicSettings {
  readonly httpPort: number;
  readonly gateway: GatewaySettings;
  readonly registration: RegistrationSettings;
  readonly engine: EngineOptions;
}

/** What a command line asks for. */
export type Command =
  /** `of`: a subcommand. */
  | { readonly kind: 'help'; readonly of?: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'health'; readonly port?: number }
  | { readonly kind: 'setup-rules'; readonly rules: RuleSettings; readonly logLevel: LogLevel }
  | { readonly kind: 'cleanup-rules'; readonly logLevel: LogLevel }
  | { readonly kind: 'localhost-rules'; readonly task: LocalhostTask }
  | { readonly kind: 'resolve'; readonly settings: ResolveSettings; readonly logLevel: LogLevel }
  | { readonly kind: 'omni'; readonly run: RunSettings; readonly settings: OmniSettings }
  | { readonly kind: 'services'; readonly run: RunSettings; readonly settings: ServicesSettings }
  | { readonly kind: 'docker-register'; readonly run: RunSettings; readonly settings: DockerRegisterSettings }
  | {
      readonly kind: 'register';
      readonly run: RunSettings;
      readonly settings: RegistrationSettings & { readonly engine: EngineOptions };
    }
  | { readonly kind: 'dynamic'; readonly run: RunSettings; readonly settings: DynamicSettings }
  | {
      readonly kind: 'gateway';
      readonly run: RunSettings;
      readonly settings: GatewaySettings & { readonly engine: EngineOptions };
    }
  | { readonly kind: 'forward'; readonly run: RunSettings; readonly settings: ForwardSettings };
