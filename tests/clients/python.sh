#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Python's official clients `openai` and `ollama`, those that are installed (Debian: python3-openai,
# python3-ollama), against `gemma3 serve demo`.
#   python.sh PROGRAM FOLDER   FOLDER is for the server's log
# Exit code 77, with a line that says why, where there is neither. GEMMA3_PYTHON names another Python.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
(($# == 2)) || { sed -n '4,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
python=${GEMMA3_PYTHON:-python3}
clients=()
for client in openai ollama; do
  if "$python" -c "import $client" 2>/dev/null; then
    clients+=("$client")
  else
    echo "Python client tests of $client skipped: $python has no such package" >&2
  fi
done
((${#clients[@]} > 0)) || exit 77

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
for client in "${clients[@]}"; do
  "$python" "$here/${client}_client.py" "$url" "$here/../../tools/demo/eval/images/image_describe-15.png"
done
