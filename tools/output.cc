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

bool Output::Write(std::string_view text) {
  if (text.empty() || failed()) return !failed();
  last_ = text.back();
  error_ = is_terminal_ ? WriteAll(fd_, SanitizeForTerminal(text)) : WriteAll(fd_, text);
  return !failed();
}

void Output::EndLine() {
  if (last_ != '\n') Write("\n");
}

int Output::Finish(int code) {
  if (error_ == 0 || error_ == EPIPE) return code;
  PrintError(std::string("cannot write to standard output: ") + std::strerror(error_));
  return code == kExitOk ? static_cast<int>(kExitRuntime) : code;
}

void WriteStderr(std::string_view text) { WriteAll(2, text); }

}  // namespace gemma3::cli
