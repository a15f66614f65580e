import { randomBytes } from 'node:crypto';
import { AppError, messageOf } from '../core/errors.ts';
import { fail, ok } from '../core/result.ts';
import type { Container } from '../docker/container.ts';
import type { HelperEngine } from '../docker/engine.ts';
import { runHelper } from '../docker/helper-container.ts';
import type { NamespaceEntry } from './entry.ts';

/** On every container of Nuncio's image (Dockerfile). */
const imageLabel = { name: 'org.opencontainers.image.title', value: 'Nuncio' } as const;

export interface HelperEntryOptions {
  readonly engine: HelperEngine;
  readonly containers: ReadonlyMap<string, Container>;
  /** The ambassador's own container, or that whose network it shares. */
  readonly selfId: string | undefined;
  readonly owner: string;
  /** This program's own command, without arguments. */
  readonly program: readonly string[];
}

/** Entry by a short-lived container of our own image in the other one's network, with NET_ADMIN and nothing else. */
export function enterByHelper(options: HelperEntryOptions): NamespaceEntry {
  const { engine, owner, program } = options;
  return {
    name: 'helper container',
    async run(container, args, signal) {
      const image = findImage(options);
      if (image === undefined) {
        const reason =
          "no container of Nuncio's image runs here to make one from (run this one with --pid=host)";
        return fail(new AppError('ERR_RULES', reason));
      }
      const name = `nuncio-localhost-${container.id.slice(0, 12)}-${randomBytes(4).toString('hex')}`;
      const hostConfig = {
        NetworkMode: `container:${container.id}`,
        CapDrop: ['ALL'],
        CapAdd: ['NET_ADMIN'],
        ReadonlyRootfs: true,
        SecurityOpt: ['no-new-privileges'],
      };
      try {
        const command = [...program, ...args];
        const output = await runHelper(engine, { name, owner, image, command, hostConfig }, signal);
        if (output.stdout !== '') return ok(output.stdout);
        const reason = output.stderr.trim().replace(/^nuncio: /, '') || 'it ended without a word';
        return fail(new AppError('ERR_RULES', reason));
      } catch (thrown) {
        return fail(new AppError('ERR_RULES', messageOf(thrown), { cause: thrown }));
      }
    },
  };
}

/** The ambassador's own image; with `--net container:X` that is X's, so one is looked for that is ours. */
function findImage({ containers, selfId }: HelperEntryOptions): string | undefined {
  const isOurs = ({ labels }: Container) => labels.get(imageLabel.name) === imageLabel.value;
  const self = containers.get(selfId ?? '');
  const found = self !== undefined && isOurs(self) ? self : [...containers.values()].find(isOurs);
  return (found ?? self)?.image || undefined;
}
