// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/head.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

#include "src/formats/grouped_codes.h"
#include "src/weights/pack.h"

namespace gemma3 {
namespace {

bool SameBytes(const TensorView& a, const TensorView& b) {
  return std::memcmp(a.data, b.data, a.bytes) == 0;
}

// `floats` has room for two rows.
bool SameRow(const TensorView& a, const TensorView& b, size_t row, float* floats) {
  const size_t cols = a.shape[1];
  DequantizeRow(a, row, floats);
  DequantizeRow(b, row, floats + cols);
  return std::equal(floats, floats + cols, floats + cols);
}

// Whether the same bytes mean the same values. What groups of codes have in common is compared
// here.
bool HasSameForm(const TensorView& a, const TensorView& b) {
  if (a.type != b.type || a.bytes != b.bytes) return false;
  if (!a.grouped) return true;
  return HasSameLayout(*a.grouped, *b.grouped) &&
         std::ranges::equal(a.grouped->others, b.grouped->others,
                            [](auto of_a, auto of_b) { return std::ranges::equal(of_a, of_b); });
}

// Of matrices of one shape.
bool SameValues(const Checkpoint& checkpoint, const TensorView& a, const TensorView& b,
                ThreadPool& pool) {
  if (IsPacked(a.type) || IsPacked(b.type)) return false;  // kept apart because they differ
  const bool same_form = HasSameForm(a, b);
  const size_t rows = a.shape[0], cols = a.shape[1];
  constexpr size_t kPartRows = 64;                  // of a thread at a time
  constexpr size_t kPieceElems = size_t{16} << 20;  // between two releases of pages
  const size_t piece_rows = std::max<size_t>(1, kPieceElems / cols / kPartRows) * kPartRows;
  std::atomic<bool> same = true;
  for (size_t first = 0; first < rows && same; first += piece_rows) {
    const size_t count = std::min(piece_rows, rows - first);
    pool.ParallelFor((count + kPartRows - 1) / kPartRows, [&](size_t part, size_t thread) {
      if (!same.load(std::memory_order_relaxed)) return;
      const size_t begin = first + part * kPartRows;
      const size_t end = std::min(begin + kPartRows, first + count);
      bool equal = true;
      if (same_form) {
        equal = SameBytes(RowsOf(a, begin, end - begin), RowsOf(b, begin, end - begin));
      } else {
        auto* floats =
            reinterpret_cast<float*>(pool.Scratch(thread, 2 * cols * sizeof(float)).data());
        for (size_t row = begin; row < end && equal; ++row) equal = SameRow(a, b, row, floats);
      }
      if (!equal) same.store(false, std::memory_order_relaxed);
    });
    for (const TensorView& piece : {RowsOf(a, first, count), RowsOf(b, first, count)}) {
      for (const auto& file : checkpoint.files) file->Release({piece.data, piece.bytes});
    }
  }
  return same;
}

}  // namespace

void ShareEqualHead(Checkpoint& checkpoint, ThreadPool& pool) {
  const auto head = checkpoint.tensors.find("lm_head.weight");
  if (head == checkpoint.tensors.end()) return;
  const TensorView& embedding = checkpoint.tensors.at("embed_tokens.weight");
  if (!SameValues(checkpoint, embedding, head->second, pool)) return;
  checkpoint.tensors.erase(head);
  checkpoint.config.text.tie_word_embeddings = true;
}

}  // namespace gemma3
