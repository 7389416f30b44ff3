# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# shellcheck shell=bash
# Shared by setup.sh, demo.sh and test.sh, which source it: progress on stderr, one line for each
# step, and everything that a step prints in a log file that is shown only when it fails.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
deps=$repo/build/deps  # what setup.sh leaves behind
logs=$repo/build/logs

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

# step NAME TEXT COMMAND...: runs the command with its output in build/logs/NAME.log. Returns the
# command's exit code.
step() {
  local status=0
  optional_step "$@" || status=$?
  if ((status != 0)); then
    tail -n 60 "$logs/$1.log" >&2
    say "FAILED (exit code $status): $2; the whole log is build/logs/$1.log"
  fi
  return "$status"
}

# The same for a step that may fail: says so in a line, and the caller goes on.
optional_step() {
  local name=$1 text=$2 start=$SECONDS status=0
  shift 2
  mkdir -p "$logs"
  say "$text ..."
  "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
  if ((status != 0)); then
    say "  not done (build/logs/$name.log)"
  elif ((SECONDS - start > 4)); then
    say "  done in $((SECONDS - start)) s"
  fi
  return "$status"
}

# Parallel compilers: one for each core, but no more than the memory bears (2 GB for each; the
# kernels, compiled for every SIMD target, are the largest sources).
jobs_for_build() {
  local cores memory_gb=64
  cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
  if [[ -r /proc/meminfo ]]; then
    memory_gb=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo)
  fi
  local most=$((memory_gb / 2 > 0 ? memory_gb / 2 : 1))
  echo $((cores < most ? cores : most))
}

# configure PRESET [CMAKE ARGUMENTS...]: configures build/PRESET where that is not done yet or was
# done with other arguments; the build notices every other change by itself.
configure() {
  local preset=$1
  shift
  local stamp=$repo/build/$preset/.configured-with wanted="$* CXX=${CXX:-}"
  if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then return 0; fi
  cd "$repo" && step "configure-$preset" "configuring build/$preset" \
    cmake --preset "$preset" "$@" && printf '%s\n' "$wanted" >"$stamp"
}

# build PRESET [TARGETS...]
build() {
  local preset=$1
  shift
  step "build-$preset" "building build/$preset (the first time takes minutes)" \
    cmake --build "$repo/build/$preset" -j "$(jobs_for_build)" ${1:+--target "$@"}
}

# Runs setup.sh and takes over what it found out, such as a compiler that is not the default one.
run_setup() {
  if [[ -n ${GEMMA3_SKIP_SETUP:-} ]]; then
    say "GEMMA3_SKIP_SETUP is set: not looking for missing packages"
  else
    "$repo/tools/setup.sh"
  fi
  if [[ -f $deps/environment ]]; then
    # shellcheck disable=SC1091
    . "$deps/environment"
  fi
}
