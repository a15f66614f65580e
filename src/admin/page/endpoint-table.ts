import type { EndpointStatus } from '../status.ts';
import { bytes, count, dateTime, duration, perSecond } from './format.ts';
import { type Html, html } from './html.ts';
import { badge } from './pieces.ts';

/** Endpoints of one set that are shown; the others are counted. */
const maxEndpoints = 50;

export interface EndpointTableOptions {
  /** Epoch ms. */
  readonly at: number;
  /** What is counted: "Connections", "Requests". */
  readonly counted: string;
  /** Where there is no endpoint. */
  readonly whenEmpty?: string;
}

/** The endpoints of a backend, an application or a service: the worst first. */
export function endpointTable(endpoints: readonly EndpointStatus[], options: EndpointTableOptions): Html {
  if (endpoints.length === 0) {
    return html`<p class="empty">${options.whenEmpty ?? 'It has no endpoint.'}</p>`;
  }
  const titles = ['Endpoint', 'State', 'Open', options.counted, 'Rate', 'Failed', 'Up', 'Down'];
  const left = endpoints.length - maxEndpoints;
  const shown = endpoints
    .toSorted((a, b) => Number(a.state === 'up') - Number(b.state === 'up'))
    .slice(0, maxEndpoints);
  return html`<table class="endpoints">
<thead><tr>${titles.map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${shown.map((endpoint) => row(endpoint, options))}</tbody>
</table>${left > 0 && html`<p class="more">and ${count(left)} endpoints more: /status has them all</p>`}`;
}

function row(endpoint: EndpointStatus, { at, counted }: EndpointTableOptions): Html {
  const { address, name, state, since, failure, failures, rates, weight, priority, kernelConnections } =
    endpoint;
  const isNamed = name !== address && !address.startsWith(`${name}:`) && !address.startsWith(`[${name}]:`);
  return html`<tr data-key="${address}">
<th scope="row"><span class="mono">${address}</span>${isNamed && html` <span class="name">${name}</span>`}${
    weight !== 1 && html` <span class="chip">weight ${weight}</span>`
  }${priority !== 0 && html` <span class="chip">priority ${priority}</span>`}</th>
<td data-label="State">${badge(state)} <span class="since" title="since ${dateTime(since)} UTC">${duration(since, at)}</span>${
    failure !== undefined && html` <span class="code">${failure}</span>`
  }</td>
<td data-label="Open">${count(endpoint.active)}</td>
<td data-label="${counted}">${count(endpoint.connections)}${kernelConnections > 0 && html` <span class="rate">${count(kernelConnections)} by kernel</span>`}</td>
<td data-label="Rate">${perSecond(rates.connectionsPerS)}</td>
<td data-label="Failed"${failures > 0 && html` class="bad"`}>${count(failures)}</td>
<td data-label="Up">${bytes(endpoint.bytesUp)} <span class="rate">${bytes(rates.bytesUpPerS)}/s</span></td>
<td data-label="Down">${bytes(endpoint.bytesDown)} <span class="rate">${bytes(rates.bytesDownPerS)}/s</span></td>
</tr>`;
}
