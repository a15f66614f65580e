# shellcheck shell=bash
# The machine's Docker engine: the one that runs, or one that we start and can stop again.
# Needs lib/progress.sh and lib/packages.sh.

ENGINE_STATE=/run/nuncio-engine # dockerd's pid, the script that started it, its log

# Makes an engine answer. OWNER is the script's name: it is what may stop an engine started here.
engine_up() {
  local owner=$1
  need_packages docker=docker.io
  has_command docker || need_packages docker-cli # a package of its own from Debian 13 on
  engine_answers && return 0
  [ "$(id -u)" -eq 0 ] || die 'no Docker engine answers, and starting one needs root; run this as root'
  has_command dockerd || need_packages dockerd=docker.io
  if [ -d /run/systemd/system ]; then
    step 'starting the Docker service'
    quietly systemctl start docker || die 'systemd could not start docker; see above'
    engine_wait 30 || die "the Docker service runs but does not answer: $(docker version 2>&1 | tail -n 1)"
    return 0
  fi
  step 'starting the Docker engine'
  mkdir -p "$ENGINE_STATE"
  dockerd >"$ENGINE_STATE/log" 2>&1 </dev/null &
  printf '%s\n' "$!" >"$ENGINE_STATE/pid"
  printf '%s\n' "$owner" >"$ENGINE_STATE/owner"
  disown
  if ! engine_wait 60; then
    tail -n 30 "$ENGINE_STATE/log" >&2
    engine_stop "$owner"
    die 'dockerd did not come up; the end of its log is above'
  fi
}

engine_answers() { docker version >/dev/null 2>&1; }

# Waits up to SECONDS for the engine; gives up at once when the dockerd that we started is gone.
engine_wait() {
  local tries=$(($1 * 5))
  while [ "$tries" -gt 0 ]; do
    engine_answers && return 0
    [ ! -f "$ENGINE_STATE/pid" ] || engine_is_ours || return 1
    sleep 0.2
    tries=$((tries - 1))
  done
  return 1
}

# Whether the dockerd of the state file still runs: its pid may have been given to another program meanwhile, and
# where nobody reaps orphans (no init system) a dockerd that has ended stays as a zombie, which has no command line.
engine_is_ours() {
  [ -f "$ENGINE_STATE/pid" ] || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$ENGINE_STATE/pid")/cmdline" | grep -q '^[^ ]*dockerd '
}

# Stops the engine where OWNER started it; any other one stays.
engine_stop() {
  local pid tries=150
  [ "$(cat "$ENGINE_STATE/owner" 2>/dev/null)" = "$1" ] || return 0
  if engine_is_ours; then
    step 'stopping the Docker engine that was started here'
    pid=$(cat "$ENGINE_STATE/pid")
    kill "$pid" 2>/dev/null || true
    while engine_is_ours && [ "$tries" -gt 0 ]; do
      sleep 0.2
      tries=$((tries - 1))
    done
    ! engine_is_ours || die "dockerd (pid $pid) does not end; look at $ENGINE_STATE/log"
  fi
  rm -rf "$ENGINE_STATE"
}
