// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Writes a file that appears under its name whole or not at all, whatever ends the writing: an
// error, a full disk, or the end of the process. Files of that name that others have open or mapped
// stay as they are.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "gemma3/error.h"

namespace gemma3 {

enum class FileAccess {
  kShared,   // whoever the user's mask lets may read it
  kPrivate,  // its owner alone
};

class FileWriter {
 public:
  // Where the file system has files without a name (O_TMPFILE), nothing remains even of a killed
  // process; elsewhere a file PATH.partialN may. Errors here and below: kIo, with path and reason.
  static Result<FileWriter> Create(const std::string& path,
                                   FileAccess access = FileAccess::kShared);
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;
  ~FileWriter();  // without Commit, what was written is gone

  Status Append(std::span<const std::byte> bytes);
  // Gives the file its name, replacing what had it, once all of it is on the disk: after a power
  // failure, too, the name stands for a whole file; for this one, where the file system can promise
  // that. Nothing may follow.
  Status Commit();

 private:
  explicit FileWriter(const std::string& path) : path_(path) {}

  std::string path_;
  std::string partial_;  // its name until Commit; empty: none
  int descriptor_ = -1;
  size_t unsaved_ = 0;  // bytes that the disk may not have
};

// Whether the file at `path` is what a FileWriter has left that will never commit: it has such a
// name, and the process of that number is gone or has not written to it for a day.
bool IsAbandoned(const std::string& path);

}  // namespace gemma3
