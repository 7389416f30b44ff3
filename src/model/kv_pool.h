// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The memory of keys and values, in pages that sequences own, share and give back.
//
// A page holds kKvTile positions of all layers of one kind, because their lives are equal: a global
// page lives as long as its sequence, a local one until the window has left it. A KvPage is a
// counted reference; who holds the only one may write.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "ops/attention.h"

namespace gemma3 {

using KvPage = std::shared_ptr<std::byte>;

struct KvTypes {
  KvType local = KvType::kF16;
  KvType global = KvType::kF16;
};

// Thread rule: any thread. Pages may outlive the pool.
class KvPool {
 public:
  // At most max_bytes are handed out at a time; they are taken from the system as they are touched.
  // Throws std::bad_alloc.
  KvPool(const TextConfig& config, KvTypes types, size_t max_bytes);

  // A page whose bytes are all zero, so that whatever was computed before, a NaN included, can show
  // nowhere. Errors: kOutOfMemory where the limit is reached or the system has no more.
  Result<KvPage> Take(LayerKind kind);

  static size_t PageBytes(const TextConfig& config, KvTypes types, LayerKind kind);
  size_t page_bytes(LayerKind kind) const;
  size_t bytes_in_use() const;
  size_t max_bytes() const;

  // The view of a layer over no pages; what is missing is the page table.
  const KvView& layer(size_t i) const { return layers_[i]; }
  const TextConfig& config() const { return config_; }

 private:
  struct Store;  // lives as long as its last page
  const TextConfig config_;
  std::vector<KvView> layers_;
  std::shared_ptr<Store> store_;
};

}  // namespace gemma3
