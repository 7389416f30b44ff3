// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a saved state, as they are and with sums that are right: an error, or a state that
// can be saved again and is then the same. The seeds in seeds/state/ are by make_state_seeds.py.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "src/model/state_file.h"
#include "tests/support/small_state.h"
#include "tests/support/temp_folder.h"

namespace {

using namespace gemma3;

void Try(const std::string& folder, const std::string& bytes, bool may_save) {
  static const TextConfig kConfig = testing::SmallStateConfig();
  const std::string path = folder + "/state";
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), bytes.size());
  const auto notes = ReadStateNotes(path);
  const auto header = ReadStateHeader(path);
  if (!header) return;
  if (header->file_bytes != bytes.size() || header->cache_bytes > bytes.size() ||
      header->positions > header->ids.size()) {
    std::abort();
  }
  constexpr size_t kMemory = size_t{1} << 20;
  const auto pool = std::make_shared<KvPool>(kConfig, testing::kSmallStateTypes, kMemory);
  const auto state = ReadState(path, header->identity, pool);
  if (!state) {
    if (pool->bytes_in_use() != 0) std::abort();
    return;
  }
  if (!notes || state->notes != *notes || state->ids != header->ids) std::abort();
  if (state->cache && !state->cache->CanTruncate(header->positions)) std::abort();
  // Saving waits for the disk: of what is the same as before but for its text, once is enough.
  static uint64_t saved = 0;
  if (!may_save || saved++ % 16 != 0) return;
  const std::string again = folder + "/again";
  if (!WriteState(again, {.identity = header->identity,
                          .notes = state->notes,
                          .ids = state->ids,
                          .images = state->images,
                          .hashes = state->hashes,
                          .cache = state->cache ? &*state->cache : nullptr})) {
    std::abort();
  }
  std::ifstream in(again, std::ios::binary);
  const std::string rewritten((std::istreambuf_iterator<char>(in)), {});
  // Equal soft tokens of two pictures are written once, so it may have become shorter.
  if (rewritten.size() > bytes.size() || (rewritten.size() == bytes.size() && rewritten != bytes)) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const testing::TempFolder folder;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Try(folder.path(), bytes, false);
  testing::SealState(bytes);
  Try(folder.path(), bytes, true);
  return 0;
}
