/**
 * A long-lived piece of the ambassador. Parts are started in layer order and stopped in reverse.
 * `stop` may be called twice, and before `start`; after it no timer, socket, watch or rule of the part is left.
 */
export interface Part {
  /** @throws AppError where the part cannot do its work; what it had begun by then is undone. */
  start(): Promise<void>;
  /** @param deadlineMs how long what is under way may still take; then it is cut off */
  stop(deadlineMs: number): Promise<void>;
}
