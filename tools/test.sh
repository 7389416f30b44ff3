#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Installs what is needed, builds, and runs the tests.
#   tools/test.sh           the optimised build, every test: a quarter of an hour on two cores
#   tools/test.sh parsers   what reads bytes from outside, and the fuzz targets' seeds and mutations,
#                           under the address and undefined-behaviour sanitizers
#   tools/test.sh all       the optimised build; every test under those sanitizers; the threaded ones
#                           under the thread sanitizer; kernels and whole models without SIMD: hours
# GEMMA3_TEST_DATA names a folder with optional test data; tests that need it are skipped without.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mode=${1:-release}
if [[ $mode != release && $mode != parsers && $mode != all ]] || (($# > 1)); then
  echo "usage: tools/test.sh [release|parsers|all]" >&2
  exit 2
fi

export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
export TSAN_OPTIONS=suppressions=$repo/tests/tsan.supp${TSAN_OPTIONS:+:$TSAN_OPTIONS}

run_setup
march=()  # of the sanitizer builds; the presets say AVX2
if ! grep -qsw avx2 /proc/cpuinfo; then march=(-DGEMMA3_MARCH=native); fi
if [[ $mode == parsers ]]; then
  folders=()
  for folder in image formats text chat automata constrain stores weights base decode; do
    if [[ -d $repo/tests/$folder ]]; then folders+=("$folder"); fi
  done
  configure asan "${march[@]}"
  build asan "${folders[@]/#/test_}" fuzz_targets
  labels=$(IFS='|' && echo "^(${folders[*]}|fuzz)$")
  say "running the tests of: ${folders[*]} fuzz, under sanitizers"
  exec ctest --test-dir "$repo/build/asan" --output-on-failure --no-tests=error -L "$labels" \
    -j "$(nproc)"
fi

configure release
build release
presets=(release)
if [[ $mode == all ]]; then
  configure asan "${march[@]}"
  build asan
  configure tsan "-DGEMMA3_TEST_FOLDERS=threading;ops;engine;serve" "${march[@]}"
  build tsan
  configure scalar "-DGEMMA3_TEST_FOLDERS=ops;model;vision;engine" -DGEMMA3_BUILD_TOOLS=OFF
  build scalar
  presets+=(asan tsan scalar)
fi

# One run of ctest over all builds, so that there is one summary.
mkdir -p "$repo/build/test"
for preset in "${presets[@]}"; do
  echo "subdirs(\"$repo/build/$preset\")"
done >"$repo/build/test/CTestTestfile.cmake"

say "running the tests of: ${presets[*]}"
exec ctest --test-dir "$repo/build/test" --output-on-failure --no-tests=error -j "$(nproc)"
