// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reads pieces of a file into memory of the caller: for files that are copied once, where a map
// (file_map.h) would end the process if the file were cut off meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "gemma3/error.h"

namespace gemma3 {

// A descriptor of a regular file, for reading, that the caller closes. Folders, pipes and devices
// have no size to rely on and are refused. Errors: kIo, naming the path.
Result<int> OpenRegularFile(const std::string& path);

// Thread rule: any number of threads may read.
class FileReader {
 public:
  // Errors: kIo, as those of ReadAt.
  static Result<FileReader> Open(const std::string& path);
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&&) = delete;
  ~FileReader();

  uint64_t size() const { return size_; }  // when it was opened
  const std::string& path() const { return path_; }

  // Fills `bytes` with what begins at `offset`. An error, too, where the file ends before that.
  Status ReadAt(uint64_t offset, std::span<std::byte> bytes) const;

 private:
  FileReader() = default;

  std::string path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace gemma3
