// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/progress.h"

#include <string>

#include "tools/output.h"
#include "tools/terminal.h"
#include "tools/text.h"

namespace gemma3::cli {

ProgressLine::ProgressLine() : enabled_(IsTerminal(2)) {}

void ProgressLine::Update(const Progress& progress) {
  if (!enabled_ || progress.total == 0) return;
  const Clock::time_point now = Clock::now();
  if (now - start_ < std::chrono::milliseconds(300)) return;
  if (now - last_shown_ < std::chrono::milliseconds(100)) return;
  last_shown_ = now;
  const char* what = "reading the prompt";
  if (progress.stage == Progress::Stage::kImage) what = "looking at the picture";
  if (progress.stage == Progress::Stage::kWeights) what = "packing the weights";
  if (progress.stage == Progress::Stage::kWriting) what = "writing the packed weights";
  if (progress.stage == Progress::Stage::kEmbed) what = "embedding";
  const double share = static_cast<double>(progress.done) / static_cast<double>(progress.total);
  const std::string line = Format("%s: %d %%", what, static_cast<int>(100 * share));
  // Carriage return and spaces work on every terminal, escape codes do not.
  const size_t padding = shown_width_ > line.size() ? shown_width_ - line.size() : 0;
  WriteStderr("\r" + line + std::string(padding, ' '));
  shown_width_ = line.size() + padding;
}

void ProgressLine::Erase() {
  if (shown_width_ == 0) return;
  WriteStderr("\r" + std::string(shown_width_, ' ') + "\r");
  shown_width_ = 0;
}

}  // namespace gemma3::cli
