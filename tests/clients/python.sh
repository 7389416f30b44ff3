#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Python's official client `openai`, where it is installed (Debian: python3-openai), against `gemma3 serve demo`.
#   python.sh PROGRAM FOLDER   FOLDER is for the server's log
# Exit code 77, with a line that says why, where there is no such Python. GEMMA3_PYTHON names another one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
(($# == 2)) || { sed -n '4,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
python=${GEMMA3_PYTHON:-python3}
if ! "$python" -c 'import openai' 2>/dev/null; then
  echo "Python client tests skipped: $python has no package openai" >&2
  exit 77
fi

mkdir -p "$2"
log=$2/server.log
"$1" serve demo --port 0 --threads 2 2>"$log" &
server=$!
trap 'kill -KILL "$server" 2>/dev/null || true' EXIT
url=
for _ in {1..600}; do
  url=$(sed -n 's/^.*listening on \(http:.*\)$/\1/p' "$log")
  [[ -n $url ]] && break
  sleep 0.1
done
[[ -n $url ]] || { echo "FAILED: the server does not listen" >&2; cat "$log" >&2; exit 1; }
"$python" "$here/openai_client.py" "$url" "$here/../../tools/demo/eval/images/image_describe-15.png"
