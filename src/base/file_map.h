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

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "gemma3/error.h"

namespace gemma3 {

class FileMap {
 public:
  // Maps all of `path`. An empty file maps to an empty span. Errors: kIo, naming the path.
  static Result<std::shared_ptr<const FileMap>> Open(const std::string& path);
  ~FileMap();
  FileMap(const FileMap&) = delete;
  FileMap& operator=(const FileMap&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

  // Whether the file still has the size and the modification time that it had when it was mapped.
  // One system call. Errors: kBadModel, with both sizes; kIo.
  Status CheckUnchanged() const;

  // Tells the system that `part` will not be read soon; its pages stop counting as this process's
  // memory. Reading them again is slower but correct. A part of another map is ignored.
  void Release(std::span<const std::byte> part) const;

 private:
  FileMap() = default;
  std::string path_;
  int descriptor_ = -1;
  int64_t modified_ns_ = 0;  // when mapped
  std::span<const std::byte> bytes_;
};

// Reads a whole small file. Errors: kIo; kBadModel when it is larger than `max_bytes`.
Result<std::string> ReadFile(const std::string& path, size_t max_bytes);

}  // namespace gemma3
