# shellcheck shell=bash
# Counts tests from the summaries that Node's runner prints ("ℹ pass 12", or "# pass 12" in its TAP form).

TOTAL_PASSED=0
TOTAL_FAILED=0

# count_tests EXIT_CODE <OUTPUT: sets STAGE_PASSED, STAGE_FAILED and STAGE_SKIPPED, adds the first two to the totals.
# A test that was cancelled has not passed, so it failed; a stage that failed, or ran no test at all, counts
# as one failure where no test says so itself.
count_tests() {
  local mark word number
  STAGE_PASSED=0
  STAGE_FAILED=0
  STAGE_SKIPPED=0
  while read -r mark word number; do
    case "$mark $word" in
    'ℹ pass' | '# pass') STAGE_PASSED=$((STAGE_PASSED + number)) ;;
    'ℹ fail' | '# fail' | 'ℹ cancelled' | '# cancelled') STAGE_FAILED=$((STAGE_FAILED + number)) ;;
    'ℹ skipped' | '# skipped') STAGE_SKIPPED=$((STAGE_SKIPPED + number)) ;;
    esac
  done < <(grep -E '^(ℹ|#) (pass|fail|cancelled|skipped) [0-9]+$')
  if [ "$STAGE_FAILED" -eq 0 ] && { [ "$1" -ne 0 ] || [ "$STAGE_PASSED" -eq 0 ]; }; then STAGE_FAILED=1; fi
  TOTAL_PASSED=$((TOTAL_PASSED + STAGE_PASSED))
  TOTAL_FAILED=$((TOTAL_FAILED + STAGE_FAILED))
}
