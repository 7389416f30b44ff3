// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From the command line to the subcommand that it names.
#pragma once

namespace gemma3::cli {

// argv as main has it. Returns the exit code.
int Dispatch(int argc, const char* const* argv);

}  // namespace gemma3::cli
