// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a zip archive: an error, or members that lie inside the bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "src/formats/foreign.h"
#include "src/formats/gguf.h"
#include "src/formats/llamafile.h"
#include "src/formats/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gemma3;
  static const std::string kName = "fuzz";
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  (void)RefuseFile(kName, bytes);
  (void)IsArchive(bytes);
  const auto members = ReadZipDirectory(bytes, kName);
  if (!members) return 0;
  if (!HasZipDirectory(bytes)) std::abort();
  (void)GgufMembers(*members);
  (void)RefuseArchive(kName, *members);
  for (const ZipMember& member : *members) {
    const auto stored = StoredBytes(bytes, member, kName);
    if (!stored) continue;
    if (!stored->empty() && (stored->data() < bytes.data() ||
                             stored->data() + stored->size() > bytes.data() + bytes.size())) {
      std::abort();
    }
    (void)GgufFile::Parse(*stored, kName);
  }
  return 0;
}
