# shellcheck shell=bash
# A Consul to test with. Debian 12 has none, Debian 11 has 1.8: its package is unpacked into .cache/consul, and nothing
# else of the machine changes. The tests look there, or where NUNCIO_CONSUL says.
# Needs lib/progress.sh.

CONSUL_HOME=$ROOT/.cache/consul
CONSUL_SUITE=bullseye
CONSUL_KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

# Makes a consul binary be there, and verifies that it runs.
consul_ready() {
  local binary=${NUNCIO_CONSUL:-$CONSUL_HOME/usr/bin/consul} repository
  if [ -n "${NUNCIO_CONSUL:-}" ]; then
    consul_runs "$binary" || die "NUNCIO_CONSUL=$binary is no consul binary that runs here; correct it or unset it"
    return 0
  fi
  consul_runs "$binary" && return 0
  command -v apt-get >/dev/null ||
    die 'the tests need Consul and this machine has no apt-get: set NUNCIO_CONSUL to a consul binary (1.8 or newer)'
  step "unpacking consul of Debian $CONSUL_SUITE into .cache/consul"
  rm -rf "$CONSUL_HOME"
  while read -r repository; do
    if consul_unpack "$repository" && consul_runs "$binary"; then return 0; fi
  done < <(apt_repositories)
  tail -n 30 "$LOG_FILE" >&2
  die "none of this machine's apt sources has consul in the suite $CONSUL_SUITE; set NUNCIO_CONSUL to a consul binary (1.8 or newer)"
}

# Not by a pipe into grep -q, which ends at its first match: consul would at times be killed by the broken pipe.
consul_runs() {
  [ -x "$1" ] || return 1
  case "$(timeout 20 "$1" version 2>>"$LOG_FILE")" in
  'Consul v'*) return 0 ;;
  *) return 1 ;;
  esac
}

# The repositories that the machine's own apt sources name, of either form (.list, .sources); security updates last.
apt_repositories() {
  # shellcheck disable=SC2016 # apt-get fills these in
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk '!seen[$0]++ { if (/security/) late = late $0 "\n"; else print } END { printf "%s", late }'
}

# consul_unpack REPOSITORY: package lists, cache and download in folders of our own. Fails where it has no such package.
consul_unpack() {
  local folder=$CONSUL_HOME/apt signed='' options
  rm -rf "$folder"
  mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
  [ ! -r "$CONSUL_KEYS" ] || signed="[signed-by=$CONSUL_KEYS] "
  printf 'deb %s%s %s main\n' "$signed" "$1" "$CONSUL_SUITE" >"$folder/sources.list"
  options=(
    -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache"
    -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::http::Timeout=30
  )
  logged timeout 300 apt-get "${options[@]}" --error-on=any update || return 1
  (cd "$folder" && logged timeout 300 apt-get "${options[@]}" download consul) || return 1
  logged dpkg -x "$folder"/consul_*.deb "$CONSUL_HOME" || return 1
  rm -rf "$folder"
}

# Runs a command into the log, where a failure is one of several tries.
logged() { "$@" >>"$LOG_FILE" 2>&1 </dev/null; }
