#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Installs what is needed, builds the program and asks the shipped demo model a question:
#   tools/demo.sh [QUESTION]
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

question=${1:-So, how large are the input images of Gemma 3?}

run_setup
configure release
build release gemma3_program
say "running: build/release/gemma3 run demo --temperature 0 '$question'"
printf '> %s\n' "$question"
exec "$repo/build/release/gemma3" run demo --temperature 0 "$question" </dev/null
