/**
 * The line of a verifier's log that says why a program was refused, in at most 200 characters.
 *
 * The log ends with statistics ("processed 42 insns …"), and before them stands the reason; instructions and register
 * states stand between. "unknown func" and "invalid func" mean a helper that this kernel does not have.
 *
 * @returns undefined where the log has no line
 * Source: Linux kernel/bpf/verifier.c
 */
export function refusalReason(log: string): string | undefined {
  const lines = log
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !isNoReason(line));
  return lines.at(-1)?.slice(0, 200);
}

/** Statistics, and instructions with the states of registers: `12: (85) call bpf_map_lookup_elem#1`, `R1=ctx() R10=fp0`. */
function isNoReason(line: string): boolean {
  return /^(processed \d+ insns|verification time|stack depth|\d+: |R\d+[_=]|; |from \d+ to \d+|-- )/.test(
    line,
  );
}
