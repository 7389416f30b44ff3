// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 run --batch: many prompts, several at a time, a line of JSON for each.
//
// A line of the input is an object with
//   messages  [{"role": "system" | "user" | "model" | "assistant", "content": TEXT or a list of
//             {"type": "text", "text": ...} and {"type": "image", "path": ...}}], or
//   prompt    TEXT; with --raw, text to be continued without a chat template
//   images    paths of pictures, put in front of the last message (not with --raw)
//   id        anything; comes back with the answer
// and settings of an answer under their flags' names with _ for - (max_tokens, temperature, stop).
// Blank lines are skipped. A line of the output is the object of run --json with the id, in the
// order of the input; or the id and "error": {"code", "message"}.
//
// The output is written line by line, and a batch that was stopped goes on behind the lines that it
// has, if their ids are those of the input.
#pragma once

#include <string>

#include "tools/models.h"
#include "tools/options.h"

namespace gemma3::cli {

struct BatchOptions {
  Settings settings;
  std::string input;   // a file, or - for standard input
  std::string output;  // a file, or - or nothing for standard output
  bool raw = false;
  bool verbose = false;
};

// Returns the program's exit code: that of the first line that failed.
int RunBatch(const BatchOptions& options, const OpenedModel& opened);

}  // namespace gemma3::cli
