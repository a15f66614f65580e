import { AppError } from '../core/errors.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { CommandOutcome, RunCommand } from './command.ts';
import { iptablesInstallation, iptablesRemoval, ownRules } from './iptables-text.ts';
import type { Installed, RuleMethod } from './method.ts';
import { type Family, familiesOf, type RulePlan } from './rules.ts';

/** Seconds to wait for another program that is changing tables: they take a lock (iptables(8) -w). */
const lockWait = ['-w', '5'];

export interface IptablesProgram {
  readonly kind: 'nft' | 'legacy';
  /** The IPv4 program as it is called here: `iptables`, `iptables-legacy`. The others follow from it. */
  readonly name: string;
}

/** Whether the legacy nat table of a family exists in this network namespace; looking into it would make it. */
export type HasLegacyNat = (family: Family) => Promise<boolean>;

/** Rules in a chain of their own in the nat tables of iptables and ip6tables. */
export class IptablesMethod implements RuleMethod {
  readonly name: RuleMethod['name'];
  readonly #program: IptablesProgram;
  readonly #run: RunCommand;
  readonly #hasLegacyNat: HasLegacyNat;

  constructor(program: IptablesProgram, run: RunCommand, hasLegacyNat: HasLegacyNat) {
    this.name = `iptables-${program.kind}`;
    this.#program = program;
    this.#run = run;
    this.#hasLegacyNat = hasLegacyNat;
  }

  async install(plan: RulePlan, signal?: AbortSignal): Promise<Result<Installed>> {
    const wanted = familiesOf(plan);
    const families: Family[] = [];
    let missing: AppError | undefined;
    for (const family of [4, 6] as const) {
      const outcome = wanted.includes(family)
        ? await this.#installFamily(plan, family, signal)
        : await this.#clearFamily(family, signal);
      if (!outcome.ok) {
        // A machine without IPv6 has no ip6tables to speak of; that is no reason to go without IPv4.
        if (family === 4 || families.length === 0) return outcome;
        missing = outcome.error;
      } else if (wanted.includes(family)) families.push(family);
    }
    return ok(missing === undefined ? { families } : { families, missing: missing.message });
  }

  async read(signal?: AbortSignal): Promise<Result<string>> {
    let text = '';
    for (const family of [4, 6] as const) {
      const listing = await this.#list(family, signal);
      if (!listing.ok && family === 4) return listing;
      const rules = listing.ok ? ownRules(listing.value) : '';
      if (rules !== '') text += `IPv${family}:\n${rules}`;
    }
    return ok(text);
  }

  async remove(signal?: AbortSignal): Promise<Result<boolean>> {
    let isFound = false;
    for (const family of [4, 6] as const) {
      const listing = await this.#list(family, signal);
      if (!listing.ok && family === 4) return listing;
      const input = listing.ok ? iptablesRemoval(listing.value) : undefined;
      if (input === undefined) continue;
      isFound = true;
      const restored = await this.#restore(family, input, signal);
      if (!restored.ok) return restored;
    }
    return ok(isFound);
  }

  async #installFamily(plan: RulePlan, family: Family, signal?: AbortSignal): Promise<Result<true>> {
    const listing = await this.#list(family, signal);
    if (!listing.ok) return listing;
    return this.#restore(family, iptablesInstallation(plan, family, listing.value), signal);
  }

  /** Rules of an earlier plan, in a family that this one has no address in. */
  async #clearFamily(family: Family, signal?: AbortSignal): Promise<Result<true>> {
    const listing = await this.#list(family, signal);
    const input = listing.ok ? iptablesRemoval(listing.value) : undefined;
    return input === undefined ? ok(true) : this.#restore(family, input, signal);
  }

  async #list(family: Family, signal?: AbortSignal): Promise<Result<string>> {
    if (this.#program.kind === 'legacy' && !(await this.#hasLegacyNat(family))) return ok('');
    const outcome = await this.#run(this.#programOf(family), [...lockWait, '-t', 'nat', '-S'], { signal });
    return outcome.kind === 'done' ? ok(outcome.stdout) : refused(outcome);
  }

  async #restore(family: Family, stdin: string, signal?: AbortSignal): Promise<Result<true>> {
    const args = [...lockWait, '--noflush'];
    const outcome = await this.#run(`${this.#programOf(family)}-restore`, args, { stdin, signal });
    return outcome.kind === 'done' ? ok(true) : refused(outcome);
  }

  #programOf(family: Family): string {
    return family === 4 ? this.#program.name : this.#program.name.replace('iptables', 'ip6tables');
  }
}

function refused(outcome: Exclude<CommandOutcome, { kind: 'done' }>) {
  return fail(new AppError('ERR_RULES', outcome.reason));
}

/**
 * The kinds of iptables that this machine has, the one that plain `iptables` means first: the operator chose that.
 * Versions before 1.8 do not name their kind; they are legacy.
 */
export async function findIptables(
  run: RunCommand,
  signal?: AbortSignal,
): Promise<readonly IptablesProgram[]> {
  const found: IptablesProgram[] = [];
  for (const name of ['iptables', 'iptables-nft', 'iptables-legacy']) {
    const outcome = await run(name, ['-V'], { signal });
    if (outcome.kind !== 'done') continue;
    const kind = outcome.stdout.includes('nf_tables') ? 'nft' : 'legacy';
    if (!found.some((program) => program.kind === kind)) found.push({ kind, name });
  }
  return found;
}
