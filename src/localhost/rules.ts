import { AppError } from '../core/errors.ts';
import type { RunCommand } from '../nat/command.ts';
import type { Listener } from '../nat/listeners.ts';
import type { RouteLocalnet } from '../sys/route-localnet.ts';
import type { Lead } from './lead.ts';
import { nftInstallation, nftRemoval, nftTable, readNftTable, type Standing } from './nft-text.ts';

/** What this file asks of the machine: all of it in the network namespace that the process is in. */
export interface NamespaceSystem {
  readonly run: RunCommand;
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
  const before = await readStanding(system);
  const isOurs = before?.switched.includes(name) ?? false;
  const mustSwitch = isOurs || !(await routeLocalnet.isOn(name));
  const wanted: Standing = { ...lead, switched: mustSwitch ? [name] : [] };
  try {
    // The guard comes first, then what it guards.
    await nft(system, nftInstallation(wanted));
    if (mustSwitch) routeLocalnet.set(name, true);
    await switchOff(before?.switched.filter((other) => other !== name) ?? [], system);
    const now = await readStanding(system);
    if (JSON.stringify(now) !== JSON.stringify(wanted) || !(await routeLocalnet.isOn(name))) {
      throw new AppError('ERR_RULES', 'the rules were set, but the kernel does not have them');
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

/**
 * Takes exactly that away again.
 *
 * @param address only rules that lead there: another ambassador's stay; absent: whatever stands
 * @returns whether there was anything
 * @throws AppError ERR_RULES, ERR_SYSCALL
 */
export async function clearLead(address: string | undefined, system: NamespaceSystem): Promise<boolean> {
  const text = await readTable(system);
  const standing = readNftTable(text);
  if (text === '' || (address !== undefined && standing !== undefined && standing.address !== address)) {
    return false;
  }
  await switchOff(standing?.switched ?? [], system);
  await nft(system, nftRemoval);
  return true;
}

async function switchOff(names: readonly string[], { routeLocalnet }: NamespaceSystem): Promise<void> {
  for (const name of names) {
    // An interface goes with its network; its setting went with it.
    if (await routeLocalnet.isOn(name).catch(() => false)) routeLocalnet.set(name, false);
  }
}

async function readStanding(system: NamespaceSystem): Promise<Standing | undefined> {
  return readNftTable(await readTable(system));
}

/** The empty text where our table is not there. */
async function readTable({ run }: NamespaceSystem): Promise<string> {
  const outcome = await run('nft', ['--numeric', 'list', 'table', ...nftTable.split(' ')]);
  if (outcome.kind === 'done') return outcome.stdout;
  const isAbsent = outcome.kind === 'failed' && outcome.reason.includes('No such file or directory');
  // Without the program there was never a table of ours; setting one up says so.
  if (isAbsent || outcome.kind === 'missing') return '';
  throw new AppError('ERR_RULES', outcome.reason);
}

async function nft({ run }: NamespaceSystem, stdin: string): Promise<void> {
  const outcome = await run('nft', ['-f', '-'], { stdin });
  if (outcome.kind !== 'done') throw new AppError('ERR_RULES', outcome.reason);
}
