/**
 * The status page: HTML from a status, whole and readable without scripts. `live.js` fetches it again every two seconds and
 * takes over what has changed, so that there is one place that writes HTML, and one that escapes.
 */
import type { Status } from '../status.ts';
import { backendsSection } from './backends.ts';
import { callersSection } from './callers.ts';
import { filterStatus } from './filter.ts';
import { bytes, count, duration, perSecond, timeOfDay } from './format.ts';
import { type Html, html, type Piece } from './html.ts';
import { badge } from './pieces.ts';
import { problemsSection } from './problems.ts';
import { sparkline } from './sparkline.ts';

/** As many points as a sparkline's width stands for. */
const historySlots = 60;

/** @param filter what the reader typed; at most as long as a request's target may be */
export function renderPage(status: Status, filter: string): string {
  const { nuncio } = status;
  const { backends, callers, problems } = filterStatus(status, filter);
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
<p id="live" class="live" role="status"><noscript>as of ${timeOfDay(nuncio.at).slice(11)} UTC</noscript></p>
</header>
<main id="main">
<section class="summary" data-key="summary">
<p>${badge(nuncio.state)} <strong>${nuncio.host}</strong> ${nuncio.mode}, up ${duration(nuncio.since, nuncio.at)}${
    status.traffic.listen !== undefined && html`, listening on <span class="mono">${status.traffic.listen}</span>`
  }</p>
${tiles(status)}
</section>
${backendsSection(backends, nuncio.at)}
${callersSection(callers)}
${problemsSection(problems, nuncio.at)}
<footer>Nuncio ${nuncio.version} · up since ${timeOfDay(nuncio.since)} UTC · <a href="status">JSON</a> · <a href="metrics">metrics</a></footer>
</main>
</body>
</html>
`.text;
}

function tiles({ traffic, backends }: Status): Html {
  const { rates, history } = traffic;
  const endpoints = backends.flatMap((backend) => backend.endpoints);
  const up = endpoints.filter(({ state }) => state === 'up').length;
  const line = (values: readonly number[]) => sparkline(values, historySlots);
  return html`<dl class="tiles">
${tile('Open connections', count(traffic.active), `at most ${count(traffic.maxConnections)}`)}
${tile('Connections', perSecond(rates.connectionsPerS), `${count(traffic.connections)} in all`, line(history.points.map((p) => p.connectionsPerS)))}
${tile('To endpoints', `${bytes(rates.bytesUpPerS)}/s`, `${bytes(traffic.bytesUp)} in all`, line(history.points.map((p) => p.bytesUpPerS)))}
${tile('To callers', `${bytes(rates.bytesDownPerS)}/s`, `${bytes(traffic.bytesDown)} in all`, line(history.points.map((p) => p.bytesDownPerS)))}
${tile('Refused', count(traffic.refused), perSecond(rates.refusedPerS))}
${tile('Endpoints up', count(up), `of ${count(endpoints.length)}`)}
</dl>`;
}

function tile(name: string, value: string, detail: string, line?: Piece): Html {
  return html`<div class="tile" data-key="${name}"><dt>${name}</dt><dd><span class="value">${value}</span> <span class="detail">${detail}</span>${line}</dd></div>`;
}
