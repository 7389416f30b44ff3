#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Official clients against the server: openai, ollama, @ai-sdk/openai-compatible, @google/genai, as
# package-lock.json pins them.
#   run.sh PROGRAM FOLDER    FOLDER is where the packages are put
# Exit code 77, with a line that says why, where there is no Node.js 20, no npm, or no registry.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
GEMMA3_PROGRAM=$(cd "$(dirname "$1")" && pwd -P)/$(basename "$1")
GEMMA3_SOURCE_DIR=$(cd "$here/../.." && pwd -P)
export GEMMA3_PROGRAM GEMMA3_SOURCE_DIR

skip() {
  echo "client tests skipped: $*" >&2
  exit 77
}
command -v node >/dev/null || skip "there is no node"
command -v npm >/dev/null || skip "there is no npm"
[[ $(node -p 'process.versions.node.split(".")[0] >= 20') == true ]] || skip "node is older than 20"

mkdir -p "$2"
cd "$2"
if ! cmp -s "$here/package-lock.json" package-lock.json || [[ ! -f .installed ]]; then
  rm -f .installed
  cp "$here/package.json" "$here/package-lock.json" .
  npm ci --no-audit --no-fund --ignore-scripts --loglevel=error || skip "npm could not install the packages"
  touch .installed
fi
cp "$here"/*.mjs .
exec node --test --test-concurrency=1 ./*.test.mjs
