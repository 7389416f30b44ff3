// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Standard output and standard error. Results are the only thing on standard output: byte for byte
// into a pipe or file, without control codes on a terminal.
#pragma once

#include <optional>
#include <string_view>

#include "tools/word_wrap.h"

namespace gemma3::cli {

class Output {
 public:
  explicit Output(int fd = 1);

  bool is_terminal() const { return is_terminal_; }

  // Whether a text that begins now is to be wrapped between words at a terminal's edge. Nothing
  // changes where the output is none.
  void SetWrap(bool wrap);

  // Writes all of `text` now, but for the word that wrapping holds back. False: the reader has gone
  // or the device refuses, this and every later write is dropped.
  bool Write(std::string_view text);

  // Writes the word that is held back: before anything else is shown.
  void Flush();

  // A line end, unless the last byte written was one. Nothing where nothing was written.
  void EndLine();

  bool failed() const { return error_ != 0; }

  // To be returned by the command that wrote. A reader that has gone, like `head`, has what it
  // wanted: `code` stands. Any other failure is printed and turns success into kExitRuntime.
  int Finish(int code);

 private:
  void WriteNow(std::string_view text);

  int fd_;
  bool is_terminal_;
  std::optional<WordWrap> wrap_;
  int error_ = 0;  // errno of the write that failed
  char last_ = '\n';
};

// Writes to standard error and ignores failure: there is nowhere to report it.
void WriteStderr(std::string_view text);
// The same for at most 4 KiB, unless that had to wait for a reader: then false.
bool TryWriteStderr(std::string_view text);

}  // namespace gemma3::cli
