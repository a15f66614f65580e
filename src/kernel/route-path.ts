/** Which path serves a route, as far as is known. */
export type RoutePath =
  | { readonly kind: 'kernel' }
  /** `isPassing`: it will be decided in a moment. */
  | { readonly kind: 'proxy'; readonly reason: string; readonly isPassing: boolean };

export function byProxy(reason: string, isPassing = false): Extract<RoutePath, { kind: 'proxy' }> {
  return { kind: 'proxy', reason, isPassing };
}

/** `kernel`, `proxy (leastconn)` */
export function describePath(path: RoutePath): string {
  if (path.kind === 'kernel') return 'kernel';
  return path.reason === '' ? 'proxy' : `proxy (${path.reason})`;
}
