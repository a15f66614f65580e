# shellcheck shell=bash
# Debian and Ubuntu packages: installs what is missing, asks for nothing that is there.
# Needs lib/progress.sh.

# Each argument is COMMAND=PACKAGE (wanted where no such command is in PATH) or PACKAGE (wanted where not installed).
# The package lists are read once a run, and only when something is missing.
need_packages() {
  local wanted=() item
  for item in "$@"; do
    case $item in
    *=*) has_command "${item%%=*}" || wanted+=("${item#*=}") ;;
    *) has_package "$item" || wanted+=("$item") ;;
    esac
  done
  [ "${#wanted[@]}" -gt 0 ] || return 0
  command -v apt-get >/dev/null ||
    die "these packages are missing and this is no Debian or Ubuntu machine: ${wanted[*]}; install them by its own means and run this again"
  [ "$(id -u)" -eq 0 ] || die "installing ${wanted[*]} needs root; run this as root"
  step "installing ${wanted[*]}"
  if [ -z "${PACKAGE_LISTS_READ:-}" ]; then
    quietly apt-get update || die 'the package lists could not be read; see above'
    PACKAGE_LISTS_READ=yes
  fi
  quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}" ||
    die "apt-get could not install ${wanted[*]}; see above"
}

# Debian keeps many of these tools in sbin, which a user's PATH may lack.
has_command() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; }

has_package() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
