const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds that a text like `500ms`, `2s`, `1.5m` or `1h` means; undefined for anything else, also without a unit. */
export function parseDuration(text: string): number | undefined {
  const parts = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text);
  const factor = units[parts?.[2] ?? ''];
  return parts === null || factor === undefined ? undefined : Math.round(Number(parts[1]) * factor);
}

/** The shortest text that `parseDuration` reads back as `ms`. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's']) {
    const factor = units[unit] ?? 1;
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}
