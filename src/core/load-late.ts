import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const load = createRequire(import.meta.url);

/**
 * A package that is loaded where it is first needed, because most ambassadors never need it and it takes tens of
 * megabytes.
 *
 * @returns what `import … from name` would be: the package's `module.exports`
 */
export function loadLate<T>(name: string): T {
  return load(name) as T;
}

/** `import … from 'node:http'` asks for each of its names, WebSocket among them, and that one is 8 MB. */
export const http = () => loadLate<typeof import('node:http')>('node:http');
export const https = () => loadLate<typeof import('node:https')>('node:https');

/**
 * Takes the place of one file of a package, before the package is loaded: what it would have loaded in turn is not.
 *
 * @param file as `require` would resolve it, in the package `user` where that is given
 */
export function replaceFile(file: string, exported: unknown, user?: string): void {
  const id = load.resolve(file, user === undefined ? undefined : { paths: [dirname(load.resolve(user))] });
  load.cache[id] ??= Object.assign(Object.create(null), {
    id,
    filename: id,
    loaded: true,
    exports: exported,
    children: [],
    paths: [],
  }) as NodeJS.Module;
}
