import { MetricSet } from './metric-set.ts';
import { metricsText } from './metrics.ts';
import { renderPage } from './page/page.ts';
import { processFacts } from './process-facts.ts';
import type { StatusBoard } from './status-board.ts';

/** What a request is answered with. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export function plain(status: number, text: string, headers: Answer['headers'] = {}): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${text}\n`, headers };
}

/** Asked by machines that have no password to give; so they say nothing of what runs here. */
export function healthAnswer(path: string, board: StatusBoard): Answer | undefined {
  if (path === '/healthz') return board.isServing ? plain(200, 'ok') : plain(503, 'not serving');
  if (path === '/readyz') return board.isReady ? plain(200, 'ready') : plain(503, 'not ready');
  return undefined;
}

/** The page, its JSON, the metrics; undefined for another path. */
export async function statusAnswer(url: URL, board: StatusBoard): Promise<Answer | undefined> {
  switch (url.pathname) {
    case '/': {
      const filter = url.searchParams.get('q') ?? '';
      const body = renderPage(board.latest, filter);
      return { status: 200, contentType: 'text/html; charset=utf-8', body };
    }
    case '/status': {
      const body = `${JSON.stringify(board.latest)}\n`;
      return { status: 200, contentType: 'application/json; charset=utf-8', body };
    }
    case '/metrics': {
      const { isReady, logger } = board;
      const facts = await processFacts();
      const source = { status: board.latest, isReady, problemCounts: logger.counts, facts };
      return { status: 200, contentType: MetricSet.contentType, body: await metricsText(source) };
    }
    default:
      return undefined;
  }
}
