// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/model/kv_cache.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr std::array<LayerKind, 2> kKinds = {LayerKind::kLocal, LayerKind::kGlobal};

}  // namespace

Result<KvCache> KvCache::FromPages(std::shared_ptr<KvPool> pool, size_t size,
                                   std::vector<KvPage> local, std::vector<KvPage> global) {
  const size_t tiles = NumTiles(size);
  const size_t first = static_cast<size_t>(
      std::ranges::find_if(local, [](const KvPage& page) { return page != nullptr; }) -
      local.begin());
  if (local.size() != tiles || global.size() != tiles ||
      first > FirstTileSeenAt(pool->config(), size) ||
      std::ranges::count(local, nullptr) != static_cast<ptrdiff_t>(first) ||
      std::ranges::count(global, nullptr) != 0) {
    return Fail(ErrorCode::kInvalidArgument, "these pages are not those of ", size, " positions");
  }
  KvCache cache(std::move(pool));
  cache.size_ = size;
  cache.table(LayerKind::kLocal).pages = std::move(local);
  cache.table(LayerKind::kGlobal).pages = std::move(global);
  for (Table& table : cache.tables_) {
    for (const KvPage& page : table.pages) table.memory.push_back(page.get());
  }
  return cache;
}

KvCache KvCache::Fork() const {
  KvCache fork(*this);
  fork.Truncate(size_);  // pages taken in advance are not shared: they will be written
  return fork;
}

Status KvCache::MakeRoom(size_t end) {
  for (const LayerKind kind : kKinds) {
    Table& table = this->table(kind);
    table.pages.reserve(NumTiles(end));
    table.memory.reserve(NumTiles(end));
    if (size_ % kKvTile != 0) {  // the last page is written on; others keep what they share
      KvPage& last = table.pages[size_ / kKvTile];
      if (last.use_count() > 1) {
        GEMMA3_TRY(KvPage own, pool_->Take(kind));
        std::memcpy(own.get(), last.get(), pool_->page_bytes(kind));
        last = std::move(own);
        table.memory[size_ / kKvTile] = last.get();
      }
    }
    while (table.pages.size() < NumTiles(end)) {
      GEMMA3_TRY(KvPage page, pool_->Take(kind));
      table.memory.push_back(page.get());
      table.pages.push_back(std::move(page));
    }
  }
  return {};
}

size_t KvCache::FirstTileSeenAt(const TextConfig& config, size_t n) {
  const size_t window = config.sliding_window;
  return n >= window ? (n - window + 1) / kKvTile : 0;
}

bool KvCache::CanTruncate(size_t n) const {
  if (n > size_) return false;
  const Table& local = table(LayerKind::kLocal);
  for (size_t t = FirstTileSeenAt(pool_->config(), n); t < NumTiles(n); ++t) {
    if (!local.pages[t]) return false;
  }
  return true;
}

void KvCache::Truncate(size_t n) {
  for (Table& table : tables_) {
    table.pages.resize(std::min(table.pages.size(), NumTiles(n)));
    table.memory.resize(table.pages.size());
  }
  size_ = std::min(size_, n);
}

void KvCache::Settle(size_t n) {
  Table& local = table(LayerKind::kLocal);
  const size_t first = std::min(FirstTileSeenAt(pool_->config(), n), local.pages.size());
  // Backwards, since what lies behind a gap was given back before.
  for (size_t t = first; t-- > 0 && local.pages[t];) {
    local.pages[t] = nullptr;
    local.memory[t] = nullptr;
  }
}

KvView KvCache::layer(size_t i) const {
  KvView view = pool_->layer(i);
  view.pages = table(pool_->config().layers[i]).memory.data();
  return view;
}

size_t KvCache::BytesBeside(const KvCache& other) const {
  size_t bytes = 0;
  for (const LayerKind kind : kKinds) {
    const auto& own = table(kind).memory;
    const auto& others = other.table(kind).memory;
    for (size_t t = 0; t < own.size(); ++t) {
      const bool shared = t < others.size() && others[t] == own[t];
      if (own[t] && !shared) bytes += pool_->page_bytes(kind);
    }
  }
  return bytes;
}

size_t KvCache::MostBytes(const TextConfig& config, KvTypes types, size_t positions,
                          size_t max_rows) {
  // What a batch sees begins anywhere in a tile, and what it writes ends anywhere in one.
  const size_t seen = config.sliding_window - 1 + max_rows;
  const size_t local = std::min(NumTiles(positions), NumTiles(seen) + 1);
  return local * KvPool::PageBytes(config, types, LayerKind::kLocal) +
         NumTiles(positions) * KvPool::PageBytes(config, types, LayerKind::kGlobal);
}

size_t KvCache::ForkBytes(const TextConfig& config, KvTypes types) {
  return (NumTiles(config.sliding_window - 1) + 1) *
             KvPool::PageBytes(config, types, LayerKind::kLocal) +
         KvPool::PageBytes(config, types, LayerKind::kGlobal);
}

}  // namespace gemma3
