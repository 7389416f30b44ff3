#!/bin/sh
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Compiles the program that the README shows, as a project of its own that uses the library, and
# lets it talk to the demo model.
#   consumer.sh installed|subdirectory CMAKE REPOSITORY BUILD_FOLDER COMPILER HIGHWAY_SOURCE
way=$1
cmake=$2
repository=$3
build=$4
compiler=$5
highway_source=$6
work=$build/tests/api/$way
set -eu

rm -rf "$work"
mkdir -p "$work"

# The README's first C++ block with a main(), and the one at the head of the umbrella header: the
# same program, or one of them has been forgotten.
awk '
  /^```/ { if (block) { if (text ~ /int main\(/) { printf "%s", text; exit } block = 0 }
           else if (/^```(cpp|c\+\+)/) { block = 1; text = "" }
           next }
  block { text = text $0 "\n" }' "$repository/README.md" >"$work/consumer.cc"
awk '
  /^\/\/   / { print substr($0, 6); program = 1; next }
  /^\/\/$/ && program { print ""; next }
  program { exit }' "$repository/include/gemma3/gemma3.h" >"$work/header.cc"
[ -s "$work/consumer.cc" ] || { echo "README.md shows no program"; exit 1; }
diff -u -B "$work/consumer.cc" "$work/header.cc" || {
  echo "the programs in README.md and include/gemma3/gemma3.h differ"
  exit 1
}

case $way in
  installed)
    "$cmake" --install "$build" --prefix "$work/prefix" >"$work/install.log"
    set -- "-DCMAKE_PREFIX_PATH=$work/prefix" -DCMAKE_BUILD_TYPE=Release
    ;;
  subdirectory)
    # Builds the library once more; without SIMD and optimisation that is quick, and here only the
    # project files are on trial.
    set -- "-DGEMMA3_FOLDER=$repository" -DGEMMA3_SCALAR=ON -DCMAKE_BUILD_TYPE= \
      "-DCMAKE_CXX_FLAGS=-O1" "-DGEMMA3_HIGHWAY_SOURCE=$highway_source"
    ;;
esac
"$cmake" -S "$repository/tests/api/consumer" -B "$work/build" "-DCMAKE_CXX_COMPILER=$compiler" \
  "-DCONSUMER_SOURCE=$work/consumer.cc" "$@"
"$cmake" --build "$work/build" -j 2

if [ "$way" = installed ]; then
  # The program itself was installed as well, and finds its model beside it.
  [ ! -e "$work/prefix/bin/gemma3" ] || "$work/prefix/bin/gemma3" --help >/dev/null
fi

answer=$("$work/build/consumer" "$repository/tools/demo/tiny-gemma3" "What is 2 + 3?")
echo "answer: $answer"
[ -n "$answer" ]
