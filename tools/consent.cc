// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/consent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <utility>

#include "src/base/ascii.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

bool AskYesNo(int in, int out, const std::string& line, const StopCheck& stop) {
  if (!WriteAll(out, "Run " + line + "? [y/N] ")) return false;
  std::string answer;
  // Byte by byte: what follows the line is not ours.
  while (answer.size() < 1000) {
    pollfd readable = {in, POLLIN, 0};
    const int ready = ::poll(&readable, 1, 100);
    if (stop && stop()) return false;
    if (ready == 0) continue;
    if (ready < 0 && errno == EINTR && stop) continue;  // it says whether to go on
    char c;
    if (ready < 0 || ::read(in, &c, 1) != 1) return false;
    if (c == '\n') break;
    answer += c;
  }
  answer = AsciiLower(TrimSpace(answer));
  return answer == "y" || answer == "yes";
}

std::function<bool(const std::string& line)> AskOnTerminal(StopCheck stop) {
  const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (fd < 0) return nullptr;
  const std::shared_ptr<void> closer(nullptr, [fd](void*) { ::close(fd); });
  return [fd, closer, stop = std::move(stop)](const std::string& line) {
    return AskYesNo(fd, fd, line, stop);
  };
}

}  // namespace gemma3::cli
