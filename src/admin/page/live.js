// Keeps the status page up to date: fetches it again, and takes over what has changed, so that scroll position, selection
// and focus stay. Nothing here writes HTML; the server has escaped every name.

const everyMs = 2000;
const timeoutMs = 8000;
const form = document.querySelector('form');
const filter = document.querySelector('input');
const live = document.getElementById('live');
let timer;
let underway;

/** What tells an element from its neighbours. */
function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? `${node.tagName} ${node.dataset.key ?? ''}` : node.nodeName;
}

/** Makes `old` equal to `fresh`, by as few changes as its keys allow. */
function become(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const left = new Map();
  for (const child of old.childNodes) {
    const key = keyOf(child);
    left.set(key, [...(left.get(key) ?? []), child]);
  }
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = left.get(keyOf(wanted))?.shift();
    if (known === undefined) {
      old.insertBefore(document.importNode(wanted, true), place);
      continue;
    }
    become(known, wanted);
    if (known === place) place = place.nextSibling;
    else old.insertBefore(known, place);
  }
  for (const children of left.values()) for (const child of children) child.remove();
}

function show(state, text) {
  live.dataset.state = state;
  live.textContent = text;
}

async function refresh() {
  clearTimeout(timer);
  underway?.abort();
  const mine = new AbortController();
  underway = mine;
  try {
    const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(timeoutMs)]);
    const answer = await fetch(location.href, { signal, cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status === 401 ? 'reload to log in' : `answers ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (mine.signal.aborted) return;
    become(document.getElementById('main'), page.getElementById('main'));
    document.title = page.title;
    show('live', 'live');
  } catch (error) {
    if (mine.signal.aborted) return;
    const isSilent = error.name === 'TypeError' || error.name === 'TimeoutError';
    // The time stays: that of the moment since when nothing has come.
    if (live.dataset.state !== 'lost') {
      const since = new Date().toLocaleTimeString();
      show('lost', isSilent ? `no answer since ${since}` : error.message);
    }
  }
  if (!document.hidden) timer = setTimeout(refresh, everyMs);
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});

filter.addEventListener('input', () => {
  const address = new URL(location.href);
  if (filter.value === '') address.searchParams.delete('q');
  else address.searchParams.set('q', filter.value);
  history.replaceState(null, '', address);
  clearTimeout(timer);
  timer = setTimeout(refresh, 150);
});

form.addEventListener('submit', (event) => {
  event.preventDefault();
  refresh();
});

show('live', 'live');
timer = setTimeout(refresh, everyMs);
