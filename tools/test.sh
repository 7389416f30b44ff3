#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Installs what is needed, builds, and runs the tests; ends with ctest's summary over all builds.
#   tools/test.sh quick   the optimised build, every test
#   tools/test.sh [all]   also under the address and undefined-behaviour sanitizers (every test),
#                         under the thread sanitizer (the threaded ones) and without SIMD
# GEMMA3_TEST_DATA names a folder with optional test data; tests that need it are skipped without.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mode=${1:-all}
if [[ $mode != all && $mode != quick ]] || (($# > 1)); then
  echo "usage: tools/test.sh [all|quick]" >&2
  exit 2
fi

run_setup
configure release
build release
presets=(release)

if [[ $mode == all ]]; then
  # A sanitizer finds the same faults on every target of one vector length, and its builds are slow.
  # So the sanitizers see SSE4, AVX2 and the better one of the two 512-bit targets that this machine
  # can run; the optimised build tests every target.
  if grep -qs avx512_fp16 /proc/cpuinfo; then other=HWY_AVX3_ZEN4; else other=HWY_AVX3_SPR; fi
  configure asan "-DGEMMA3_DISABLED_TARGETS=(HWY_SSE2|HWY_SSSE3|HWY_AVX3|$other)"
  build asan
  # Threads are shared out in the same way on every target: one besides the baseline is enough.
  configure tsan "-DGEMMA3_TEST_FOLDERS=threading;ops;engine" \
    "-DGEMMA3_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4|HWY_AVX3|HWY_AVX3_ZEN4|HWY_AVX3_SPR)" \
    -DGEMMA3_BUILD_TOOLS=OFF
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

export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
export TSAN_OPTIONS=suppressions=$repo/tests/tsan.supp${TSAN_OPTIONS:+:$TSAN_OPTIONS}
say "running the tests of: ${presets[*]}"
exec ctest --test-dir "$repo/build/test" --output-on-failure --no-tests=error -j "$(nproc)"
