// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/prompt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "src/base/status.h"

namespace gemma3::cli {
namespace {

constexpr size_t kMaxPromptBytes = 64 << 20;

class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

 private:
  int fd_;
};

}  // namespace

Result<std::vector<Part>> AssemblePrompt(const PromptText& text,
                                         std::span<const std::shared_ptr<const Image>> images) {
  std::vector<Part> parts;
  const auto add_text = [&parts](std::string_view piece) {
    if (piece.empty()) return;
    if (parts.empty() || parts.back().image != nullptr) parts.push_back(Part::Text(""));
    parts.back().text += piece;
  };
  std::string_view words = text.arguments;
  size_t markers = 0;
  if (!images.empty()) {
    for (size_t at = words.find(kImageMarker); at != std::string_view::npos;
         at = words.find(kImageMarker, at + kImageMarker.size())) {
      ++markers;
    }
    if (markers != 0 && markers != images.size()) {
      return Fail(ErrorCode::kInvalidArgument, "the prompt has ", markers, " ", kImageMarker,
                  " markers for ", images.size(), " pictures; write one for each, or none");
    }
  }
  if (markers == 0) {
    for (const auto& image : images) parts.push_back({"", image});
  } else {
    for (const auto& image : images) {
      const size_t at = words.find(kImageMarker);
      add_text(words.substr(0, at));
      parts.push_back({"", image});
      words.remove_prefix(at + kImageMarker.size());
    }
  }
  bool first = true;
  for (const std::string_view source :
       {words, std::string_view(text.file), std::string_view(text.input)}) {
    // The rest of the words may be empty behind a marker and still have come first.
    const bool present = !source.empty() || (first && !text.arguments.empty());
    if (!present) continue;
    if (!first) add_text("\n\n");
    add_text(source);
    first = false;
  }
  return parts;
}

Result<std::string> ReadAll(const std::string& path) {
  const bool is_input = path == "-";
  const std::string name = is_input ? "standard input" : path;
  const int fd = is_input ? 0 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Fail(ErrorCode::kIo, "cannot open ", name, ": ", std::strerror(errno));
  const OpenFile file(is_input ? -1 : fd);
  char chunk[1 << 16];
  std::string text;
  for (;;) {
    const ssize_t count = ::read(fd, chunk, sizeof(chunk));
    if (count > 0) {
      if (text.size() + static_cast<size_t>(count) > kMaxPromptBytes) {
        return Fail(ErrorCode::kInvalidArgument, name, " is longer than ", kMaxPromptBytes >> 20,
                    " MiB");
      }
      text.append(chunk, static_cast<size_t>(count));
    } else if (count == 0 || (errno == EBADF && is_input)) {
      return text;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd ready = {fd, POLLIN, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return Fail(ErrorCode::kIo, "cannot read ", name, ": ", std::strerror(errno));
    }
  }
}

Result<std::string> ReadPrompt(const std::string& path) {
  GEMMA3_TRY(std::string text, ReadAll(path));
  if (text.ends_with("\r\n")) {
    text.resize(text.size() - 2);
  } else if (text.ends_with('\n')) {
    text.pop_back();
  }
  return text;
}

Result<std::vector<std::shared_ptr<const Image>>> LoadImages(std::span<const std::string> paths,
                                                             const ImageOptions& options) {
  std::vector<std::shared_ptr<const Image>> images;
  for (const std::string& path : paths) {
    GEMMA3_TRY(Image image, LoadImage(path, options));
    images.push_back(std::make_shared<const Image>(std::move(image)));
  }
  return images;
}

}  // namespace gemma3::cli
