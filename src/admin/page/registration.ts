import type { RegistrationStatus } from '../status.ts';
import { count } from './format.ts';
import { type Html, html } from './html.ts';
import { badge } from './pieces.ts';

/** What this host's containers have in the registry, and what they have not. */
export function registrationSection({ isConnected, wanted, written, problems }: RegistrationStatus): Html {
  const state = isConnected ? (written === wanted ? 'up' : 'degraded') : 'down';
  const silence = isConnected ? '' : ', and the registry does not answer';
  return html`<section id="registration" data-key="registration"><h2>Registration</h2>
<div class="card"><p>${badge(state)} ${count(written)} of ${count(wanted)} entries registered${silence}</p>
${problems.length > 0 && html`<ul class="lines">${problems.map((problem) => html`<li data-key="${problem}">${problem}</li>`)}</ul>`}</div></section>`;
}
