// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/packed_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "src/image/hash.h"
#include "src/weights/packed_file.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

// The layout of packed matrices and the rules of what is packed how. A change of either makes all
// cached files stale.
constexpr uint64_t kCacheVersion = 3;

// Headers, and with them names, shapes and places of all tensors, lie at the front of both
// containers; data is sampled, since reading gigabytes would cost what the cache is to save.
constexpr size_t kFrontBytes = 1 << 20;
constexpr size_t kSampleBytes = 4096;
constexpr size_t kSamples = 64;

void Append(std::vector<uint8_t>& bytes, std::span<const std::byte> part) {
  const auto* data = reinterpret_cast<const uint8_t*>(part.data());
  bytes.insert(bytes.end(), data, data + part.size());
}

void Append(std::vector<uint8_t>& bytes, uint64_t value) {
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

}  // namespace

std::string PackedCachePath(const Checkpoint& checkpoint, const LoadOptions& options) {
  std::vector<uint8_t> bytes;
  Append(bytes, kCacheVersion);
  Append(bytes, static_cast<uint64_t>(options.weights));
  for (const auto& file : checkpoint.files) {
    const std::span<const std::byte> content = file->bytes();
    Append(bytes, content.size());
    Append(bytes, content.first(std::min(kFrontBytes, content.size())));
    for (size_t i = 0; i < kSamples && content.size() > kSampleBytes; ++i) {
      const size_t at = (content.size() - kSampleBytes) / kSamples * i;
      Append(bytes, content.subspan(at, kSampleBytes));
    }
    Append(bytes, content.last(std::min(kSampleBytes, content.size())));
  }
  const ImageHash hash = SipHash128({0x67656D6D6133, kCacheVersion}, bytes);
  std::array<char, 33> name;
  std::snprintf(name.data(), name.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high),
                static_cast<unsigned long long>(hash.low));
  return (fs::path(options.cache_folder) / (std::string(name.data()) + kPackedFileSuffix)).string();
}

void MarkUsed(const std::string& path) {
  const timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};  // access, modification
  ::utimensat(AT_FDCWD, path.c_str(), times, 0);  // a file of someone else's keeps its time
}

void TrimPackedCache(const std::string& folder, size_t max_bytes, const std::string& keep) {
  struct Entry {
    fs::path path;
    time_t used;
    size_t bytes;
  };
  std::vector<Entry> entries;
  size_t total = 0;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    struct stat info = {};
    if (it->path().extension() != kPackedFileSuffix || ::stat(it->path().c_str(), &info) != 0 ||
        !S_ISREG(info.st_mode)) {
      continue;
    }
    const auto bytes = static_cast<size_t>(info.st_size);
    total += bytes;
    if (it->path() != keep) entries.push_back({it->path(), info.st_atime, bytes});
  }
  std::ranges::sort(entries, {}, &Entry::used);
  for (const Entry& entry : entries) {
    if (total <= max_bytes) break;
    if (fs::remove(entry.path, error)) total -= entry.bytes;
  }
}

}  // namespace gemma3
