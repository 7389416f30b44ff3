// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A read-only memory map of a file. Pages are read when touched and shared with the page cache, so
// a model costs no second copy.
#pragma once

#include <cstddef>
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

  // Tells the system that `part` will not be read soon; its pages stop counting as this process's
  // memory. Reading them again is slower but correct. A part of another map is ignored.
  void Release(std::span<const std::byte> part) const;

 private:
  FileMap() = default;
  std::string path_;
  std::span<const std::byte> bytes_;
};

// Reads a whole small file. Errors: kIo; kBadModel when it is larger than `max_bytes`.
Result<std::string> ReadFile(const std::string& path, size_t max_bytes);

}  // namespace gemma3
