// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// main() of the test programs: that of GoogleTest, and GEMMA3_SIMD names the instruction set that
// tests run on, as it does for the program. Those that try every set do so all the same.

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "gemma3/bench.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (const char* simd = std::getenv("GEMMA3_SIMD"); simd != nullptr && *simd != '\0') {
    if (const gemma3::Status status = gemma3::UseSimd(simd); !status) {
      std::cerr << "GEMMA3_SIMD: " << status.error().message << '\n';
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
