// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Grouped-query attention over a key/value cache, with online softmax over tiles of keys, so that
// no score matrix is ever held.
//
// Promise: the bits of a query's result depend on that query and the keys it sees alone, not on the
// other queries of the batch or the number of threads. (They may depend on the SIMD target.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/rows.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

enum class KvType : uint8_t { kF32, kF16, kBF16, kInt8 };

// Keys are laid out, and softmax advances, in tiles of this many keys, aligned in absolute
// positions: that keeps results independent of the batch, and lets sequences that begin alike share
// the pages of what they have in common.
inline constexpr size_t kKvTile = 64;

// Keys and values that one layer holds of one sequence, in pages of kKvTile positions. A page may
// hold other layers as well: the tiles of this one, [num_kv_heads], lie `offset` bytes behind its
// begin. The tile layout (KvLayout) lets decode and prefill read them without repacking.
struct KvView {
  KvType type = KvType::kBF16;
  size_t num_kv_heads = 0;
  size_t head_dim = 0;
  // pages[t] holds the positions [t * kKvTile, (t + 1) * kKvTile). Where a key range meets no
  // position of a page it may be null. Aligned to 64 and all zero before the first StoreKv: a tile
  // is read whole, and a place not yet written must hold finite numbers, for it is multiplied by a
  // weight of zero.
  std::byte* const* pages = nullptr;
  size_t offset = 0;  // bytes, a multiple of 64
};

// The rows [begin, begin + count) of a batch: consecutive positions of one sequence.
struct KvRows {
  size_t begin = 0;
  size_t count = 0;
  size_t first_pos = 0;  // of row `begin`
  KvView kv;
};

// Bytes of one tile (kKvTile keys of one kv head): keys, then values, then for kInt8 the scales.
//
// Both halves are matrices of units of 4 bytes (kF16, kInt8: 2) for kernels that multiply one unit
// of the left operand, broadcast, with a vector of units. A unit holds what one multiply-add
// consumes: one number for kF32 and kF16; two neighbours along the summed dimension otherwise, the
// first in the lower half.
// - keys: [k_steps][kKvTile]; step s of key j holds component s, or components 2s, 2s + 1, of
//   key j. An odd head_dim ends with a pair whose second component is zero.
// - values: panels of at most kKvPanel columns (see Panel), each [v_steps][columns]; step s of
//   column c holds component c of key s, or of keys 2s, 2s + 1. Columns are padded to
//   v_cols; padding is zero.
// - scales (kInt8): float[kKvTile] of the keys, then float[kKvTile] of the values; a stored
//   component times the scale of its key is the value.
struct KvLayout {
  static constexpr size_t kKvPanel = 64;
  // Whole vectors for every target of up to 16 float lanes.
  static constexpr size_t kColumnMultiple = 16;

  KvLayout(KvType type, size_t head_dim)
      : keys_per_unit(type == KvType::kF32 || type == KvType::kF16 ? 1 : 2),
        unit_bytes(type == KvType::kF16 || type == KvType::kInt8 ? 2 : 4),
        k_steps((head_dim + keys_per_unit - 1) / keys_per_unit),
        v_steps(kKvTile / keys_per_unit),
        v_cols((head_dim + kColumnMultiple - 1) / kColumnMultiple * kColumnMultiple),
        v_offset(k_steps * kKvTile * unit_bytes),
        scale_offset(v_offset + v_steps * v_cols * unit_bytes),
        tile_bytes(scale_offset + (type == KvType::kInt8 ? 2 * kKvTile * sizeof(float) : 0)) {}

  bool scaled() const { return tile_bytes != scale_offset; }  // kInt8

  size_t num_panels() const { return (v_cols + kKvPanel - 1) / kKvPanel; }
  // Panel p is columns [PanelBegin(p), PanelBegin(p + 1)), at unit PanelBegin(p) * v_steps. All
  // are nearly of one width, for a narrow one would leave the multiply-add units waiting.
  size_t PanelBegin(size_t p) const {
    const size_t blocks = v_cols / kColumnMultiple;
    return (blocks * p / num_panels()) * kColumnMultiple;
  }

  size_t keys_per_unit;
  size_t unit_bytes;
  size_t k_steps;
  size_t v_steps;
  size_t v_cols;
  size_t v_offset;  // bytes, as all that follow
  size_t scale_offset;
  size_t tile_bytes;
};

// Bytes of one layer's part of a page; a multiple of 64.
size_t KvPageBytes(KvType type, size_t num_kv_heads, size_t head_dim);

// Stores the rows of each part as the keys and values of its positions.
// k, v: [rows, num_kv_heads * head_dim]. The parts name different rows and differ in their pages
// alone; no page is written by two of them.
// kF16 and kBF16 round to nearest even, kF16 finite numbers to at most 65504: keys are normalised,
// and values of that size, which no published model comes near, lose their size and nothing else.
// kInt8 rounds to 127ths of each key's
// (value's) largest magnitude.
void StoreKv(Rows<const float> k, Rows<const float> v, std::span<const KvRows> parts,
             ThreadPool& pool);

// Positions [begin, end).
struct KeyRange {
  size_t begin = 0;
  size_t end = 0;
};

// out[i] = softmax(scale * q[i] . K) V over the keys in keys[i], for each query head; query head h
// reads kv head h / (num_heads / num_kv_heads). K and V are those of the part that row i belongs
// to. q, out: [rows, num_heads * head_dim], may be the same memory. keys: [rows], none empty;
// positions of the part's pages. parts: as for StoreKv; together they name every row. scale:
// positive; applied in f32 to the dot products, so that it adds no rounding of q. kF32 and kF16
// caches compute in f32 throughout. Otherwise, targets that multiply bf16 natively round q and the
// softmax weights to bf16 (and add in f32); the others keep those in f32.
void Attention(Rows<const float> q, std::span<const KeyRange> keys, std::span<const KvRows> parts,
               size_t num_heads, float scale, Rows<float> out, ThreadPool& pool);

}  // namespace gemma3
