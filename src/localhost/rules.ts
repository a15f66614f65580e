import { AppError, messageOf } from '../core/errors.ts';
import type { Listener } from '../nat/listeners.ts';
import type { RouteLocalnet } from '../sys/route-localnet.ts';
import type { Lead } from './lead.ts';
import type { LeadMethod, Standing } from './method.ts';

/** What this file asks of the machine: all of it in the network namespace that the process is in. */
export interface NamespaceSystem {
  /** In the order of trial. */
  methods(): Promise<readonly LeadMethod[]>;
  readonly routeLocalnet: RouteLocalnet;
  /** The interface that packets to an address leave by. */
  outgoingInterface(ip: string): Promise<string | undefined>;
  listeners(): Promise<readonly Listener[]>;
}

export interface LeadReport {
  /** Ports on which something listens that localhost would have reached, and does not any more. */
  readonly shadowed: readonly number[];
}

/**
 * Leads ports of this network namespace's 127.0.0.1 to an address, in place of what an earlier call has set; proved by reading
 * back what the kernel has.
 *
 * @throws AppError ERR_RULES, ERR_SYSCALL; then nothing of ours is left, as far as that can be
 */
export async function setLead(lead: Lead, system: NamespaceSystem): Promise<LeadReport> {
  const { routeLocalnet } = system;
  const name = await system.outgoingInterface(lead.address);
  if (name === undefined || name === 'lo') {
    throw new AppError('ERR_RULES', `no route leads to ${lead.address} from this network namespace`);
  }
  const methods = await system.methods();
  const earlier = (await Promise.all(methods.map(standingOf))).flatMap(
    (standing) => standing?.switched ?? [],
  );
  const mustSwitch = earlier.includes(name) || !(await routeLocalnet.isOn(name));
  const wanted: Standing = { ...lead, switched: mustSwitch ? [name] : [] };
  try {
    const method = await installBy(methods, wanted);
    if (mustSwitch) routeLocalnet.set(name, true);
    const others = earlier.filter((other) => other !== name);
    await switchOff(others, system);
    for (const other of methods) if (other !== method && (await isThere(other))) await other.remove();
    if (!(await routeLocalnet.isOn(name))) {
      throw new AppError('ERR_RULES', `route_localnet of ${name} was switched on, and is off`);
    }
  } catch (thrown) {
    // Half of it would have callers wait for an answer that never comes, where without any they are refused at once.
    await clearLead(lead.address, system).catch(() => {});
    throw thrown;
  }
  const listening = await system.listeners();
  const isShadowed = (port: number) =>
    listening.some((socket) => socket.port === port && ['127.0.0.1', '0.0.0.0', '::'].includes(socket.ip));
  return { shadowed: lead.ports.filter(isShadowed) };
}

/** The first method whose rules the kernel has afterwards. */
async function installBy(methods: readonly LeadMethod[], wanted: Standing): Promise<LeadMethod> {
  const reasons: string[] = [];
  for (const method of methods) {
    try {
      await method.install(wanted);
      if (JSON.stringify(await method.read()) === JSON.stringify(wanted)) return method;
      reasons.push(`${method.name} (the rules were set, but the kernel does not have them)`);
      await method.remove();
    } catch (thrown) {
      reasons.push(`${method.name} (${messageOf(thrown)})`);
    }
  }
  throw new AppError('ERR_RULES', `no rules can be set here: ${reasons.join('; ')}`);
}

/**
 * Takes exactly that away again.
 *
 * @param address only rules that lead there: another ambassador's stay; absent: whatever stands
 * @returns whether there was anything
 * @throws AppError ERR_RULES, ERR_SYSCALL
 */
export async function clearLead(address: string | undefined, system: NamespaceSystem): Promise<boolean> {
  let isFound = false;
  const unreadable: string[] = [];
  const methods = await system.methods();
  for (const method of methods) {
    const found = await method.read().catch((thrown: unknown) => {
      unreadable.push(`${method.name} (${messageOf(thrown)})`);
    });
    if (found === undefined) continue;
    const standing = found === 'damaged' ? undefined : found;
    if (address !== undefined && standing !== undefined && standing.address !== address) continue;
    await switchOff(standing?.switched ?? [], system);
    await method.remove();
    isFound = true;
  }
  // A kernel without nf_tables holds no rules of that kind: only where nothing can be read is that a fault.
  if (unreadable.length === methods.length) throw new AppError('ERR_RULES', unreadable.join('; '));
  return isFound;
}

async function switchOff(names: readonly string[], { routeLocalnet }: NamespaceSystem): Promise<void> {
  for (const name of names) {
    // An interface goes with its network; its setting went with it.
    if (await routeLocalnet.isOn(name).catch(() => false)) routeLocalnet.set(name, false);
  }
}

/** A program that cannot even look, on a kernel that does not know its tables, has nothing here. */
function readBy(method: LeadMethod): ReturnType<LeadMethod['read']> {
  return method.read().catch(() => undefined);
}

async function isThere(method: LeadMethod): Promise<boolean> {
  return (await readBy(method)) !== undefined;
}

async function standingOf(method: LeadMethod): Promise<Standing | undefined> {
  const standing = await readBy(method);
  return standing === 'damaged' ? undefined : standing;
}
