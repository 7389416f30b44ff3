// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/kept_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <vector>

#include "src/base/file_writer.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

}  // namespace

void TrimFolder(const std::string& folder, std::string_view ending, size_t max_bytes,
                const std::string& keep) {
  struct Entry {
    fs::path path;
    std::time_t used;
    size_t bytes;
  };
  std::vector<Entry> entries;
  std::vector<fs::path> abandoned;
  size_t total = 0;
  std::error_code error;
  const std::string within = std::string(ending) + ".";
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    struct stat info = {};
    if (::stat(it->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (it->path().filename().string().find(within) != std::string::npos &&
        IsAbandoned(it->path().string())) {
      abandoned.push_back(it->path());
    }
    if (it->path().extension() != ending) continue;
    const auto bytes = static_cast<size_t>(info.st_size);
    total += bytes;
    if (it->path() != keep) entries.push_back({it->path(), info.st_atime, bytes});
  }
  for (const fs::path& path : abandoned) fs::remove(path, error);
  std::ranges::sort(entries, {}, &Entry::used);
  for (const Entry& entry : entries) {
    if (total <= max_bytes) break;
    if (fs::remove(entry.path, error)) total -= entry.bytes;
  }
}

// In its access time: whoever has the file mapped takes another modification time for other content
// (FileMap::CheckUnchanged).
void MarkUsed(const std::string& path) {
  const timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};  // access, modification
  ::utimensat(AT_FDCWD, path.c_str(), times, 0);  // a file of someone else's keeps its time
}

}  // namespace gemma3
