/** What a client or an endpoint may take of the gateway. */
export interface HttpLimits {
  /** A request's head, bytes; longer ones are answered with 431. */
  readonly maxHead: number;
  /** How long the gateway waits, ms: for the next request, for a whole head, for more of a body, and so on. */
  readonly waits: Readonly<
    Record<'idle' | 'head' | 'body' | 'answer' | 'down' | 'closing' | 'relay', number>
  >;
}

/**
 * @param answerMs how long an application may take to begin its answer
 */
export function httpLimits(answerMs: number): HttpLimits {
  return {
    maxHead: 32_768,
    waits: {
      idle: 60_000,
      head: 10_000,
      body: 60_000,
      answer: answerMs,
      down: 300_000,
      closing: 2000,
      relay: Number.POSITIVE_INFINITY,
    },
  };
}
