# shellcheck shell=bash
# What a script says while it works: progress on stderr, everything else in a log that is shown when something fails.
#
#     log_to quickstart
#     step 'building the image'
#     quietly docker build .

# Begins the script's log: .cache/NAME.log under the project.
log_to() {
  LOG_FILE=$ROOT/.cache/$1.log
  mkdir -p "$ROOT/.cache"
  : >"$LOG_FILE"
}

step() { printf '==> %s\n' "$*" >&2; }

note() { printf '    %s\n' "$*" >&2; }

# Gives up with one sentence: what is wrong and what to do.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Runs a command into the log; its output is shown only where it fails. Answers with the command's exit code.
quietly() {
  local from code=0
  from=$(wc -c <"$LOG_FILE")
  printf '+ %s\n' "$*" >>"$LOG_FILE"
  "$@" >>"$LOG_FILE" 2>&1 </dev/null || code=$?
  if [ "$code" -ne 0 ]; then
    tail -c "+$((from + 1))" "$LOG_FILE" | tail -n 200 >&2
    note "the command failed with exit code $code; the full log is $LOG_FILE"
  fi
  return "$code"
}
