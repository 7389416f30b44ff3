// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr std::string_view kPartial = ".partial";

std::unexpected<Error> CannotWrite(const std::string& path, int error) {
  return Fail(ErrorCode::kIo, "cannot write ", path, ": ", std::generic_category().message(error));
}

// Less the user's mask.
mode_t ModeOf(FileAccess access) { return access == FileAccess::kPrivate ? 0600 : 0666; }

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// A file without a name in the folder of `path`, or -1 where there is no such thing.
int OpenNameless([[maybe_unused]] const std::string& path, [[maybe_unused]] mode_t mode) {
#ifdef O_TMPFILE
  if (::access("/proc/self/fd", X_OK) != 0) return -1;  // Commit finds it there
  return ::open(FolderOf(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
#else
  return -1;
#endif
}

// Puts the names of a folder on the disk. False, with errno, where the disk failed; folders that
// may not be opened, and file systems that cannot do it, are left to themselves.
bool SyncFolder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return true;
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  errno = error;
  return error != EIO && error != ENOSPC;
}

// Tries names beside `path`, so that a rename stays on one file system, until `make(name)` does not
// say that there is such a file. Returns what `make` does: -1 is an error, in errno.
template <class Make>
int MakePartial(const std::string& path, std::string& name, const Make& make) {
  for (int i = 0;; ++i) {
    name = path + std::string(kPartial) + std::to_string(::getpid()) + "-" + std::to_string(i);
    const int result = make(name.c_str());
    if (result >= 0 || errno != EEXIST) return result;
  }
}

}  // namespace

Result<FileWriter> FileWriter::Create(const std::string& path, FileAccess access) {
  const mode_t mode = ModeOf(access);
  FileWriter writer(path);
  writer.descriptor_ = OpenNameless(path, mode);
  if (writer.descriptor_ >= 0) return writer;
  std::string name;
  writer.descriptor_ = MakePartial(path, name, [mode](const char* partial) {
    return ::open(partial, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
  });
  if (writer.descriptor_ < 0) return CannotWrite(path, errno);
  writer.partial_ = std::move(name);
  return writer;
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::exchange(other.partial_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      unsaved_(other.unsaved_) {}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!partial_.empty()) ::unlink(partial_.c_str());
}

Status FileWriter::Append(std::span<const std::byte> bytes) {
  // One call writes at most 2 GiB on Linux. Waiting for the disk now and then keeps the wait of
  // Commit short, and what a progress bar says of the writing true.
  constexpr size_t kPiece = size_t{1} << 30, kSave = size_t{64} << 20;
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kPiece));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CannotWrite(path_, errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
    unsaved_ += static_cast<size_t>(n);
    if (unsaved_ < kSave) continue;
    if (::fsync(descriptor_) != 0) return CannotWrite(path_, errno);
    unsaved_ = 0;
  }
  return {};
}

Status FileWriter::Commit() {
  if (::fsync(descriptor_) != 0) return CannotWrite(path_, errno);
  if (partial_.empty()) {
    // A name can be given to it only where there is none, and renaming needs one.
    const std::string nameless = "/proc/self/fd/" + std::to_string(descriptor_);
    std::string name;
    const int linked = MakePartial(path_, name, [&](const char* partial) {
      return ::linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, partial, AT_SYMLINK_FOLLOW);
    });
    if (linked < 0) return CannotWrite(path_, errno);
    partial_ = std::move(name);
  }
  // Some file systems report a full disk only here.
  if (::close(std::exchange(descriptor_, -1)) != 0) return CannotWrite(path_, errno);
  if (::rename(partial_.c_str(), path_.c_str()) != 0) return CannotWrite(path_, errno);
  partial_.clear();
  if (!SyncFolder(FolderOf(path_))) return CannotWrite(path_, errno);
  return {};
}

bool IsAbandoned(const std::string& path) {
  const size_t mark = path.rfind(kPartial);
  if (mark == std::string::npos) return false;
  const char* const end = path.data() + path.size();
  pid_t process = 0;
  int number = 0;
  const auto [dash, error] = std::from_chars(path.data() + mark + kPartial.size(), end, process);
  if (error != std::errc() || process <= 0 || dash == end || *dash != '-') return false;
  const auto [rest, other_error] = std::from_chars(dash + 1, end, number);
  if (other_error != std::errc() || rest != end || number < 0) return false;
  if (process == ::getpid()) return false;
  if (::getpgid(process) < 0 && errno == ESRCH) return true;
  constexpr time_t kDay = 24 * 60 * 60;
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && std::time(nullptr) - info.st_mtime > kDay;
}

}  // namespace gemma3
