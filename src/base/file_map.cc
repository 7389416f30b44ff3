// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The only place that talks to the operating system about reading files (POSIX).
#include "src/base/file_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "src/base/large_pages.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// std::strerror is not thread-safe; std::error_code is.
std::string SystemMessage(int error) { return std::generic_category().message(error); }

// O_NONBLOCK: opening a pipe must fail in DescribeRegular instead of waiting for a writer.
int OpenForReading(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileIdentity IdentityOf(const struct stat& info) {
#ifdef __APPLE__
  const timespec &modified = info.st_mtimespec, &changed = info.st_ctimespec;
#else
  const timespec &modified = info.st_mtim, &changed = info.st_ctim;
#endif
  return {.device = static_cast<uint64_t>(info.st_dev),
          .inode = static_cast<uint64_t>(info.st_ino),
          .size = static_cast<uint64_t>(info.st_size),
          .modified_ns = Nanoseconds(modified),
          .changed_ns = Nanoseconds(changed)};
}

// Refuses anything but a regular file, since a folder, a pipe or a device has no size to rely on.
// `descriptor` is what OpenForReading returned, just now.
Result<FileIdentity> DescribeRegular(const std::string& path, int descriptor) {
  if (descriptor < 0) {
    return Fail(ErrorCode::kIo, "cannot open ", path, ": ", SystemMessage(errno));
  }
  struct stat info = {};
  if (::fstat(descriptor, &info) != 0) {
    return Fail(ErrorCode::kIo, "cannot read the size of ", path, ": ", SystemMessage(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kIo, path, S_ISDIR(info.st_mode) ? " is a folder" : " is not a file",
                "; a regular file is needed here");
  }
  return IdentityOf(info);
}

}  // namespace

Result<std::shared_ptr<const FileMap>> FileMap::Open(const std::string& path) {
  std::shared_ptr<FileMap> map(new FileMap());
  map->path_ = map->name_ = path;
  map->descriptor_ = OpenForReading(path);
  GEMMA3_TRY(map->identity_, DescribeRegular(path, map->descriptor_));
  const size_t size = map->identity_.size;
  if (size == 0) return map;  // mmap refuses a length of 0
  void* address = MapFileInLargePages(map->descriptor_, size);
  if (!address) {
    return Fail(errno == ENOMEM ? ErrorCode::kOutOfMemory : ErrorCode::kIo, "cannot map ", path,
                " (", size, " bytes) into memory: ", SystemMessage(errno));
  }
  map->bytes_ = {static_cast<const std::byte*>(address), size};
  return map;
}

std::shared_ptr<const FileMap> FileMap::Part(std::shared_ptr<const FileMap> whole, size_t offset,
                                             size_t size, std::string name) {
  std::shared_ptr<FileMap> part(new FileMap());
  part->path_ = whole->path_;
  part->name_ = std::move(name);
  part->bytes_ = whole->bytes_.subspan(offset, size);
  part->identity_ = whole->identity_;
  part->identity_.offset = offset;
  part->whole_ = std::move(whole);
  return part;
}

FileMap::~FileMap() {
  if (whole_) return;  // its map
  if (!bytes_.empty()) FreeLargePages(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<FileIdentity> FileMap::CurrentIdentity() const {
  if (!whole_) return DescribeRegular(path_, descriptor_);
  GEMMA3_TRY(FileIdentity now, whole_->CurrentIdentity());
  now.offset = identity_.offset;
  return now;
}

Status FileMap::CheckUnchanged() const {
  if (whole_) return whole_->CheckUnchanged();
  GEMMA3_TRY(const FileIdentity now, CurrentIdentity());
  // Not the time of change: renaming and deleting set it, too.
  if (now.size == bytes_.size() && now.modified_ns == identity_.modified_ns) return {};
  const std::string sizes =
      now.size == bytes_.size()
          ? std::to_string(now.size) + " bytes as before"
          : std::to_string(bytes_.size()) + " bytes then, " + std::to_string(now.size) + " now";
  return Fail(ErrorCode::kBadModel, path_, " was overwritten since it was loaded (", sizes,
              "); load it again once it is complete");
}

void FileMap::Release(std::span<const std::byte> part) const {
  const auto begin = reinterpret_cast<uintptr_t>(part.data());
  const auto base = reinterpret_cast<uintptr_t>(bytes_.data());
  if (begin < base || begin + part.size() > base + bytes_.size()) return;
  // Whole pages only: neighbours may still be in use.
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + part.size()) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

Result<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  const Descriptor descriptor(OpenForReading(path));
  GEMMA3_TRY(const FileIdentity identity, DescribeRegular(path, descriptor.get()));
  const size_t size = identity.size;
  if (size > max_bytes) {
    return Fail(ErrorCode::kBadModel, path, " is ", size, " bytes; at most ", max_bytes,
                " are expected of such a file");
  }
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(descriptor.get(), text.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Fail(ErrorCode::kIo, "cannot read ", path, ": ", SystemMessage(errno));
    if (n == 0) break;  // cut while being read
    done += static_cast<size_t>(n);
  }
  text.resize(done);
  return text;
}

}  // namespace gemma3
