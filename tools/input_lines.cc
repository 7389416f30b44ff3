// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/input_lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "src/base/status.h"

namespace gemma3::cli {

Result<InputLines> InputLines::Open(const std::string& path) {
  if (path == "-") return InputLines("standard input", STDIN_FILENO);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Fail(ErrorCode::kIo, "cannot open ", path, ": ", std::strerror(errno));
  }
  return InputLines(path, descriptor);
}

InputLines::InputLines(InputLines&& other) noexcept
    : name_(std::move(other.name_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      searched_(other.searched_),
      ended_(other.ended_) {}

InputLines::~InputLines() {
  if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
}

Result<bool> InputLines::Next(std::string* line) {
  for (;;) {
    if (const size_t end = buffer_.find('\n', searched_); end != std::string::npos) {
      line->assign(buffer_, begin_, end - begin_);
      begin_ = searched_ = end + 1;
      return true;
    }
    if (ended_) {
      line->assign(buffer_, begin_, std::string::npos);
      buffer_.clear();
      begin_ = searched_ = 0;
      return !line->empty();
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched_ = buffer_.size();
    char chunk[1 << 16];
    const ssize_t count = ::read(descriptor_, chunk, sizeof(chunk));
    if (count > 0) {
      buffer_.append(chunk, static_cast<size_t>(count));
    } else if (count == 0 || errno == EBADF) {  // a standard input that is closed is empty
      ended_ = true;
    } else if (errno != EINTR) {
      return Fail(ErrorCode::kIo, "cannot read ", name_, ": ", std::strerror(errno));
    }
  }
}

}  // namespace gemma3::cli
