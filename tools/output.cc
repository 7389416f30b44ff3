// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tools/errors.h"
#include "tools/terminal.h"

namespace gemma3::cli {
namespace {

// The errno of the failure, or 0.
int WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      // Whoever shares the other end may have made it non-blocking.
      pollfd ready = {fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

Output::Output(int fd) : fd_(fd), is_terminal_(IsTerminal(fd)) {}

void Output::SetWrap(bool wrap) {
  Flush();
  wrap_.reset();
  if (wrap && is_terminal_) wrap_.emplace();
}

void Output::WriteNow(std::string_view text) {
  if (!failed()) error_ = WriteAll(fd_, text);
}

bool Output::Write(std::string_view text) {
  if (text.empty() || failed()) return !failed();
  last_ = text.back();
  if (!is_terminal_) {
    WriteNow(text);
  } else {
    const std::string clean = SanitizeForTerminal(text);
    WriteNow(wrap_ ? wrap_->Add(clean, TerminalColumns(fd_)) : clean);
  }
  return !failed();
}

void Output::Flush() {
  if (wrap_) WriteNow(wrap_->Flush());
}

void Output::EndLine() {
  if (last_ != '\n') Write("\n");
}

int Output::Finish(int code) {
  Flush();
  if (error_ == 0 || error_ == EPIPE) return code;
  PrintError(std::string("cannot write to standard output: ") + std::strerror(error_));
  return code == kExitOk ? static_cast<int>(kExitRuntime) : code;
}

void WriteStderr(std::string_view text) { WriteAll(2, text); }

bool TryWriteStderr(std::string_view text) {
  pollfd state = {2, POLLOUT, 0};
  if (::poll(&state, 1, 0) == 0) return false;
  WriteStderr(text);
  return true;
}

}  // namespace gemma3::cli
