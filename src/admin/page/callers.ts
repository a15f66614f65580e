import type { CallerStatus, RouteStatus } from '../status.ts';
import type { Shown } from './filter.ts';
import { type Html, html } from './html.ts';
import { badge, more, section } from './pieces.ts';

/** Every container that may call, with what its ports lead to. */
export function callersSection(shown: Shown<CallerStatus>): Html {
  return section('callers', 'Callers', shown, 'No container runs that could call.', [
    html`<div class="card"><table class="callers">
<thead><tr><th scope="col">Container</th><th scope="col">Addresses</th><th scope="col">Routes</th></tr></thead>
<tbody>${shown.items.map(callerRow)}</tbody>
</table></div>`,
    more(shown),
  ]);
}

function callerRow({ id, name, addresses, routes }: CallerStatus): Html {
  return html`<tr data-key="${id}">
<th scope="row">${name}</th>
<td data-label="Addresses" class="mono">${addresses.length === 0 ? 'any' : addresses.join(' ')}</td>
<td data-label="Routes">${
    routes.length === 0
      ? html`<span class="since">it names no backend</span>`
      : html`<ul class="routes">${routes.map(routeLine)}</ul>`
  }</td>
</tr>`;
}

function routeLine({ port, state, backend, reason, path, pathReason }: RouteStatus): Html {
  return html`<li>${badge(state)} <span class="mono">${port}</span> <span class="arrow" aria-hidden="true">→</span> ${backend === undefined ? html`<span class="reason">${reason}</span>` : html`<span class="target">${backend}</span>`}${path !== undefined && html` <span class="chip"${pathReason !== undefined && html` title="${pathReason}"`}>${path}</span>`}</li>`;
}
