#!/bin/sh
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Every public header compiles by itself, without warnings, with nothing but the public folder to
# look in; and it includes only the standard library and its siblings.
#   headers_stand_alone.sh COMPILER INCLUDE_FOLDER
compiler=$1
include=$2
failed=0
count=0
for header in "$include"/gemma3/*.h "$include"/gemma3/experimental/*.h; do
  count=$((count + 1))
  name=${header#"$include"/}
  # Twice, to see that the guard works.
  if ! printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
    "$compiler" -std=c++23 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$include" -x c++ -; then
    echo "$name does not compile alone"
    failed=1
  fi
  others=$(grep -nE '^[[:space:]]*#[[:space:]]*include' "$header" |
    grep -vE 'include[[:space:]]+(<[a-z0-9_]+>|"gemma3/[a-z0-9_]+\.h")')
  if [ -n "$others" ]; then
    echo "$name includes what is neither standard nor ours:"
    echo "$others"
    failed=1
  fi
done
echo "$count headers"
[ "$count" -gt 0 ] && exit $failed
exit 1
