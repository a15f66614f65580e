/** What Nuncio reads of a container, in its own words and detached from the API's shapes. */
export interface Container {
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** Without the leading slash of the API. */
  readonly name: string;
  readonly state: 'running' | 'paused';
  /** What the container's own health check says; `none`: it has no check. */
  readonly health: ContainerHealth;
  /** As the image and `docker run` set it: `NAME=value` entries split at the first `=`, in order. */
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly labels: ReadonlyMap<string, string>;
  /** Empty for `network_mode: host`, `none` and `container:X`. */
  readonly networks: readonly ContainerNetwork[];
  /** By container port, then as the engine lists them; empty where none is published. */
  readonly published: readonly PublishedPort[];
  /** What it was told to reach by `--link`, as `docker run` was given it. */
  readonly links: readonly ContainerLink[];
  /** `bridge`, `host`, `none`, `container:<id>`, or a network's name or id. */
  readonly networkMode: string;
  /** The id of its image, `sha256:…`; empty where the engine does not say. */
  readonly image: string;
  /** Its first process, as the engine's machine counts; 0 where the engine does not say. Another run has another one. */
  readonly pid: number;
}

export type ContainerHealth = 'none' | 'starting' | 'healthy' | 'unhealthy';

export interface ContainerNetwork {
  /** The network's id, the same in every container attached to it. */
  readonly id: string;
  readonly name: string;
  /** Canonical addresses, IPv4 before IPv6. */
  readonly addresses: readonly string[];
}

/** `--link target:alias`: the container finds the target by this name. */
export interface ContainerLink {
  /** A container's name, or its id. */
  readonly target: string;
  readonly alias: string;
}

/** A port of the container that its host listens on. */
export interface PublishedPort {
  readonly containerPort: number;
  /** `tcp`, `udp` or `sctp`. */
  readonly protocol: string;
  /** Canonical; `0.0.0.0` and `::` are every address of the host. */
  readonly hostIp: string;
  readonly hostPort: number;
}
