// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The file that what a sequence has computed is saved in, so that another process goes on from
// there with the same bits: ids, soft tokens of pictures, pages of keys and values, and notes of
// the layer above, such as the messages.
//
// All numbers are little-endian and without padding; a number is 8 bytes, a sum is the SipHash-2-4
// of 16 bytes of what it covers, a text its length and its bytes.
//   head   "gemma3st", version, bytes of the notes, bytes of the index; sums of the notes, of the
//          index, and of the head up to here
//   notes  as they were given. They stand in front, so that they can be read from a file that was
//          cut off behind them.
//   index  identity: count, then a name and a value each, texts
//          1 or 0: whether there is a cache; its positions, the first tile whose local page it
//            holds, bytes of a local page, of a global page
//          ids: count, then 4 bytes each
//          soft tokens: count, then the floats of each
//          pictures: count, then of each its begin, its count of positions, which soft tokens
//            (2^64 - 1: they were not kept), its hash (16 bytes)
//          sums of the data: count, then one for each piece: every part of the data by itself is
//          cut
//            every 256 KiB
//   data   soft tokens, f32, each once, in the order of their first picture; then of each tile in
//          order the local page, if it is held, and the global one
// The file ends there. A change of this, or of what is in a page (KvLayout), is a new version.
//
// Damage is noticed, by accident and by chance; whoever can write the file can write another one
// that is sound, so a state is to be trusted as the conversation in it is. Whatever it holds,
// reading it ends in an error or in a sequence that can be computed on, and asks for no more memory
// than the file has bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/generation.h"
#include "src/base/hash.h"
#include "src/model/image_run.h"
#include "src/model/kv_cache.h"
#include "src/model/kv_pool.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// By convention names end so.
inline constexpr const char* kStateSuffix = ".gemma3-state";

// Named facts that the bits of a computation depend on: the model, the types of keys and values,
// the SIMD target. A state is continued only where all of them are the same.
struct StateIdentity {
  std::vector<std::pair<std::string, std::string>> fields;
  bool operator==(const StateIdentity&) const = default;
};

struct StateView {
  const StateIdentity& identity;
  std::string_view notes = {};  // of the layer above; at most 256 MiB
  std::span<const TokenId> ids = {};
  std::span<const ImageRun> images = {};  // rising; rows may be null: known by their hash alone
  std::span<const Hash128> hashes = {};   // of the images
  // Holds the first of the ids, and no picture in part. Null: notes and ids alone. Nothing is
  // computed on it meanwhile; a fork will do.
  const KvCache* cache = nullptr;
};

// Writes the file, whole or not at all, readable by its owner alone. Progress: Stage::kWriting.
// Throws std::bad_alloc. Errors: kIo; kCancelled; kInvalidArgument where `path` is a file and no
// saved state, or where the view is none as above; what was there stays then.
Status WriteState(const std::string& path, const StateView& state,
                  const ProgressCallback& on_progress = {});

// ---- Reading
//
// Errors of all three: kIo; kBadModel for what is damaged or no saved state; kUnsupported for
// another version, and on big-endian machines. They throw std::bad_alloc.

struct SavedState {
  std::string notes;
  std::vector<TokenId> ids;
  std::vector<ImageRun> images;  // those that shared their rows share them again
  std::vector<Hash128> hashes;
  std::optional<KvCache> cache;
};

// Reads all of it, into pages of `pool`: nothing of the file stays mapped, so that what happens to
// it later changes no answer. `threads`, if not null, share the work. Errors, besides: kUnsupported
// for another identity, with the first fact that differs and both values; kOutOfMemory.
Result<SavedState> ReadState(const std::string& path, const StateIdentity& expected,
                             const std::shared_ptr<KvPool>& pool, ThreadPool* threads = nullptr);

// The notes alone, of any model; the rest may be damaged.
Result<std::string> ReadStateNotes(const std::string& path);

// What there is to know without the pages: enough to see which of several states begins as a prompt
// does.
struct StateHeader {
  StateIdentity identity;
  std::vector<TokenId> ids;      // not compared with any vocabulary
  std::vector<ImageRun> images;  // without rows
  std::vector<Hash128> hashes;
  bool has_cache = false;
  size_t positions = 0;      // of the cache
  uint64_t cache_bytes = 0;  // of its pages, which the pool must have room for
  uint64_t file_bytes = 0;
};
Result<StateHeader> ReadStateHeader(const std::string& path);

}  // namespace gemma3
