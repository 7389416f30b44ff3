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

what="client tests"
# shellcheck source=node.sh
. "$here/node.sh"
require_node
run_tests "$2" "$here"/*.mjs
