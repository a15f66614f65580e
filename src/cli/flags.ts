/** One flag: the single place that the parser and the usage text read. */
export interface Flag {
  readonly name: string;
  readonly alias?: string;
  /** What stands for the value in the usage text; absent for a switch. */
  readonly value?: string;
  /** Of a flag whose value may be left out: what that means. */
  readonly bare?: string;
  /** Environment variable that gives the value where the flag does not. */
  readonly env?: string;
  readonly help: string;
}

export interface FlagGroup {
  readonly title: string;
  readonly flags: readonly Flag[];
}

export const flagGroups: readonly FlagGroup[] = [
  {
    title: 'What to do',
    flags: [
      { name: 'omnimode', help: "lead every container's connections by its own BACKEND_<port> variables" },
      {
        name: 'setup-iptables',
        help: 'set the rules in this network namespace, prove them with a connection, and end',
      },
      { name: 'cleanup-iptables', help: 'remove exactly the rules that nuncio has set here, and end' },
      { name: 'health', help: 'exit 0 where the nuncio in this container serves, else 1 and why' },
      { name: 'watch', help: 'with resolve: go on and print each change' },
      { name: 'help', alias: 'h', help: 'this text' },
      { name: 'version', help: 'the version' },
    ],
  },
  {
    title: 'Listening and forwarding',
    flags: [
      {
        name: 'port',
        alias: 'p',
        value: 'PORT',
        env: 'PORT',
        help: 'port of the proxy (default 10000; of a static forward, the port of its first backend)',
      },
      {
        name: 'links',
        value: '[NAME:PORT,…]',
        bare: 'env',
        help: "listen on every link's ports and forward each to its link: those of the link environment (X_PORT_6379_TCP), or the ones named here",
      },
      {
        name: 'connect-timeout',
        value: 'TIME',
        help: 'how long one endpoint may take to accept (default 2s)',
      },
      {
        name: 'max-connections',
        value: 'N',
        help: 'connections at a time; one more is reset (default: by the limit of open files)',
      },
      {
        name: 'workers',
        value: 'N',
        help: 'threads that carry connections (default: half of the CPUs, at least 1 and at most 4)',
      },
      {
        name: 'data-plane',
        value: 'auto|portable',
        help: "auto (default) carries connections in threads of their own where that can run; portable uses Node's own sockets",
      },
      {
        name: 'drain',
        value: 'TIME',
        help: 'how long open connections may go on after SIGTERM (default 30s)',
      },
      {
        name: 'allow-local-targets',
        help: "let descriptors lead to loopback and link-local addresses, which are the ambassador's own",
      },
    ],
  },
  {
    title: 'Containers and rules',
    flags: [
      {
        name: 'docker',
        value: 'ADDRESS',
        env: 'DOCKER_HOST',
        help: 'the Docker engine (default unix:///var/run/docker.sock)',
      },
      {
        name: 'dnat',
        help: 'host networking: take what containers send to the bridge address, not to this container',
      },
      {
        name: 'proxy-ip',
        value: 'IP[,IP]',
        env: 'PROXY_IP',
        help: 'with --dnat: the bridge address (default that of docker0)',
      },
      {
        name: 'take-ports',
        value: 'PORT[,PORT]',
        help: 'with --dnat: take these ports although the host itself listens on them',
      },
      {
        name: 'kernel',
        value: 'auto|off|require',
        help: 'with --omnimode: lead callers to their endpoints in their own connect(), past the proxy; auto (default) where the kernel and the capabilities allow it',
      },
      {
        name: 'rules',
        value: 'auto|steer|nat|off',
        help: "with --omnimode, what brings connections here: auto (default) steers them at the kernel's socket lookup where the capabilities BPF and NET_ADMIN allow it, else sets nat rules; steer, nat: this one or no start; off leaves it to rules of somebody else's (--setup-iptables)",
      },
      {
        name: 'localhost',
        value: 'auto|off',
        help: 'with --omnimode: auto (default) leads localhost:<port> of containers with connect.<port> labels here',
      },
    ],
  },
  {
    title: 'Discovery',
    flags: [
      {
        name: 'discovery',
        value: 'URL',
        env: 'DISCOVERY',
        help: "where embassy's BACKEND_<any>=<service>;<port> is found: etcd://HOST:PORT[/PREFIX] or consul://HOST:PORT",
      },
      {
        name: 'registries',
        value: 'HOST:PORT[,…]',
        help: "the only etcd and Consul servers that containers' descriptors may name (default: any)",
      },
      { name: 'dns', value: 'IP[:PORT][,…]', help: 'name servers (default those of /etc/resolv.conf)' },
      {
        name: 'state-dir',
        value: 'DIR',
        help: 'keep the endpoints known last here, and serve them after a restart while a source fails',
      },
      {
        name: 'max-stale',
        value: 'TIME',
        help: 'give endpoints up whose source has not answered for so long (default: never)',
      },
      {
        name: 'file-root',
        value: 'DIR[,DIR]',
        help: "folders that containers' file:// descriptors may name (default: none)",
      },
      { name: 'etcd-cacert', value: 'FILE', help: 'PEM: the authority of the etcd servers' },
      { name: 'etcd-cert', value: 'FILE', help: 'PEM: the certificate that nuncio shows to etcd' },
      { name: 'etcd-key', value: 'FILE', help: 'PEM: its key' },
      { name: 'etcd-keycert', value: 'FILE', help: 'PEM: certificate and key in one file' },
    ],
  },
  {
    title: 'Registration',
    flags: [
      {
        name: 'etcd',
        value: 'HOST:PORT[,…]',
        env: 'ETCD_HOST',
        help: 'with docker-register, dynamic-etcd-amb and gateway: the etcd servers (default: the container linked as etcd)',
      },
      {
        name: 'host-ip',
        value: 'ADDRESS',
        env: 'HOST_IP',
        help: 'address of this host that is registered for ports published on every address',
      },
    ],
  },
  {
    title: 'Applications and services (nuncio gateway --help)',
    flags: [
      {
        name: 'registry',
        value: 'URL',
        help: 'where they are registered: etcd://HOST:PORT[,…][/PREFIX] or consul://HOST:PORT',
      },
      { name: 'http-port', value: 'PORT', help: 'port of HTTP applications (default 80)' },
      {
        name: 'http-timeout',
        value: 'TIME',
        help: 'how long an application may take to begin its answer (default 60s)',
      },
      {
        name: 'http-check',
        value: 'TIME',
        help: "time between two checks of an application's endpoint (default 5s)",
      },
      {
        name: 'trusted-proxies',
        value: 'IP[,IP]',
        help: 'clients whose X-Forwarded-Host, -Port and -Proto are passed on',
      },
    ],
  },
  {
    title: 'As embassy',
    flags: [
      {
        name: 'provider',
        value: 'docker|static',
        help: "whose services: each container's own variables (docker), or those of --services for everyone",
      },
      {
        name: 'services',
        value: 'NAME;PORT[,…]',
        help: 'with --provider static: the services and the ports that lead to them',
      },
      {
        name: 'redirect',
        help: 'set the rules of this network namespace: whatever arrives goes to the proxy',
      },
      {
        name: 'prefix',
        value: 'TEXT',
        help: "beginning of the variables' names (default BACKEND_); of gateway: the folder of the registry's keys",
      },
      {
        name: 'filter',
        value: 'true|false',
        bare: 'true',
        help: 'only endpoints whose checks in Consul pass (default true)',
      },
      { name: 'verbosity', alias: 'v', value: 'N', help: "embassy's log level: 4 and more is debug" },
    ],
  },
  {
    title: 'Status page',
    flags: [
      {
        name: 'admin-port',
        value: 'PORT',
        help: 'serve the status page, /status, /metrics, /healthz and /readyz here; the rules leave this port out',
      },
      {
        name: 'admin-password-file',
        value: 'FILE',
        help: 'its first line is the password of the status page, as STATS_PASSWORD is; without one it listens on loopback only',
      },
    ],
  },
  {
    title: 'Log',
    flags: [
      { name: 'log-level', value: 'LEVEL', env: 'LOG_LEVEL', help: 'error, warn, info (default) or debug' },
    ],
  },
];

export const flags: readonly Flag[] = flagGroups.flatMap((group) => group.flags);
