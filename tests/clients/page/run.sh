#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# The page of `gemma3 serve` in headless Chromium.
#   run.sh PROGRAM FOLDER [PICTURES]   FOLDER is where the packages are put; PROGRAM may be - or a program without
#                                      `serve`: then a small server in place of it answers (mock.mjs), and says so.
#                                      PICTURES: a folder for screenshots, to be looked at
# Exit code 77, with a line that says why, where there is no Chromium, no Node.js 20, no npm, or no registry.
# GEMMA3_CHROMIUM names another Chromium than the system's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
GEMMA3_SOURCE_DIR=$(cd "$here/../../.." && pwd -P)
export GEMMA3_SOURCE_DIR

what="page tests"
# shellcheck source=../node.sh
. "$here/../node.sh"
(($# >= 2)) || { sed -n '4,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
require_node
if [[ -z ${GEMMA3_CHROMIUM:-} ]]; then
  GEMMA3_CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
  [[ -n $GEMMA3_CHROMIUM ]] || skip "there is no chromium (Debian's package chromium)"
fi
export GEMMA3_CHROMIUM

if [[ $1 != - ]] && "$1" serve --help >/dev/null 2>&1; then
  GEMMA3_PROGRAM=$(cd "$(dirname "$1")" && pwd -P)/$(basename "$1")
  export GEMMA3_PROGRAM
else
  unset GEMMA3_PROGRAM
  echo "page tests: no gemma3 serve, so mock.mjs answers in its place" >&2
fi
if [[ -n ${3:-} ]]; then
  mkdir -p "$3"
  GEMMA3_PICTURES=$(cd "$3" && pwd -P)
  export GEMMA3_PICTURES
fi

run_tests "$2" "$here"/*.mjs "$here/../server.mjs"
