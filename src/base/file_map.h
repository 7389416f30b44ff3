// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A read-only memory map of a file. Pages are read when touched and shared with the page cache, so
// a model costs no second copy.
//
// The price: the bytes are the file's as it is when they are touched. One that is overwritten in
// place gives other bytes, and touching what was cut off ends the process (SIGBUS); a library must
// not install a handler for that. CheckUnchanged notices such a file in time, unless it changes
// between the check and the last read that follows: that window stays open, as long as one call of
// a session lasts. Replacing a file by renaming another over it, as package managers and the
// Hugging Face client do, or deleting it, is safe at any time: the map keeps the old one.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "gemma3/error.h"

namespace gemma3 {

// What the system knows a file by. No two files that exist at one time share it, nor does one
// file before and after a change of its content: the time of the last change is the system's own,
// and programs that set a file's modification time back (touch, cp -p, tar) change it by doing so.
// It is as fine as the system's clock for files, 1 to 10 ms; file systems that keep no such time
// (FAT) have the modification time in its place.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified_ns = 0;  // since 1970
  int64_t changed_ns = 0;   // of content, name or rights
  uint64_t offset = 0;      // in the file, of a part that is mapped on its own (FileMap::Part)
  auto operator<=>(const FileIdentity&) const = default;
};

class FileMap {
 public:
  // Maps all of `path`. An empty file maps to an empty span. Errors: kIo, naming the path.
  static Result<std::shared_ptr<const FileMap>> Open(const std::string& path);
  // A part of a map as a map of its own, which keeps `whole` alive. `name` says which, in messages.
  // The part lies inside.
  static std::shared_ptr<const FileMap> Part(std::shared_ptr<const FileMap> whole, size_t offset,
                                             size_t size, std::string name);
  ~FileMap();
  FileMap(const FileMap&) = delete;
  FileMap& operator=(const FileMap&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }  // of the file, of a part too
  const std::string& name() const { return name_; }  // the path; of a part, its name

  // When it was mapped, and now. Errors: kIo.
  const FileIdentity& identity() const { return identity_; }
  Result<FileIdentity> CurrentIdentity() const;

  // Whether the file still has the size and the modification time that it had when it was mapped.
  // One system call. Errors: kBadModel, with both sizes; kIo.
  Status CheckUnchanged() const;

  // Tells the system that `part` will not be read soon; its pages stop counting as this process's
  // memory. Reading them again is slower but correct. A part of another map is ignored.
  void Release(std::span<const std::byte> part) const;

 private:
  FileMap() = default;
  std::string path_, name_;
  std::shared_ptr<const FileMap> whole_;  // of a part: what it is a part of
  int descriptor_ = -1;
  FileIdentity identity_;
  std::span<const std::byte> bytes_;
};

// Reads a whole small file. Errors: kIo; kBadModel when it is larger than `max_bytes`.
Result<std::string> ReadFile(const std::string& path, size_t max_bytes);

}  // namespace gemma3
