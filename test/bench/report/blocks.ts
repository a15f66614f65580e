/**
 * The figures in the documents: a block between two marks, made from docs/benchmarks/latest.json, so that no figure in
 * a document is older than that file (test/unit/docs.test.ts compares them).
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../bed/machine.ts';
import type { FigureName, Results } from '../figures.ts';
import { chart } from './chart.ts';
import { figuresTable, provenance, report, shortcomings } from './table.ts';

const begin = '<!-- bench:begin -->';
const end = '<!-- bench:end -->';
const folder = join(projectRoot, 'docs/benchmarks');

/** What decides whether one would use it; docs/performance.md has all. */
const shortList: readonly FigureName[] = [
  'keepaliveRps',
  'p99us',
  'connPerS',
  'gbps1',
  'gbps8',
  'rssIdleMb',
  'kbPerIdleConnection',
  'startMs',
];

/** Each document with a block, and what stands in it. */
export const documents: Readonly<Record<string, (results: Results) => string>> = {
  'README.md': (results) =>
    [
      figuresTable(results, { withSpread: false, names: shortList }),
      shortcomings(results, shortList),
      provenance(results),
    ].join('\n\n'),
  'docs/performance.md': (results) => report(results).join('\n\n'),
};

/** @throws Error where the marks are not there, each once and in order */
export function withBlock(document: string, block: string): string {
  const [before, rest, ...more] = document.split(begin);
  const [old, after, ...others] = rest?.split(end) ?? [];
  if (old === undefined || after === undefined || more.length + others.length > 0) {
    throw new Error(`a document with figures needs the marks ${begin} and ${end}, once each`);
  }
  return `${before}${begin}\n${block}\n${end}${after}`;
}

/** Results, chart and the documents' blocks. */
export async function publish(results: Results): Promise<void> {
  await writeResults(results, folder);
  for (const [name, blockOf] of Object.entries(documents)) {
    const path = join(projectRoot, name);
    await writeFile(path, withBlock(await readFile(path, 'utf8'), blockOf(results)));
  }
}

/** latest.json and latest.svg. */
export async function writeResults(results: Results, into: string): Promise<void> {
  await writeFile(join(into, 'latest.json'), `${JSON.stringify(results, undefined, 2)}\n`);
  await writeFile(join(into, 'latest.svg'), chart(results));
}

export async function readPublished(): Promise<Results> {
  return JSON.parse(await readFile(join(folder, 'latest.json'), 'utf8')) as Results;
}
