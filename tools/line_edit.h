// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reading lines from a person (with editing, history and paste, by libedit) or from a pipe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tools/completion.h"
#include "tools/history.h"

namespace gemma3::cli {

class LineReader {
 public:
  enum class Outcome {
    kLine,
    kInterrupted,  // Ctrl-C: what was typed is dropped
    kEnd,          // Ctrl-D on an empty line, or the end of the input
  };

  virtual ~LineReader() = default;
  // Reads a line, without its line end. A pasted text may hold line feeds. `prompt` is plain text.
  virtual Outcome Read(const std::string& prompt, std::string* line) = 0;
  // Whether a person sees the prompt.
  virtual bool interactive() const = 0;
};

// What Tab does, from the line up to the cursor.
using Completer = std::function<Completion(std::string_view)>;

// Edits when standard input is a terminal and there is one to show the line on. `history` outlives
// the reader.
std::unique_ptr<LineReader> MakeLineReader(History* history, Completer completer);

}  // namespace gemma3::cli
