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
      const paths = [...text.matchAll(/`(?:\.\/)?((?:scripts|src|test|docs)\/[\w./-]+)/g)].map(
        (match) => match[1] ?? '',
      );
      for (const path of paths) await access(join(root, path));
    });

    it('names flags that there are', () => {
      const known = new Set(flags.map(({ name }) => name));
      // Those of docker, of node and of the project's own scripts.
      const others = new Set([
        ...'name cap-add restart stop-timeout link label pid rm privileged net ulimit max-semi-space-size'.split(
          ' ',
        ),
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
