import type { Lead } from '../localhost/lead.ts';
import { clearLead, setLead } from '../localhost/rules.ts';
import { linuxNamespace } from '../localhost/system.ts';

/** `nuncio localhost-rules set 172.17.0.2 6379,3306`, `… clear [172.17.0.2]`: what the ambassador runs in a caller's namespace. */
export type LocalhostTask =
  | { readonly kind: 'set'; readonly lead: Lead }
  | { readonly kind: 'clear'; readonly address?: string };

/**
 * @returns a line of JSON
 * @throws AppError as `setLead`, `clearLead`
 */
export async function runLocalhostTask(task: LocalhostTask): Promise<string> {
  const system = await linuxNamespace();
  return JSON.stringify(
    task.kind === 'set'
      ? await setLead(task.lead, system)
      : { cleared: await clearLead(task.address, system) },
  );
}
