#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Builds the kernels for another processor and runs their tests under an emulator:
#
#   tools/cross.sh arm64          a part of the tests that takes minutes
#   tools/cross.sh arm64 --all    all of them: an hour
#   tools/cross.sh arm64 --clang  with Clang 17 or newer in place of GCC: GCC before 13.2 leaves out
#                                 the target with bf16 products
#
# It uses the distribution's cross compiler and qemu's user mode. Where they are missing and packages
# may be installed (Debian or Ubuntu, as root) it installs them, else it says which. An emulator
# proves results and the choice of instructions, not speed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  sed -n '3,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

arch='' all=no clang=no
for argument in "$@"; do
  case $argument in
    arm64) arch=$argument ;;
    --all) all=yes ;;
    --clang) clang=yes ;;
    -h | --help) usage && exit 0 ;;
    *) say "unknown argument $argument" && usage >&2 && exit 2 ;;
  esac
done
if [[ -z $arch ]]; then usage >&2 && exit 2; fi

triple=aarch64-linux-gnu
missing=()
command -v "$triple-g++" >/dev/null || missing+=("g++-$triple")
command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
command -v cmake >/dev/null || missing+=(cmake)
command -v ninja >/dev/null || missing+=(ninja-build)
[[ -d /usr/src/googletest ]] || missing+=(libgtest-dev)
if ((${#missing[@]} != 0)); then
  if command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
    step cross-packages "installing ${missing[*]}" \
      apt-get install -y --no-install-recommends "${missing[@]}"
  else
    say "needs these packages (names of Debian and Ubuntu): ${missing[*]}"
    exit 1
  fi
fi
if [[ ! -f $deps/highway/CMakeLists.txt ]]; then
  say "needs Highway's sources in build/deps/highway: run tools/setup.sh"
  exit 1
fi

folder=$repo/build/cross-$arch
cc=$triple-gcc cxx=$triple-g++ target=()
if [[ $clang == yes ]]; then
  cc=''
  for version in {29..17}; do
    if command -v "clang++-$version" >/dev/null; then
      cc=clang-$version cxx=clang++-$version
      break
    fi
  done
  if [[ -z $cc ]]; then
    say "needs clang-17 or newer by that name, with its version"
    exit 1
  fi
  folder+=-clang
  target=(-DCMAKE_C_COMPILER_TARGET="$triple" -DCMAKE_CXX_COMPILER_TARGET="$triple")
fi
# Little is optimised: what an instruction computes is tested, and that is the same.
step "configure-cross-$arch" "configuring ${folder#"$repo/"}" \
  cmake -S "$repo/tests/cross" -B "$folder" -G Ninja \
  -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
  -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_COMPILER="$cc" "${target[@]}" \
  -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-O1 -DGEMMA3_HIGHWAY_SOURCE="$deps/highway" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)"
step "build-cross-$arch" "building the kernels and their tests for $arch" \
  cmake --build "$folder" -j "$(jobs_for_build)" --target test_ops

filter='*'
if [[ $all == no ]]; then
  # The others go through hundreds of shapes.
  filter='-FloatMatMul.*:*FloatMatMul.Is*:*FloatMatMul.Cut*:*PackedMatMul.Has*:*Attention*:*Mlp*'
fi
# Processors without dot products, with them, and whatever the emulator has.
for cpu in cortex-a72 neoverse-n1 max; do
  step "test-cross-$arch-$cpu" "running the tests on an emulated $cpu" \
    env QEMU_LD_PREFIX="/usr/$triple" qemu-aarch64 -cpu "$cpu" "$folder/test_ops" \
    --gtest_brief=1 --gtest_filter="$filter"
done
say "all passed"
