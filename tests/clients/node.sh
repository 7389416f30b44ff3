# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# For scripts that test with packages of the npm registry; to be sourced. `what` names the tests.

skip() {
  echo "$what skipped: $*" >&2
  exit 77
}

require_node() {
  command -v node >/dev/null || skip "there is no node"
  command -v npm >/dev/null || skip "there is no npm"
  [[ $(node -p 'process.versions.node.split(".")[0] >= 20') == true ]] || skip "node is older than 20"
}

# run_tests FOLDER FILE...: puts the packages that package-lock.json beside the script pins into
# FOLDER, and the files with them, and runs the tests among these.
run_tests() {
  local here
  here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd -P)
  mkdir -p "$1"
  cp "${@:2}" "$1"
  cd "$1"
  if ! cmp -s "$here/package-lock.json" package-lock.json || [[ ! -f .installed ]]; then
    rm -f .installed
    cp "$here/package.json" "$here/package-lock.json" .
    npm ci --no-audit --no-fund --ignore-scripts --loglevel=error ||
      skip "npm could not install the packages"
    touch .installed
  fi
  exec node --test --test-concurrency=1 ./*.test.mjs
}
