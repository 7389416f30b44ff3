// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// With file_reader.cc, the only place that asks the operating system about reading files (POSIX).
#include "src/base/file_map.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "src/base/file_reader.h"
#include "src/base/large_pages.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

// std::strerror is not thread-safe; std::error_code is.
std::string SystemMessage(int error) { return std::generic_category().message(error); }

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

Result<FileIdentity> Describe(const std::string& path, int descriptor) {
  struct stat info = {};
  if (::fstat(descriptor, &info) != 0) {
    return Fail(ErrorCode::kIo, "cannot read the size of ", path, ": ", SystemMessage(errno));
  }
  return IdentityOf(info);
}

}  // namespace

Result<std::shared_ptr<const FileMap>> FileMap::Open(const std::string& path) {
  std::shared_ptr<FileMap> map(new FileMap());
  map->path_ = map->name_ = path;
  GEMMA3_TRY(map->descriptor_, OpenRegularFile(path));
  GEMMA3_TRY(map->identity_, Describe(path, map->descriptor_));
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
  if (!whole_) return Describe(path_, descriptor_);
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
  GEMMA3_TRY(const FileReader file, FileReader::Open(path));
  if (file.size() > max_bytes) {
    return Fail(ErrorCode::kBadModel, path, " is ", file.size(), " bytes; at most ", max_bytes,
                " are expected of such a file");
  }
  std::string text(file.size(), '\0');
  GEMMA3_CHECK_OK(file.ReadAt(0, std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace gemma3
