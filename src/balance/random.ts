import type { PickerPolicy } from './picker.ts';

/** Anyone, by weight. Weight 0 is picked only where no other is left (RFC 2782). */
export const random: PickerPolicy = (endpoints) => ({
  pick({ tried }) {
    const left = endpoints.filter((candidate) => !tried.has(candidate));
    const total = left.reduce((sum, candidate) => sum + candidate.weight, 0);
    if (total === 0) return left[Math.floor(Math.random() * left.length)];
    let ticket = Math.random() * total;
    for (const candidate of left) {
      ticket -= candidate.weight;
      if (ticket < 0) return candidate;
    }
    return left.at(-1);
  },
});
