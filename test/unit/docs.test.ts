/** What the documents name is there: files, scripts, flags, command lines. */
import assert from 'node:assert/strict';
import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { parseDescriptor } from '../../src/backend/parse.ts';
import { flags } from '../../src/cli/flags.ts';
import { parseCommand } from '../../src/cli/parse-command.ts';
import { documents as documentsWithFigures, readPublished, withBlock } from '../bench/report/blocks.ts';
import { chart } from '../bench/report/chart.ts';

const root = new URL('../..', import.meta.url).pathname;
const documents = [
  'README.md',
  'examples/README.md',
  ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
];

for (const document of documents) {
  const text = await readFile(join(root, document), 'utf8');

  describe(document, () => {
    it('links to files that are there', async () => {
      const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map((match) => match[1] ?? '');
      for (const link of links) await access(join(root, dirname(document), link));
    });

    it('names scripts and sources that are there', async () => {
      const paths = [...text.matchAll(/`(?:\.\/)?((?:scripts|src|test|docs|examples)\/[\w./-]+)/g)].map(
        (match) => match[1] ?? '',
      );
      for (const path of paths) await access(join(root, path));
    });

    it('names flags that there are', () => {
      const known = new Set(flags.map(({ name }) => name));
      // Those of docker, of node and of the project's own scripts.
      const others = new Set([
        ...'name compose-file expose to-destination to-ports cap-add restart stop-timeout link label pid rm privileged net ulimit max-semi-space-size'.split(
          ' ',
        ),
        ...'cgroupns icc security-opt'.split(' '),
        ...'down quick only paths save nuncio'.split(' '),
      ]);
      for (const [, name = ''] of text.matchAll(/(?<![\w-])--([a-z][a-z-]+)/g)) {
        assert.ok(known.has(name) || others.has(name), `--${name}`);
      }
    });

    it("shows command lines of nuncio's that parse", () => {
      const lines = text.replaceAll('\\\n', ' ').matchAll(/^.*docker run .*? nuncio (.*)$/gm);
      for (const [, line = ''] of lines) {
        const parsed = parseCommand(line.trim().split(/\s+/), {});
        assert.ok(parsed.ok, line);
      }
    });

    it('shows BACKEND_ values that parse', () => {
      for (const [, value = ''] of text.matchAll(/BACKEND_\d+=([\w.,:/?=&-]+[\w])(?=[\s`]|$)/gm)) {
        assert.ok(parseDescriptor(value).ok, value);
      }
    });
  });
}

describe('measured figures', () => {
  for (const [document, blockOf] of Object.entries(documentsWithFigures)) {
    it(`of ${document} are those of docs/benchmarks/latest.json`, async () => {
      const text = await readFile(join(root, document), 'utf8');
      const expected = withBlock(text, blockOf(await readPublished()));
      assert.equal(text, expected, 'run scripts/bench report');
    });
  }

  it('of the chart are those of docs/benchmarks/latest.json', async () => {
    const svg = await readFile(join(root, 'docs/benchmarks/latest.svg'), 'utf8');
    assert.equal(svg, chart(await readPublished()), 'run scripts/bench report');
  });
});

describe('docs/compatibility.md', () => {
  it('names for every row the tests that hold it, by file and title', async () => {
    const text = await readFile(join(root, 'docs/compatibility.md'), 'utf8');
    const rows = text.split('\n').filter((line) => /^\| (?!---|what it was)/.test(line));
    assert.ok(rows.length > 0);
    for (const row of rows) {
      const cell = row.split(' | ').at(-1)?.replace(/ \|$/, '') ?? '';
      if (/^none: ./.test(cell)) continue;
      for (const named of cell.split('<br>')) {
        const [, file, title = ''] = /^`(test\/[\w./-]+\.ts)`: (.{4,})$/.exec(named) ?? [];
        assert.ok(file !== undefined, `a test's file and title, or "none: " and why: ${row}`);
        const source = (await readFile(join(root, file), 'utf8')).replaceAll("\\'", "'");
        assert.ok(source.includes(title), `${file} has no test "${title}"`);
      }
    }
  });
});
