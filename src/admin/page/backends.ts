import type { BackendStatus, EndpointStatus } from '../status.ts';
import type { Shown } from './filter.ts';
import { bytes, count, duration, perSecond, timeOfDay } from './format.ts';
import { type Html, html } from './html.ts';
import { badge, more, section } from './pieces.ts';

/** Endpoints of one backend that are shown; the others are counted. */
const maxEndpoints = 50;

/** Every backend with its endpoints. */
export function backendsSection(shown: Shown<BackendStatus>, at: string): Html {
  return section('backends', 'Backends', shown, 'No caller names a backend.', [
    shown.items.map((backend) => backendCard(backend, at)),
    more(shown),
  ]);
}

function backendCard(status: BackendStatus, at: string): Html {
  const { backend, state, options, problem, callers, endpoints } = status;
  return html`<article class="card" data-key="${backend} ${JSON.stringify(options)}">
<header>${badge(state)}<h3>${backend}</h3>${Object.entries(options).map(
    ([name, value]) => html`<span class="chip">${name}=${value}</span>`,
  )}<p class="facts">${callers === 1 ? '1 caller' : `${count(callers)} callers`} · ${count(status.connections)} connections · ${bytes(
    status.bytesUp,
  )} up · ${bytes(status.bytesDown)} down</p></header>
${problem !== undefined && html`<p class="problem">${problem}</p>`}
${endpoints.length === 0 ? html`<p class="empty">${state === 'waiting' ? 'Its source has not answered yet.' : 'It has no endpoint.'}</p>` : endpointTable(endpoints, at)}
</article>`;
}

function endpointTable(endpoints: readonly EndpointStatus[], at: string): Html {
  return html`<table>
<thead><tr><th scope="col">Endpoint</th><th scope="col">State</th><th scope="col">Open</th><th scope="col">Connections</th><th scope="col">Rate</th><th scope="col">Failed</th><th scope="col">Up</th><th scope="col">Down</th></tr></thead>
<tbody>${endpoints.slice(0, maxEndpoints).map((endpoint) => endpointRow(endpoint, at))}</tbody>
</table>${
    endpoints.length > maxEndpoints &&
    html`<p class="more">and ${count(endpoints.length - maxEndpoints)} endpoints more: /status has them all</p>`
  }`;
}

function endpointRow(endpoint: EndpointStatus, at: string): Html {
  const { address, name, state, since, failure, rates } = endpoint;
  const ip = address.slice(0, address.lastIndexOf(':'));
  const isNamed = name !== ip && name !== address;
  return html`<tr data-key="${address}">
<th scope="row"><span class="mono">${address}</span>${isNamed && html` <span class="name">${name}</span>`}${
    (endpoint.weight !== 1 || endpoint.priority !== 0) &&
    html` <span class="chip">priority ${endpoint.priority}, weight ${endpoint.weight}</span>`
  }</th>
<td data-label="State">${badge(state)} <span class="since" title="since ${timeOfDay(since)} UTC">${duration(since, at)}</span>${failure !== undefined && html` <span class="code">${failure}</span>`}</td>
<td data-label="Open">${count(endpoint.active)}</td>
<td data-label="Connections">${count(endpoint.connections)}</td>
<td data-label="Rate">${perSecond(rates.connectionsPerS)}</td>
<td data-label="Failed"${endpoint.failures > 0 && html` class="bad"`}>${count(endpoint.failures)}</td>
<td data-label="Up">${bytes(endpoint.bytesUp)} <span class="rate">${bytes(rates.bytesUpPerS)}/s</span></td>
<td data-label="Down">${bytes(endpoint.bytesDown)} <span class="rate">${bytes(rates.bytesDownPerS)}/s</span></td>
</tr>`;
}
