import type { BackendStatus } from '../status.ts';
import { endpointTable } from './endpoint-table.ts';
import type { Shown } from './filter.ts';
import { bytes } from './format.ts';
import { type Html, html } from './html.ts';
import { badge, counted, factLine, more, section } from './pieces.ts';

/** Every backend with its endpoints. */
export function backendsSection(shown: Shown<BackendStatus>, at: number): Html {
  return section('backends', 'Backends', shown, 'No caller names a backend.', [
    shown.items.map((backend) => backendCard(backend, at)),
    more(shown),
  ]);
}

function backendCard(status: BackendStatus, at: number): Html {
  const { backend, state, options, problem, callers, connections, bytesUp, bytesDown, endpoints } = status;
  const chips = Object.entries(options).map(([name, value]) => `${name}=${value}`);
  const facts = [
    counted(callers, 'caller'),
    counted(connections, 'connection'),
    `${bytes(bytesUp)} up`,
    `${bytes(bytesDown)} down`,
  ];
  const whenEmpty = state === 'waiting' ? 'Its source has not answered yet.' : 'It has no endpoint.';
  return html`<article class="card" data-key="${[backend, ...chips].join(' ')}">
<header>${badge(state)}<h3>${backend}</h3>${chips.map((chip) => html`<span class="chip">${chip}</span>`)}${factLine(facts)}</header>
${problem !== undefined && html`<p class="problem">${problem}</p>`}
${endpointTable(endpoints, { at, counted: 'Connections', whenEmpty })}
</article>`;
}
