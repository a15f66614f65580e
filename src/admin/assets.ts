import { readFile } from 'node:fs/promises';

/** A file that the page loads. */
export interface Asset {
  readonly body: Buffer;
  readonly contentType: string;
}

const contentTypes = {
  'style.css': 'text/css; charset=utf-8',
  'live.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;

/** The page's files, by their path on the server; they stand beside this module in the sources and in the build. */
export async function readAssets(): Promise<ReadonlyMap<string, Asset>> {
  const entries = Object.entries(contentTypes).map(async ([name, contentType]) => {
    const body = await readFile(new URL(`./page/${name}`, import.meta.url));
    return [`/${name}`, { body, contentType }] as const;
  });
  return new Map(await Promise.all(entries));
}
