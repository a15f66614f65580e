import type { Shown } from './filter.ts';
import { count } from './format.ts';
import { type Html, html, type Piece } from './html.ts';

/** Words for states, and which colour they have. */
const tones: Readonly<Record<string, string>> = {
  up: 'good',
  ready: 'good',
  waiting: 'calm',
  starting: 'calm',
  draining: 'warn',
  degraded: 'warn',
  suspect: 'warn',
  warn: 'warn',
  ejected: 'bad',
  down: 'bad',
  refused: 'bad',
  error: 'bad',
};

/** A state: a word, and a dot in its colour. */
export function badge(state: string): Html {
  return html`<span class="badge ${tones[state] ?? 'calm'}">${state}</span>`;
}

/** A part of the page; one that has nothing to show says so. */
export function section(
  id: string,
  title: string,
  shown: Shown<unknown>,
  whenEmpty: string,
  content: Piece,
): Html {
  const { found, total } = shown;
  const number = found === total ? count(total) : `${count(found)} of ${count(total)}`;
  const nothing = total === 0 ? whenEmpty : 'Nothing fits the filter.';
  return html`<section id="${id}" data-key="${id}"><h2>${title} <span class="count">${number}</span></h2>
${found === 0 ? html`<p class="empty">${nothing}</p>` : content}</section>`;
}

/** That there is more than is shown, and how to get at it. */
export function more({ items, found }: Shown<unknown>, hint = ': narrow the filter'): Html | false {
  return found > items.length && html`<p class="more">and ${count(found - items.length)} more${hint}</p>`;
}

/** A line of small facts, each kept in one piece. */
export function factLine(facts: readonly string[], more = ''): Html {
  return html`<p class="facts${more}">${facts.map((fact) => fact.replaceAll(' ', '\u00a0')).join(' · ')}</p>`;
}

/** `1 caller`, `2,000 callers` */
export function counted(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? '' : 's'}`;
}
