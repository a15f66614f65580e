# shellcheck shell=bash
# Node and the project's packages. Any Node that runs npm will do: Node 24 itself comes as a development package
# and is first in PATH of every npm script.
# Needs lib/progress.sh and lib/packages.sh.

# Makes node_modules match the lock file.
node_modules_ready() {
  need_packages node=nodejs npm=npm
  if [ -L "$ROOT/node_modules" ]; then
    # Another checkout's: npm ci would empty that one before it removes the link.
    [ -x "$ROOT/node_modules/.bin/node" ] ||
      die "node_modules is a link and has no .bin/node behind it: run npm ci where it leads, or remove the link"
    return 0
  fi
  local done_mark=$ROOT/node_modules/.package-lock.json # npm writes it last
  if [ -x "$ROOT/node_modules/.bin/node" ] && [ "$done_mark" -nt "$ROOT/package-lock.json" ]; then return 0; fi
  step 'installing the npm packages of the lock file'
  quietly npm --prefix "$ROOT" ci --no-audit --no-fund || die 'npm ci failed; see above'
  [ -x "$ROOT/node_modules/.bin/node" ] ||
    die 'npm ci left no node_modules/.bin/node: the install script of the package "node" must be allowed to run (npm config ignore-scripts)'
  touch "$done_mark"
}
