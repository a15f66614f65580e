import { output } from './command.ts';
import type { Engine } from './engine.ts';

/** An engine's host, and the address that it shall have towards the other one. */
export interface CableEnd {
  readonly engine: Engine;
  /** IPv4; both ends are in one /24. */
  readonly ip: string;
}

/** A network cable between the hosts of two engines: `eth1` on both. It goes when either host does. */
export async function cable(left: CableEnd, right: CableEnd): Promise<void> {
  const [from, to] = [left.engine.namespace, right.engine.namespace];
  const peer = ['type', 'veth', 'peer', 'name', 'eth1', 'netns', to];
  await output('ip', ['link', 'add', 'eth1', 'netns', from, ...peer]);
  for (const { engine, ip } of [left, right]) {
    await engine.onHost(['ip', 'address', 'add', `${ip}/24`, 'dev', 'eth1']);
    await engine.onHost(['ip', 'link', 'set', 'eth1', 'up']);
  }
}
