// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How the program ends: exit codes, and one line on standard error for what went wrong.
#pragma once

#include <string_view>

#include "gemma3/error.h"

namespace gemma3::cli {

// Fixed; scripts rely on them.
enum ExitCode : int {
  kExitOk = 0,
  kExitRuntime = 1,
  kExitUsage = 2,
  kExitModel = 3,
  kExitContext = 4,
  kExitMemory = 5,
  kExitCalls = 6,          // the answer is calls that the program does not run
  kExitInterrupted = 130,  // 128 + SIGINT, as shells say it
};

// What was going on: the same error means another thing while a model loads.
enum class During { kLoad, kWork };

ExitCode ExitCodeFor(ErrorCode code, During during);

// "gemma3: <message>" on standard error, in one line and without control codes.
void PrintError(std::string_view message);

// Prints the error (but not kCancelled: who pressed Ctrl-C knows) and returns its exit code.
ExitCode Report(const Error& error, During during = During::kWork);

}  // namespace gemma3::cli
