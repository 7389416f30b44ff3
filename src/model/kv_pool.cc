// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/model/kv_pool.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "src/base/large_pages.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

KvType TypeOf(KvTypes types, LayerKind kind) {
  return kind == LayerKind::kLocal ? types.local : types.global;
}

size_t LayerPageBytes(const TextConfig& config, KvTypes types, LayerKind kind) {
  return KvPageBytes(TypeOf(types, kind), config.num_kv_heads, config.head_dim);
}

size_t Index(LayerKind kind) { return kind == LayerKind::kLocal ? 0 : 1; }

// Pages come from the system in slabs, so that they lie in large pages however small they are.
constexpr size_t kSlabBytes = size_t{32} << 20;
constexpr size_t kMaxSlabPages = 64;

struct Slab {
  Slab(size_t page_bytes, size_t num_pages)
      : bytes(page_bytes * num_pages), memory(static_cast<std::byte*>(AllocateLargePages(bytes))) {
    if (!memory) throw std::bad_alloc();
  }
  ~Slab() { FreeLargePages(memory, bytes); }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  const size_t bytes;
  std::byte* const memory;
  size_t used = 0;       // pages that are out
  size_t untouched = 0;  // pages from here on were never out, and are zero
  std::vector<std::byte*> returned;
};

// The slabs of one kind of page.
struct Slabs {
  size_t page_bytes = 0;
  size_t slab_pages = 0;
  std::vector<std::unique_ptr<Slab>> slabs;

  std::pair<Slab*, std::byte*> Take() {
    // The fullest slab that has room, so that others can empty and go back to the system.
    Slab* best = nullptr;
    for (const auto& slab : slabs) {
      if (slab->used < slab_pages && (!best || slab->used > best->used)) best = slab.get();
    }
    if (!best) {
      auto slab = std::make_unique<Slab>(page_bytes, slab_pages);
      slab->returned.reserve(slab_pages);
      best = slabs.emplace_back(std::move(slab)).get();
    }
    std::byte* page = nullptr;
    if (best->returned.empty()) {
      page = best->memory + best->untouched++ * page_bytes;
    } else {
      page = best->returned.back();
      best->returned.pop_back();
      std::memset(page, 0, page_bytes);
    }
    ++best->used;
    return {best, page};
  }

  // Never throws: `returned` has room for every page of its slab.
  void Return(Slab* slab, std::byte* page) {
    slab->returned.push_back(page);
    if (--slab->used > 0) return;
    std::erase_if(slabs, [slab](const auto& owned) { return owned.get() == slab; });
  }
};

}  // namespace

struct KvPool::Store {
  std::mutex mutex;
  size_t in_use = 0;
  size_t max_bytes = 0;
  std::array<Slabs, 2> kinds;
};

size_t KvPool::PageBytes(const TextConfig& config, KvTypes types, LayerKind kind) {
  return static_cast<size_t>(std::ranges::count(config.layers, kind)) *
         LayerPageBytes(config, types, kind);
}

KvPool::KvPool(const TextConfig& config, KvTypes types, size_t max_bytes)
    : config_(config), store_(std::make_shared<Store>()) {
  store_->max_bytes = max_bytes;
  for (const LayerKind kind : {LayerKind::kLocal, LayerKind::kGlobal}) {
    Slabs& slabs = store_->kinds[Index(kind)];
    // A model may have layers of one kind only: pages of the other hold nothing, and exist.
    slabs.page_bytes = std::max<size_t>(64, PageBytes(config, types, kind));
    slabs.slab_pages = std::clamp<size_t>(kSlabBytes / slabs.page_bytes, 1, kMaxSlabPages);
  }
  std::array<size_t, 2> offsets = {};
  for (const LayerKind kind : config.layers) {
    size_t& offset = offsets[Index(kind)];
    layers_.push_back({.type = TypeOf(types, kind),
                       .num_kv_heads = config.num_kv_heads,
                       .head_dim = config.head_dim,
                       .pages = nullptr,
                       .offset = offset});
    offset += LayerPageBytes(config, types, kind);
  }
}

Result<KvPage> KvPool::Take(LayerKind kind) {
  std::unique_lock lock(store_->mutex);
  Slabs& slabs = store_->kinds[Index(kind)];
  if (slabs.page_bytes > store_->max_bytes - std::min(store_->in_use, store_->max_bytes)) {
    return Fail(ErrorCode::kOutOfMemory, "the key/value cache is full: ", store_->in_use, " of ",
                store_->max_bytes,
                " bytes are in use; use a shorter context, or allow more memory");
  }
  const auto [slab, page] = slabs.Take();
  store_->in_use += slabs.page_bytes;
  const auto give_back = [store = store_, kind, slab](std::byte* memory) {
    const std::lock_guard lock(store->mutex);
    Slabs& home = store->kinds[Index(kind)];
    store->in_use -= home.page_bytes;
    home.Return(slab, memory);
  };
  lock.unlock();  // where there is no memory for the reference, give_back is called at once
  return KvPage(page, give_back);
}

size_t KvPool::page_bytes(LayerKind kind) const { return store_->kinds[Index(kind)].page_bytes; }

size_t KvPool::bytes_in_use() const {
  const std::lock_guard lock(store_->mutex);
  return store_->in_use;
}

size_t KvPool::max_bytes() const { return store_->max_bytes; }

}  // namespace gemma3
