// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The directory of a zip archive (PKWARE APPNOTE 6.3, sections 4.3 and 4.5.3), also one at the end
// of a program, and where its members lie. Nothing is decompressed: a member that was stored as it
// is can be mapped with the archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

struct ZipMember {
  std::string name;
  bool stored = false;  // neither compressed nor encrypted
  uint64_t size = 0;    // in the archive
  uint64_t header = 0;  // offset of its local header
};

// Whether the bytes end like a zip archive. Other files may by chance.
bool HasZipDirectory(std::span<const std::byte> bytes);

// The members, in the directory's order. `file` names the bytes in messages. Errors: kBadModel for
// a directory that is cut off or contradicts itself; kUnsupported for archives in several parts.
Result<std::vector<ZipMember>> ReadZipDirectory(std::span<const std::byte> bytes,
                                                const std::string& file);

// The bytes of a stored member. Errors: kBadModel where they do not lie in the archive.
Result<std::span<const std::byte>> StoredBytes(std::span<const std::byte> bytes,
                                               const ZipMember& member, const std::string& file);

}  // namespace gemma3
