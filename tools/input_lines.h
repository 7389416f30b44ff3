// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The lines of a file or of standard input, read as they are asked for.
#pragma once

#include <cstddef>
#include <string>

#include "gemma3/error.h"

namespace gemma3::cli {

class InputLines {
 public:
  // "-" is standard input. Errors: kIo.
  static Result<InputLines> Open(const std::string& path);
  InputLines(InputLines&& other) noexcept;
  InputLines& operator=(InputLines&&) = delete;
  ~InputLines();

  // The next line without its end; false: there is none.
  Result<bool> Next(std::string* line);

 private:
  InputLines(std::string name, int descriptor) : name_(std::move(name)), descriptor_(descriptor) {}

  std::string name_;
  int descriptor_;
  std::string buffer_;
  size_t begin_ = 0;     // of the next line in buffer_
  size_t searched_ = 0;  // no line end in [begin_, searched_)
  bool ended_ = false;
};

}  // namespace gemma3::cli
