import type { PickerPolicy } from './picker.ts';

/** The first that has not failed for this connection: one serves, the others stand by in the order of the list. */
export const first: PickerPolicy = (endpoints) => ({
  pick: ({ tried }) => endpoints.find((candidate) => !tried.has(candidate)),
});
