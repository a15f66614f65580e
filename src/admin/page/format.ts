/** Numbers and times as a person reads them. */

/** `1,234,567` */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** At most three digits before the unit: `0 B`, `1.2 kB`, `34 MB`; decimal units. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let rest = value;
  let unit = 0;
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${short(rest)} ${units[unit]}`;
}

/** A number per second, small ones with a decimal: `0.4/s`. */
export function perSecond(value: number): string {
  return `${value > 0 && value < 0.1 ? '<0.1' : short(value)}/s`;
}

function short(value: number): string {
  return value < 9.95 ? String(Number(value.toFixed(1))) : count(value);
}

/** How long it was from one time to another, in its two largest units: `3 d 4 h`, `12 min`, `5 s`. */
export function duration(from: number, to: number): string {
  const seconds = Math.max(0, Math.floor((to - from) / 1000));
  const [d, h, min, s] = [seconds / 86_400, (seconds / 3600) % 24, (seconds / 60) % 60, seconds % 60].map(
    Math.floor,
  );
  if (d) return h ? `${d} d ${h} h` : `${d} d`;
  if (h) return min ? `${h} h ${min} min` : `${h} h`;
  return min ? `${min} min` : `${s} s`;
}

/** `2026-11-21 13:05:09`; UTC. @param at epoch ms */
export function dateTime(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
