// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/model/kv_cache.h"

#include <algorithm>

namespace gemma3 {
namespace {

size_t RoundUpToTile(size_t slots) { return (slots + kKvTile - 1) / kKvTile * kKvTile; }

// Capacity and element type of a layer's view.
KvView LayerShape(const TextConfig& config, const KvCache::Shape& shape, LayerKind kind) {
  KvView view;
  view.num_kv_heads = config.num_kv_heads;
  view.head_dim = config.head_dim;
  if (kind == LayerKind::kLocal) {
    view.type = shape.local;
    view.capacity = KvCache::RingSlots(config, shape);
  } else {
    view.type = shape.global;
    view.capacity = RoundUpToTile(shape.context);
  }
  return view;
}

size_t LayerBytes(const KvView& view) {
  return KvBytes(view.type, view.num_kv_heads, view.head_dim, view.capacity);
}

}  // namespace

size_t KvCache::RingSlots(const TextConfig& config, const Shape& shape) {
  const size_t needed = RoundUpToTile(config.sliding_window - 1 + shape.max_batch);
  return std::min(needed, RoundUpToTile(shape.context));
}

size_t KvCache::Bytes(const TextConfig& config, const Shape& shape) {
  size_t bytes = 0;
  for (const LayerKind kind : config.layers) bytes += LayerBytes(LayerShape(config, shape, kind));
  return bytes;
}

KvCache::KvCache(const TextConfig& config, const Shape& shape)
    : shape_(shape), window_(config.sliding_window), ring_slots_(RingSlots(config, shape)) {
  for (const LayerKind kind : config.layers) {
    KvView view = LayerShape(config, shape, kind);
    view.data = memory_.AddZeroed(LayerBytes(view));
    layers_.push_back(view);
  }
}

bool KvCache::CanResumeAt(size_t p) const {
  const size_t oldest_needed = p >= window_ ? p - window_ + 1 : 0;
  // Position q is overwritten once q + ring_slots_ has been stored.
  return p <= written_end_ && oldest_needed + ring_slots_ >= written_end_;
}

}  // namespace gemma3
