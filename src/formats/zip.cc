// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// All offsets and sums in 64 bits, all compared with the bytes that there are.
#include "src/formats/zip.h"

#include <algorithm>
#include <optional>

#include "src/base/half.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kEnd = 0x06054b50,
                   kZip64End = 0x06064b50, kZip64Locator = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kZip64EndBytes = 56,
                   kZip64LocatorBytes = 20;
constexpr uint64_t kMaxComment = 65535;
constexpr uint32_t kIn64 = 0xffffffff;  // stands for a number of 64 bits elsewhere

template <class T>
T At(std::span<const std::byte> bytes, uint64_t offset) {
  return LoadLittle<T>(bytes.data() + offset);
}

// Whether [offset, offset + size) lies in the bytes.
bool Holds(std::span<const std::byte> bytes, uint64_t offset, uint64_t size) {
  return offset <= bytes.size() && size <= bytes.size() - offset;
}

// The offset of the end record: the last one whose comment fits.
std::optional<uint64_t> FindEnd(std::span<const std::byte> bytes) {
  if (bytes.size() < kEndBytes) return std::nullopt;
  const uint64_t last = bytes.size() - kEndBytes;
  const uint64_t first = last > kMaxComment ? last - kMaxComment : 0;
  for (uint64_t at = last + 1; at-- > first;) {
    if (At<uint32_t>(bytes, at) == kEnd &&
        Holds(bytes, at + kEndBytes, At<uint16_t>(bytes, at + 20))) {
      return at;
    }
  }
  return std::nullopt;
}

struct Directory {
  uint64_t entries = 0, offset = 0, size = 0;
};

Result<Directory> FindDirectory(std::span<const std::byte> bytes, const std::string& file) {
  const auto damaged = [&] {
    return Fail(ErrorCode::kBadModel, file,
                ": the directory of this zip archive is cut off or damaged; is the download "
                "complete?");
  };
  const std::optional<uint64_t> end = FindEnd(bytes);
  if (!end) return damaged();
  Directory directory{.entries = At<uint16_t>(bytes, *end + 10),
                      .offset = At<uint32_t>(bytes, *end + 16),
                      .size = At<uint32_t>(bytes, *end + 12)};
  uint64_t disk = At<uint16_t>(bytes, *end + 4);
  uint64_t entries_here = At<uint16_t>(bytes, *end + 8);
  const bool has_locator =
      *end >= kZip64LocatorBytes && At<uint32_t>(bytes, *end - kZip64LocatorBytes) == kZip64Locator;
  if (has_locator) {
    const auto at = At<uint64_t>(bytes, *end - kZip64LocatorBytes + 8);
    if (!Holds(bytes, at, kZip64EndBytes) || At<uint32_t>(bytes, at) != kZip64End) return damaged();
    disk = At<uint32_t>(bytes, at + 16);
    entries_here = At<uint64_t>(bytes, at + 24);
    directory = {.entries = At<uint64_t>(bytes, at + 32),
                 .offset = At<uint64_t>(bytes, at + 48),
                 .size = At<uint64_t>(bytes, at + 40)};
  }
  if (disk != 0 || entries_here != directory.entries) {
    return Fail(ErrorCode::kUnsupported, file, " is one part of a zip archive; join the parts");
  }
  if (!Holds(bytes, directory.offset, directory.size) ||
      directory.entries > directory.size / kEntryBytes) {
    return damaged();
  }
  return directory;
}

// Replaces numbers that are in the extra field, where they have 64 bits: field 1 holds those, and
// only those, in this order. False if one is missing.
bool TakeLongNumbers(std::span<const std::byte> extra, uint64_t* size, uint64_t* compressed,
                     uint64_t* header) {
  std::span<const std::byte> numbers;
  while (extra.size() >= 4) {
    const auto id = At<uint16_t>(extra, 0);
    const auto length = At<uint16_t>(extra, 2);
    if (length > extra.size() - 4) return false;
    if (id == 1) numbers = extra.subspan(4, length);
    extra = extra.subspan(4 + size_t{length});
  }
  for (uint64_t* number : {size, compressed, header}) {
    if (*number != kIn64) continue;
    if (numbers.size() < 8) return false;
    *number = At<uint64_t>(numbers, 0);
    numbers = numbers.subspan(8);
  }
  return true;
}

}  // namespace

bool HasZipDirectory(std::span<const std::byte> bytes) { return FindEnd(bytes).has_value(); }

Result<std::vector<ZipMember>> ReadZipDirectory(std::span<const std::byte> bytes,
                                                const std::string& file) {
  GEMMA3_TRY(const Directory directory, FindDirectory(bytes, file));
  std::span<const std::byte> left = bytes.subspan(directory.offset, directory.size);
  std::vector<ZipMember> members;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    const auto damaged = [&] {
      return Fail(ErrorCode::kBadModel, file, ": entry ", i,
                  " of the directory of this zip archive is damaged");
    };
    if (left.size() < kEntryBytes || At<uint32_t>(left, 0) != kDirectoryEntry) return damaged();
    const uint64_t name_bytes = At<uint16_t>(left, 28), extra_bytes = At<uint16_t>(left, 30),
                   comment_bytes = At<uint16_t>(left, 32);
    if (!Holds(left, kEntryBytes, name_bytes + extra_bytes + comment_bytes)) return damaged();
    uint64_t compressed = At<uint32_t>(left, 20), size = At<uint32_t>(left, 24),
             header = At<uint32_t>(left, 42);
    if (!TakeLongNumbers(left.subspan(kEntryBytes + name_bytes, extra_bytes), &size, &compressed,
                         &header)) {
      return damaged();
    }
    const bool encrypted = (At<uint16_t>(left, 8) & 1) != 0;
    const bool stored = !encrypted && At<uint16_t>(left, 10) == 0;
    if (stored && size != compressed) return damaged();
    members.push_back({std::string(reinterpret_cast<const char*>(left.data()) + kEntryBytes,
                                   static_cast<size_t>(name_bytes)),
                       stored, compressed, header});
    left = left.subspan(kEntryBytes + name_bytes + extra_bytes + comment_bytes);
  }
  return members;
}

Result<std::span<const std::byte>> StoredBytes(std::span<const std::byte> bytes,
                                               const ZipMember& member, const std::string& file) {
  const auto damaged = [&] {
    return Fail(ErrorCode::kBadModel, file, ": ", Shown(member.name),
                " does not lie in this zip archive where its directory says; is the download "
                "complete?");
  };
  if (!Holds(bytes, member.header, kLocalBytes) ||
      At<uint32_t>(bytes, member.header) != kLocalHeader) {
    return damaged();
  }
  // The local header has a name and extra fields of its own, and they are longer than the
  // directory's where a writer has aligned the data.
  const uint64_t begin = member.header + kLocalBytes + At<uint16_t>(bytes, member.header + 26) +
                         At<uint16_t>(bytes, member.header + 28);
  if (!Holds(bytes, begin, member.size)) return damaged();
  return bytes.subspan(begin, member.size);
}

}  // namespace gemma3
