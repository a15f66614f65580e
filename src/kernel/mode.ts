/** auto: where it works. off. require: or else no start. */
export const kernelModes = ['auto', 'off', 'require'] as const;
export type KernelMode = (typeof kernelModes)[number];
