// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The lines a user typed into the chat, kept for the next time: one a line in a file that only the
// user can read. Every line is added at once, so that several chats may share the file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3::cli {

class History {
 public:
  // An empty path keeps nothing on disk. What cannot be read or written is left out silently: a
  // chat must not fail over its history.
  explicit History(std::string path);

  // Oldest first, at most kMaxLines.
  const std::vector<std::string>& lines() const { return lines_; }

  // Adds a line, unless it is empty or equal to the last one. False: it was not added.
  bool Add(std::string_view line);

  static constexpr size_t kMaxLines = 1000;

 private:
  std::string path_;
  std::vector<std::string> lines_;
};

// $XDG_STATE_HOME/gemma3/history, else ~/.local/state/gemma3/history (XDG Base Directory
// Specification 0.8). Empty without a home.
std::string DefaultHistoryPath();

}  // namespace gemma3::cli
