// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/history.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace gemma3::cli {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

// Opens with the right mode from the first moment; a file that was there gets it too.
int OpenPrivate(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC, kOwnerOnly);
  if (fd >= 0) (void)::fchmod(fd, kOwnerOnly);
  return fd;
}

bool WriteWhole(int fd, std::string_view text) {
  return ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace

History::History(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  std::ifstream file(path_);
  size_t total = 0;
  for (std::string line; std::getline(file, line); ++total) {
    if (!line.empty()) lines_.push_back(std::move(line));
    // Keep memory bounded however long the file has become.
    if (lines_.size() >= 2 * kMaxLines) lines_.erase(lines_.begin(), lines_.end() - kMaxLines);
  }
  if (lines_.size() > kMaxLines) lines_.erase(lines_.begin(), lines_.end() - kMaxLines);
  if (total <= 2 * kMaxLines) return;
  // Shorten the file; the new one appears whole or not at all.
  const std::string shorter = path_ + ".new";
  const int fd = OpenPrivate(shorter, O_TRUNC);
  if (fd < 0) return;
  std::string text;
  for (const std::string& line : lines_) text += line + "\n";
  const bool written = WriteWhole(fd, text);
  ::close(fd);
  std::error_code error;
  if (written) {
    fs::rename(shorter, path_, error);
  } else {
    fs::remove(shorter, error);
  }
}

bool History::Add(std::string_view line) {
  if (line.empty() || (!lines_.empty() && lines_.back() == line)) return false;
  if (line.find('\n') != std::string_view::npos) return false;
  lines_.emplace_back(line);
  if (lines_.size() > kMaxLines) lines_.erase(lines_.begin());
  if (path_.empty()) return true;
  std::error_code error;
  fs::create_directories(fs::path(path_).parent_path(), error);
  const int fd = OpenPrivate(path_, O_APPEND);
  if (fd < 0) return true;
  WriteWhole(fd, std::string(line) + "\n");
  ::close(fd);
  return true;
}

std::string DefaultHistoryPath() {
  // The specification says to ignore relative paths.
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::string(state) + "/gemma3/history";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return "";
  return std::string(home) + "/.local/state/gemma3/history";
}

}  // namespace gemma3::cli
