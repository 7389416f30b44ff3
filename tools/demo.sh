#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Installs what is needed, builds the program, shows the shipped demo model a picture, has it call a
# tool, and asks it a question:
#   tools/demo.sh [QUESTION]
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

question=${1:-So, how large are the input images of Gemma 3?}

run_setup
configure release
build release gemma3_program
program=$repo/build/release/gemma3
picture=tools/demo/eval/images/image_describe-01.png
say "a picture: $picture"
printf '> What can you see in the picture?\n'
"$program" run demo --temperature 0 --image "$repo/$picture" \
  "What can you see in the picture?" </dev/null
say "a tool that is called and answers: tools/demo/tools.json"
printf '> How is the weather in Porto?\n'
"$program" run demo --temperature 0 --tools "$repo/tools/demo/tools.json" \
  --tool-choice get_weather "How is the weather in Porto?" </dev/null
say "running: build/release/gemma3 run demo --temperature 0 '$question'"
printf '> %s\n' "$question"
exec "$program" run demo --temperature 0 "$question" </dev/null
