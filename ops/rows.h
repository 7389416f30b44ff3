// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A view of a row-major matrix of activations.
#pragma once

#include <cstddef>
#include <span>

namespace gemma3 {

// data: [rows, cols], `stride` elements from one row to the next. Never owns.
template <class T>
struct Rows {
  T* data = nullptr;
  size_t rows = 0;
  size_t cols = 0;
  size_t stride = 0;

  Rows() = default;
  Rows(T* data, size_t rows, size_t cols) : Rows(data, rows, cols, cols) {}
  Rows(T* data, size_t rows, size_t cols, size_t stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}
  // A view of mutable rows is a view of constant rows.
  operator Rows<const T>() const { return {data, rows, cols, stride}; }

  T* row(size_t r) const { return data + r * stride; }
  // Rows [begin, begin + count).
  Rows Slice(size_t begin, size_t count) const { return {row(begin), count, cols, stride}; }
  // Columns [begin, begin + count) of every row.
  Rows Cols(size_t begin, size_t count) const { return {data + begin, rows, count, stride}; }
};

}  // namespace gemma3
