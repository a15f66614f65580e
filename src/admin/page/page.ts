/**
 * The status page: HTML from a status, whole and readable without scripts. `live.js` fetches it again every two seconds and
 * takes over what has changed, so that there is one place that writes HTML, and one that escapes.
 */
import type { Status } from '../status.ts';
import { backendsSection } from './backends.ts';
import { callersSection } from './callers.ts';
import { filterStatus } from './filter.ts';
import { bytes, count, dateTime, duration, perSecond } from './format.ts';
import { gatewaySections } from './gateway.ts';
import { type Html, html, type Piece } from './html.ts';
import { badge } from './pieces.ts';
import { problemsSection } from './problems.ts';
import { registrationSection } from './registration.ts';
import { sparkline } from './sparkline.ts';

/** As many points as a sparkline's width stands for. */
const historySlots = 60;

/** @param filter what the reader typed; at most as long as a request's target may be */
export function renderPage(status: Status, filter: string): string {
  const { nuncio, gateway, registration, backends, callers } = status;
  // Who only registers, or only serves what is registered, knows no callers.
  const isOmni = gateway === undefined && registration === undefined;
  const { listen } = status.traffic;
  const filtered = filterStatus(status, filter);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${nuncio.host} · ${nuncio.state} · Nuncio</title>
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="style.css">
<script type="module" src="live.js"></script>
</head>
<body>
<header class="top">
<h1><img src="icon.svg" alt="" width="28" height="28">Nuncio</h1>
<form role="search"><input type="search" name="q" value="${filter}" placeholder="Filter" aria-label="Filter by container, backend, address or state" autocomplete="off" spellcheck="false" maxlength="200"></form>
<p id="live" class="live" role="status"><noscript>as of ${dateTime(nuncio.at).slice(11)} UTC</noscript></p>
</header>
<main id="main">
<section class="summary" data-key="summary">
<p>${badge(nuncio.state)} <strong>${nuncio.host}</strong> ${nuncio.mode}, up ${duration(nuncio.since, nuncio.at)}${
    listen.length > 0 && html`, listening on <span class="mono">${listen.join(' ')}</span>`
  }</p>
${tiles(status)}
</section>
${registration !== undefined && registrationSection(registration)}
${gateway !== undefined && gatewaySections(gateway, filtered, nuncio.at)}
${(backends.length > 0 || isOmni) && backendsSection(filtered.backends, nuncio.at)}
${(callers.length > 0 || isOmni) && callersSection(filtered.callers)}
${problemsSection(filtered.problems, nuncio.at)}
<footer>Nuncio ${nuncio.version} · up since ${dateTime(nuncio.since)} UTC · <a href="status">JSON</a> · <a href="metrics">metrics</a></footer>
</main>
</body>
</html>
`.text;
}

function tiles({ traffic, backends, gateway }: Status): Html {
  const { rates, history } = traffic;
  const sets = [...backends, ...(gateway?.applications ?? []), ...(gateway?.services ?? [])];
  const endpoints = sets.flatMap((set) => set.endpoints);
  const up = endpoints.filter(({ state }) => state === 'up').length;
  const byKernel = traffic.kernel === undefined ? '' : `, ${count(traffic.kernel.connections)} by kernel`;
  const inAll = `${count(traffic.connections)} in all${byKernel}`;
  const line = (values: readonly number[]) => sparkline(values, historySlots);
  return html`<dl class="tiles">
${tile('Open connections', count(traffic.active), traffic.maxConnections > 0 ? `at most ${count(traffic.maxConnections)}` : '')}
${tile('Connections', perSecond(rates.connectionsPerS), inAll, line(history.points.map((p) => p.connectionsPerS)))}
${tile('To endpoints', `${bytes(rates.bytesUpPerS)}/s`, `${bytes(traffic.bytesUp)} in all`, line(history.points.map((p) => p.bytesUpPerS)))}
${tile('To callers', `${bytes(rates.bytesDownPerS)}/s`, `${bytes(traffic.bytesDown)} in all`, line(history.points.map((p) => p.bytesDownPerS)))}
${gateway !== undefined && tile('Requests', perSecond(gateway.http.requestsPerSecond), `${count(gateway.http.requests)} in all`)}
${tile('Refused', count(traffic.refused), 'connections')}
${tile('Endpoints up', count(up), `of ${count(endpoints.length)}`)}
</dl>`;
}

function tile(name: string, value: string, detail: string, line?: Piece): Html {
  return html`<div class="tile" data-key="${name}"><dt>${name}</dt><dd><span class="value">${value}</span> <span class="detail">${detail}</span>${line}</dd></div>`;
}
