// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Grouped-query attention over a key/value cache, with online softmax over tiles of keys, so that
// no score matrix is ever held.
//
// Promise: the bits of a query's result depend on that query and the keys it sees alone, not on the
// other queries of the batch or the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/rows.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

enum class KvType : uint8_t { kF32, kBF16, kInt8 };

// Keys and values of one layer, in the tile layout of ops/attention-inl.h, which lets decode and
// prefill read them without repacking. Position p lives in slot p % capacity, so the same
// type serves rings (local layers) and growing caches (global layers: capacity >= context).
struct KvView {
  KvType type = KvType::kBF16;
  size_t num_kv_heads = 0;
  size_t head_dim = 0;
  size_t capacity = 0;        // slots; a multiple of kKvTile
  std::byte* data = nullptr;  // KvBytes(...) bytes, aligned to 64
};

// Slots are laid out, and softmax advances, in tiles of this many keys, aligned in absolute
// positions: that keeps results independent of the batch.
inline constexpr size_t kKvTile = 64;

size_t KvBytes(KvType type, size_t num_kv_heads, size_t head_dim, size_t capacity);

// Stores rows as the keys and values of positions first_pos, first_pos + 1, ...
// k, v: [rows, num_kv_heads * head_dim].
void StoreKv(Rows<const float> k, Rows<const float> v, size_t first_pos, const KvView& kv,
             ThreadPool& pool);

// Positions [begin, end). end - begin is at most the capacity.
struct KeyRange {
  size_t begin = 0;
  size_t end = 0;
};

// out[i] = softmax(scale * q[i] . K) V over the keys in keys[i], for each query head; query head h
// reads kv head h / (num_heads / num_kv_heads).
// q, out: [rows, num_heads * head_dim], may be the same memory. keys: [rows], none empty.
// kBF16 caches round q and the softmax weights to bf16; kF32 caches compute in f32 throughout.
void Attention(Rows<const float> q, std::span<const KeyRange> keys, const KvView& kv,
               size_t num_heads, float scale, Rows<float> out, ThreadPool& pool);

}  // namespace gemma3
