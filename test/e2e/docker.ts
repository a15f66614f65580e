import { type CommandOptions, command, type Outcome, output } from './command.ts';
import { until } from './until.ts';

export interface RunOptions {
  readonly image: string;
  readonly name?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** `name` or `name:alias`; the default bridge's links unless `network` says otherwise. */
  readonly links?: readonly string[];
  readonly network?: string;
  readonly aliases?: readonly string[];
  readonly ip?: string;
  readonly ip6?: string;
  readonly capAdd?: readonly string[];
  readonly privileged?: boolean;
  /** `source:target[:ro]` */
  readonly volumes?: readonly string[];
  readonly entrypoint?: string;
  /** Any other flag of `docker run`, as it is. */
  readonly flags?: readonly string[];
}

/** The docker client, pointed at one engine. Failures throw with the client's own words. */
export class Docker {
  readonly host: string;

  /** @param socket path of the engine's unix socket */
  constructor(socket: string) {
    this.host = `unix://${socket}`;
  }

  /** Any docker command that must succeed. @returns its stdout, trimmed at the end */
  cli(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return output('docker', ['-H', this.host, ...args], options);
  }

  /** Starts a container in the background. @returns its id */
  run(options: RunOptions): Promise<string> {
    return this.cli(['run', '--detach', ...runFlags(options)]);
  }

  /** Runs a container to its end and removes it: its exit code and output. */
  runToEnd(options: RunOptions, bounds: CommandOptions = {}): Promise<Outcome> {
    return command('docker', ['-H', this.host, 'run', '--rm', ...runFlags(options)], bounds);
  }

  exec(container: string, argv: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    const interactive = options.input === undefined ? [] : ['--interactive'];
    return command('docker', ['-H', this.host, 'exec', ...interactive, container, ...argv], options);
  }

  /** What the container has written so far, stdout before stderr. */
  async logs(container: string): Promise<string> {
    const { stdout, stderr } = await command('docker', ['-H', this.host, 'logs', container]);
    return stdout + stderr;
  }

  /** One field of a container, by a Go template: `{{.State.Status}}`. */
  inspect(container: string, format: string): Promise<string> {
    return this.cli(['inspect', '--format', format, container]);
  }

  /** The container's addresses on a network (`bridge` is the default one); empty where it has none. */
  async addresses(container: string, network = 'bridge'): Promise<{ ipv4: string; ipv6: string }> {
    const path = `index .NetworkSettings.Networks ${JSON.stringify(network)}`;
    const text = await this.inspect(
      container,
      `{{with ${path}}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`,
    );
    const [ipv4 = '', ipv6 = ''] = text.split(' ');
    return { ipv4, ipv6 };
  }

  /** Kills and removes containers; one that is gone already is no error. */
  async remove(...containers: readonly string[]): Promise<void> {
    if (containers.length > 0) await this.cli(['rm', '--force', '--volumes', ...containers]);
  }

  /** @param subnet6 an IPv6 prefix (`fd00:1::/64`) switches IPv6 on */
  async createNetwork(name: string, options: { subnet?: string; subnet6?: string } = {}): Promise<void> {
    const subnet = options.subnet === undefined ? [] : ['--subnet', options.subnet];
    const subnet6 = options.subnet6 === undefined ? [] : ['--ipv6', '--subnet', options.subnet6];
    await this.cli(['network', 'create', ...subnet, ...subnet6, name]);
  }

  async removeNetwork(name: string): Promise<void> {
    await this.cli(['network', 'rm', name]);
  }

  /** Removes every container and every network that a test made; images stay. */
  async clear(): Promise<void> {
    await until('every container to be gone', () => this.#removeAll(), { withinMs: 60_000 });
    const networks = await this.cli(['network', 'ls', '--quiet', '--filter', 'type=custom']);
    if (networks !== '') await this.cli(['network', 'rm', ...networks.split('\n')], { timeoutMs: 60_000 });
  }

  /** True when none is left. One that removes itself at this moment (a helper of the ambassador's) is no error. */
  async #removeAll(): Promise<true | undefined> {
    const ids = await this.cli(['ps', '--all', '--quiet', '--no-trunc']);
    if (ids === '') return true;
    const argv = ['-H', this.host, 'rm', '--force', '--volumes', ...ids.split('\n')];
    const { code, stdout, stderr } = await command('docker', argv, { timeoutMs: 60_000 });
    if (code === 0) return true;
    if (stderr.includes('is already in progress')) return undefined;
    throw new Error(`docker rm: exit code ${code}\n${stderr}${stdout}`);
  }
}

function runFlags(options: RunOptions): string[] {
  const each = (flag: string, values: readonly string[] = []) => values.flatMap((value) => [flag, value]);
  const pairs = (record: Readonly<Record<string, string>> = {}) =>
    Object.entries(record).map(([key, value]) => `${key}=${value}`);
  const one = (flag: string, value: string | undefined) => (value === undefined ? [] : [flag, value]);
  return [
    ...one('--name', options.name),
    ...one('--network', options.network),
    ...one('--ip', options.ip),
    ...one('--ip6', options.ip6),
    ...one('--entrypoint', options.entrypoint),
    ...(options.privileged ? ['--privileged'] : []),
    ...each('--env', pairs(options.env)),
    ...each('--label', pairs(options.labels)),
    ...each('--link', options.links),
    ...each('--network-alias', options.aliases),
    ...each('--cap-add', options.capAdd),
    ...each('--volume', options.volumes),
    ...(options.flags ?? []),
    options.image,
    ...(options.args ?? []),
  ];
}
