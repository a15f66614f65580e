import type { ApplicationView, GatewayView, ServiceView } from '../status.ts';
import { endpointTable } from './endpoint-table.ts';
import type { FilteredStatus, Shown } from './filter.ts';
import { bytes, count, perSecond } from './format.ts';
import { type Html, html } from './html.ts';
import { badge, counted, factLine, more, section } from './pieces.ts';

/** What the gateway serves, and what of the registry it cannot use. */
export function gatewaySections(
  { http, registry }: GatewayView,
  { applications, services, skipped }: FilteredStatus,
  at: number,
): Html {
  const facts = [
    ...(http.address === undefined ? ['not listening'] : [`listening on ${http.address}`]),
    `${perSecond(http.requestsPerSecond).replace('/s', '')} requests/s`,
    counted(http.requests, 'request'),
    `${count(http.refused)} refused`,
    counted(http.connections, 'open connection'),
  ];
  const state = registry.problem === undefined ? (registry.isRead ? 'up' : 'waiting') : 'degraded';
  return html`<p class="registry" data-key="registry">${badge(state)} <span class="mono">${registry.text}</span> ${registry.problem}</p>
${section('applications', 'Applications', applications, 'No application is registered.', [
  factLine(facts, ' under'),
  applications.items.map((application) => applicationCard(application, at)),
  more(applications),
])}
${section('services', 'Services', services, 'No service is registered.', [
  services.items.map((service) => serviceCard(service, at)),
  more(services),
])}
${skipped.total > 0 && skippedSection(skipped)}`;
}

function applicationCard(application: ApplicationView, at: number): Html {
  const { domain, state, served, answers, requestsPerSecond, bytesUp, bytesDown, endpoints } = application;
  const classes = answers.flatMap((number, digit) =>
    digit > 0 && number > 0 ? [`${digit}xx ${count(number)}`] : [],
  );
  const facts = [
    `${perSecond(requestsPerSecond).replace('/s', '')} requests/s`,
    counted(served, 'request'),
    ...classes,
    `${bytes(bytesUp)} up`,
    `${bytes(bytesDown)} down`,
  ];
  return html`<article class="card" data-key="${domain}">
<header>${badge(state)}<h3>${domain}</h3>${factLine(facts)}</header>
${endpointTable(endpoints, { at, counted: 'Requests' })}
</article>`;
}

const portStates: Readonly<Record<ServiceView['state'], string>> = {
  listening: 'listening',
  'by-link-only': 'by link only',
  'port-taken': 'port taken',
};

function serviceCard(service: ServiceView, at: number): Html {
  const { name, port, state, health, problem, active, served, refused, rates, endpoints } = service;
  const facts = [
    portStates[state],
    perSecond(rates.connectionsPerS),
    counted(served, 'connection'),
    `${count(active)} open`,
    `${count(refused)} refused`,
  ];
  return html`<article class="card" data-key="${name} ${port}">
<header>${badge(state === 'port-taken' ? 'down' : health)}<h3>${name}</h3><span class="chip">port ${port}</span>${factLine(facts)}</header>
${problem !== undefined && html`<p class="problem">${problem}</p>`}
${endpointTable(endpoints, { at, counted: 'Connections' })}
</article>`;
}

function skippedSection(skipped: Shown<{ readonly key: string; readonly reason: string }>): Html {
  return section('skipped', 'Keys that cannot be used', skipped, 'None.', [
    html`<ul class="card lines">${skipped.items.map(
      ({ key, reason }) =>
        html`<li data-key="${key}"><span class="mono">${key}</span> <span class="since">${reason}</span></li>`,
    )}</ul>`,
    more(skipped, ''),
  ]);
}
