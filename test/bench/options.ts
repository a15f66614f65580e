/** What the benchmark is told on its command line. */
import minimist from 'minimist';
import { type PartName, type PathName, partNames, pathNames } from './figures.ts';
import type { Lengths } from './measure.ts';

export interface Options extends Lengths {
  readonly mode: 'full' | 'quick';
  readonly rounds: number;
  /** Rounds of `memory` and `routes`, which spread less and take longer. */
  readonly slowRounds: number;
  readonly parts: readonly PartName[];
  readonly paths: readonly PathName[];
  readonly nuncioArguments: readonly string[];
  /** Whether the results go into the project's documents. */
  readonly isPublished: boolean;
}

export const usage = `Measures Nuncio against HAProxy, nginx stream and no proxy, in network namespaces of its own. Root only.

    scripts/bench [--quick] [--only PART,…] [--paths PATH,…] [--rounds N] [--seconds N] [--nuncio="ARGS"] [--save]
    scripts/bench report        makes chart and tables anew from docs/benchmarks/latest.json, without measuring
    scripts/bench http          the gateway against HAProxy in http mode; see docs/dynamic.md
    scripts/bench discovery     how soon a registry's change counts; see docs/operations.md

--quick      under two minutes: two rounds of one second each, only good to see that everything works
--only       ${partNames.join(', ')}
--paths      ${pathNames.join(', ')}
--rounds     rounds of requests, connections and streams (default 5)
--seconds    length of each measurement (default 4)
--nuncio     arguments for Nuncio beside its own: --nuncio="--log-level warn"; noted in the results
--save       write docs/benchmarks/latest.json, latest.svg and the tables of README.md and docs/performance.md. A whole
             run does so anyway; one with --quick, --only, --paths or --nuncio writes to .cache/bench/ unless this is given`;

const full = {
  rounds: 5,
  slowRounds: 3,
  seconds: 4,
  warmUpSeconds: 1,
  warmUpConnectionsSeconds: 1,
  settleMs: 1000,
  idleConnections: 4000,
};
/** The same proxy twice is more than two minutes have room for. */
const quickPaths = pathNames.filter((name) => name !== 'nuncio-nat');
const quick: typeof full = {
  rounds: 2,
  slowRounds: 1,
  seconds: 1,
  warmUpSeconds: 1,
  warmUpConnectionsSeconds: 0,
  settleMs: 300,
  idleConnections: 1000,
};

/** @returns the options, or everything that is wrong; `help` where the usage is asked for */
export function readOptions(
  argv: readonly string[],
): Options | { readonly problems: readonly string[] } | 'help' {
  const problems: string[] = [];
  const given = minimist([...argv], {
    boolean: ['quick', 'save', 'help'],
    string: ['only', 'paths', 'rounds', 'seconds', 'nuncio'],
    unknown: (text) => {
      problems.push(`${text}: there is no such argument`);
      return false;
    },
  });
  if (given.help === true) return 'help';

  function names<T extends string>(flag: string, known: readonly T[], usual = known): readonly T[] {
    if (given[flag] === undefined) return usual;
    const wanted = String(given[flag]).split(',');
    for (const name of wanted) {
      if (!known.some((one) => one === name))
        problems.push(`--${flag}: "${name}" is none of ${known.join(', ')}`);
    }
    return known.filter((name) => wanted.includes(name));
  }
  function count(flag: string, most: number): number | undefined {
    if (given[flag] === undefined) return undefined;
    const value = Number(given[flag]);
    if (Number.isInteger(value) && value >= 1 && value <= most) return value;
    problems.push(`--${flag}: a whole number from 1 to ${most} is expected, not "${given[flag]}"`);
    return undefined;
  }

  const lengths = given.quick === true ? quick : full;
  const rounds = count('rounds', 100) ?? lengths.rounds;
  const parts = names('only', partNames);
  const paths = names('paths', pathNames, given.quick === true ? quickPaths : pathNames);
  const nuncioArguments = String(given.nuncio ?? '')
    .split(/\s+/)
    .filter(Boolean);
  const isWhole = given.quick !== true && given.only === undefined && given.paths === undefined;
  const options: Options = {
    ...lengths,
    mode: given.quick === true ? 'quick' : 'full',
    rounds,
    slowRounds: Math.min(rounds, lengths.slowRounds),
    seconds: count('seconds', 60) ?? lengths.seconds,
    parts,
    paths,
    nuncioArguments,
    isPublished: given.save === true || (isWhole && nuncioArguments.length === 0),
  };
  return problems.length === 0 ? options : { problems };
}
