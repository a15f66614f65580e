import type { CommandOutcome, RunCommand } from '../../../src/nat/command.ts';
import type { NatSystem } from '../../../src/nat/system.ts';
import type { ConnectOutcome } from '../../../src/sys/marked-socket.ts';

type Program = 'works' | 'missing' | 'refused';

/** A machine that remembers what nft and iptables were told, without a kernel; each test says what it has. */
export class FakeMachine {
  readonly programs: Record<string, Program> = {
    nft: 'works',
    'iptables-nft': 'works',
    'ip6tables-nft': 'works',
    'iptables-legacy': 'works',
    'ip6tables-legacy': 'works',
  };
  /** What plain `iptables` means. */
  iptables: 'iptables-nft' | 'iptables-legacy' | 'missing' = 'iptables-nft';
  /** Programs whose rules the kernel really uses. */
  used = ['nft', 'iptables-nft', 'iptables-legacy'];
  isPrivileged = true;
  mayMark = true;
  listening = [{ ip: '::', port: 10000 }];
  interfaces = ['127.0.0.1', '::1', '172.17.0.2', 'fd00::2'];
  readonly calls: string[] = [];
  /** By program: what stands now, as its listing shows it. */
  readonly tables = new Map<string, string>();

  readonly run: RunCommand = async (called, args, { stdin = '' } = {}) => {
    this.calls.push([called, ...args].join(' '));
    const program = this.#meant(called);
    const state = this.programs[program] ?? 'missing';
    if (state === 'missing') return { kind: 'missing', reason: `${called}: not installed` };
    if (args[0] === '-V')
      return done(`iptables v1.8.9 (${program.endsWith('nft') ? 'nf_tables' : 'legacy'})`);
    if (state === 'refused') return { kind: 'failed', reason: `${called}: Operation not supported` };
    if (program === 'nft') return this.#nft(args, stdin);
    return called.endsWith('-restore') ? this.#restore(program, stdin) : done(this.tables.get(program) ?? '');
  };

  readonly system: NatSystem = {
    canManageRules: () => this.isPrivileged,
    listeners: async () => this.listening,
    addresses: async () => this.interfaces,
    hasLegacyNat: async (family) => this.tables.has(`ip${family === 4 ? '' : '6'}tables-legacy`),
    connectMarked: async ({ ip }) => this.#connect(ip),
  };

  #connect(ip: string): ConnectOutcome {
    if (!this.mayMark) return { kind: 'failed', syscall: 'setsockopt', errno: 'EPERM' };
    const isOpen = [...this.tables].some(([program, rules]) => {
      const method = program.replace('ip6tables', 'iptables');
      const covers = program === 'nft' || program.startsWith('ip6') === ip.includes(':');
      return rules !== '' && covers && this.used.includes(method);
    });
    return isOpen ? { kind: 'accepted' } : { kind: 'refused' };
  }

  #meant(called: string): string {
    const program = called.replace(/-restore$/, '');
    if (program !== 'iptables' && program !== 'ip6tables') return program;
    return this.iptables.replace('iptables', program);
  }

  #nft(args: readonly string[], stdin: string): CommandOutcome {
    if (args[0] === 'list') {
      const text = this.tables.get('nft') ?? '';
      return text === '' ? { kind: 'failed', reason: 'nft: Error: No such file or directory' } : done(text);
    }
    this.tables.set('nft', stdin.split('delete table inet nuncio\n')[1] ?? '');
    return done('');
  }

  /** iptables-restore --noflush: empties or makes a chain, deletes, appends and inserts, prints in the order of -S. */
  #restore(program: string, stdin: string): CommandOutcome {
    let rules = (this.tables.get(program) ?? '').split('\n').filter((line) => line !== '');
    for (const line of stdin.split('\n')) {
      const chain = /^:(\S+)/.exec(line)?.[1] ?? /^-X (\S+)/.exec(line)?.[1];
      if (chain !== undefined)
        rules = rules.filter((r) => !r.startsWith(`-A ${chain} `) && r !== `-N ${chain}`);
      if (line.startsWith(':')) rules.push(`-N ${chain}`);
      if (line.startsWith('-A ')) rules.push(line);
      if (line.startsWith('-I ')) rules.unshift(line.replace(/^-I (\S+) 1/, '-A $1'));
      if (line.startsWith('-D ')) {
        const at = rules.indexOf(`-A ${line.slice(3)}`);
        if (at === -1)
          return { kind: 'failed', reason: 'Bad rule (does a matching rule exist in that chain?)' };
        rules.splice(at, 1);
      }
    }
    this.tables.set(program, rules.map((rule) => `${rule}\n`).join(''));
    return done('');
  }
}

function done(stdout: string): CommandOutcome {
  return { kind: 'done', stdout };
}

/** A logger that remembers: `warn: message`. */
export function rememberingLogger() {
  const lines: string[] = [];
  const level = (name: string) => (message: string) => {
    lines.push(`${name}: ${message}`);
  };
  return { lines, debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') };
}
