// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/errors.h"

#include <algorithm>
#include <string>

#include "tools/output.h"
#include "tools/terminal.h"

namespace gemma3::cli {

ExitCode ExitCodeFor(ErrorCode code, During during) {
  switch (code) {
    case ErrorCode::kOutOfMemory:
      return kExitMemory;
    case ErrorCode::kCancelled:
      return kExitInterrupted;
    case ErrorCode::kBadModel:
      return kExitModel;
    case ErrorCode::kContextTooLong:
      return kExitContext;
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    // A model file that is not there, or of another architecture, is a model that cannot be used;
    // later, the same codes speak of the user's own files and pictures.
    case ErrorCode::kIo:
    case ErrorCode::kUnsupported:
      return during == During::kLoad ? kExitModel : kExitRuntime;
    case ErrorCode::kBadImage:
    case ErrorCode::kInternal:
      return kExitRuntime;
  }
  return kExitRuntime;
}

void PrintError(std::string_view message) {
  // File and tensor names come from outside and may hold anything; escape codes must not reach the
  // terminal, nor a line break fake a second message.
  std::string line = SanitizeForTerminal(message);
  std::replace(line.begin(), line.end(), '\n', ' ');
  const auto both_blank = [](char a, char b) { return a == ' ' && b == ' '; };
  line.erase(std::unique(line.begin(), line.end(), both_blank), line.end());
  WriteStderr("gemma3: " + line + "\n");
}

ExitCode Report(const Error& error, During during) {
  if (error.code != ErrorCode::kCancelled) PrintError(error.message);
  return ExitCodeFor(error.code, during);
}

}  // namespace gemma3::cli
