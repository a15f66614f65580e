import type { Problem } from '../status.ts';
import type { Shown } from './filter.ts';
import { count, dateTime, duration } from './format.ts';
import { type Html, html } from './html.ts';
import { badge, more, section } from './pieces.ts';

/** The latest warnings and errors of the log. */
export function problemsSection(shown: Shown<Problem>, at: number): Html {
  return section('problems', 'Recent warnings and errors', shown, 'None.', [
    html`<ul class="card lines">${shown.items.map(
      ({ level, message, last, code, count: times }) => html`<li data-key="${message}">
${badge(level)} <span class="message">${message}</span>${code !== undefined && html` <span class="code">${code}</span>`}${
        times > 1 && html` <span class="chip">${count(times)} times</span>`
      } <time class="since" title="${dateTime(last)} UTC">${duration(last, at)} ago</time></li>`,
    )}</ul>`,
    more(shown),
  ]);
}
