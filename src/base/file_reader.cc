// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/file_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "src/base/status.h"

namespace gemma3 {
namespace {

std::unexpected<Error> Refused(const char* doing, const std::string& path, int error) {
  return Fail(ErrorCode::kIo, "cannot ", doing, " ", path, ": ",
              std::generic_category().message(error));
}

}  // namespace

Result<int> OpenRegularFile(const std::string& path) {
  // O_NONBLOCK: opening a pipe must fail below instead of waiting for a writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return Refused("open", path, errno);
  struct stat info = {};
  if (::fstat(descriptor, &info) != 0) {
    const int error = errno;
    ::close(descriptor);
    return Refused("read the size of", path, error);
  }
  if (S_ISREG(info.st_mode)) return descriptor;
  ::close(descriptor);
  return Fail(ErrorCode::kIo, path, S_ISDIR(info.st_mode) ? " is a folder" : " is not a file",
              "; a regular file is needed here");
}

Result<FileReader> FileReader::Open(const std::string& path) {
  FileReader reader;
  reader.path_ = path;
  GEMMA3_TRY(reader.descriptor_, OpenRegularFile(path));
  struct stat info = {};
  if (::fstat(reader.descriptor_, &info) != 0) return Refused("read the size of", path, errno);
  reader.size_ = static_cast<uint64_t>(info.st_size);
  return reader;
}

FileReader::FileReader(FileReader&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

FileReader::~FileReader() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status FileReader::ReadAt(uint64_t offset, std::span<std::byte> bytes) const {
  constexpr size_t kPiece = size_t{1} << 30;  // one call reads at most 2 GiB on Linux
  while (!bytes.empty()) {
    const ssize_t n = ::pread(descriptor_, bytes.data(), std::min(bytes.size(), kPiece),
                              static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Refused("read", path_, errno);
    if (n == 0) {
      return Fail(ErrorCode::kIo, path_, " ends at byte ", offset, ", where ", bytes.size(),
                  " more are needed: it was cut off, maybe while it was read");
    }
    offset += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace gemma3
