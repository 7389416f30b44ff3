// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What one sequence has computed: keys and values of its positions, in pages of a pool.
//
// Local layers need a window only: Settle gives back what no later position sees, and going back
// behind that is no longer possible. A Fork shares all pages; so what was computed once can be kept
// at several places of a conversation, and by several sequences that begin alike, for the price of
// what differs.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/model/kv_pool.h"

namespace gemma3 {

// Thread rule: one at a time; forks are independent of each other.
class KvCache {
 public:
  explicit KvCache(std::shared_ptr<KvPool> pool) : pool_(std::move(pool)) {}
  KvCache(KvCache&&) noexcept = default;
  KvCache& operator=(KvCache&&) noexcept = default;

  // `size` positions in pages that were filled elsewhere, one for each tile, in order. Local ones
  // are null up to a tile that position `size` sees or one before. Errors: kInvalidArgument.
  static Result<KvCache> FromPages(std::shared_ptr<KvPool> pool, size_t size,
                                   std::vector<KvPage> local, std::vector<KvPage> global);

  // The same positions, in the same pages. Throws std::bad_alloc.
  KvCache Fork() const;

  size_t size() const { return size_; }  // positions that are stored

  // Makes [size(), end) writable: takes pages, and a copy of the last one where it is shared and
  // not full. Errors: those of KvPool::Take; nothing has changed then but pages taken in advance.
  Status MakeRoom(size_t end);
  // Declares that they are stored.
  void Append(size_t end) { size_ = end; }

  // Whether computation can go on at position n: whether every key that a query at n or later may
  // see is held.
  bool CanTruncate(size_t n) const;
  // Forgets the positions from n on. CanTruncate(n) must hold.
  void Truncate(size_t n);
  // Gives back the local pages that no query at position n or later sees.
  void Settle(size_t n);

  // Valid until the next MakeRoom, Truncate or Settle.
  KvView layer(size_t i) const;
  // The page of a tile below NumTiles(size()), of pool()->page_bytes(kind); null: given back.
  const std::byte* page(LayerKind kind, size_t tile) const { return table(kind).memory[tile]; }
  const std::shared_ptr<KvPool>& pool() const { return pool_; }

  static size_t NumTiles(size_t positions) { return (positions + kKvTile - 1) / kKvTile; }
  // The first tile of local layers that a query at position n sees; NumTiles(n) where it sees none.
  static size_t FirstTileSeenAt(const TextConfig& config, size_t n);

  // Bytes of the pages that this one holds and `other` does not.
  size_t BytesBeside(const KvCache& other) const;

  // Pages of a sequence of `positions` that is computed in batches of `max_rows` and settled after
  // each, at most at a time.
  static size_t MostBytes(const TextConfig& config, KvTypes types, size_t positions,
                          size_t max_rows);
  // What a fork at some place of it may hold beside it: local layers' windows, and a last page.
  static size_t ForkBytes(const TextConfig& config, KvTypes types);

 private:
  struct Table {
    std::vector<KvPage> pages;       // [tiles]; null: given back
    std::vector<std::byte*> memory;  // of the pages, for the kernels
  };
  KvCache(const KvCache&) = default;  // Fork
  Table& table(LayerKind kind) { return tables_[kind == LayerKind::kLocal ? 0 : 1]; }
  const Table& table(LayerKind kind) const { return tables_[kind == LayerKind::kLocal ? 0 : 1]; }

  std::shared_ptr<KvPool> pool_;
  std::array<Table, 2> tables_;
  size_t size_ = 0;
};

}  // namespace gemma3
