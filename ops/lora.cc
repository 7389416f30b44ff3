// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/lora.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "hwy/base.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/lora.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// At most a quarter of a panel: its columns are whole vectors.
using DF = hn::CappedTag<float, kLoraPanel / 4>;
using VF = hn::Vec<DF>;

// The ranks of a panel that are widened at a time: 16 KiB of the first-level cache.
constexpr size_t kRanks = 64;
// Rows and vectors of columns that are summed side by side, in the registers there are.
constexpr size_t kRows = 4;
constexpr size_t kVecs = HWY_TARGET <= HWY_AVX3 || HWY_TARGET_IS_NEON ? 4 : 2;
// Up to so many rows, B is widened for each as it is read, and not stored as floats first.
constexpr size_t kFewRows = 2;

// Rows [r, r + kTileRows) and kWidth vectors of columns. Every element goes through the same
// additions whatever these are. b: [low.cols, kLoraPanel].
template <size_t kTileRows, size_t kWidth>
HWY_INLINE void AddTile(const float* HWY_RESTRICT b, Rows<const float> low, size_t r,
                        float* HWY_RESTRICT out, size_t stride) {
  const DF d;
  const size_t N = hn::Lanes(d);
  VF sum[kTileRows * kWidth];
  for (size_t i = 0; i < kTileRows; ++i) {
    for (size_t v = 0; v < kWidth; ++v)
      sum[i * kWidth + v] = hn::LoadU(d, out + i * stride + v * N);
  }
  for (size_t k = 0; k < low.cols; ++k, b += kLoraPanel) {
    VF weights[kWidth];
    for (size_t v = 0; v < kWidth; ++v) weights[v] = hn::LoadU(d, b + v * N);
    for (size_t i = 0; i < kTileRows; ++i) {
      const VF t = hn::Set(d, low.row(r + i)[k]);
      for (size_t v = 0; v < kWidth; ++v) {
        sum[i * kWidth + v] = hn::MulAdd(t, weights[v], sum[i * kWidth + v]);
      }
    }
  }
  for (size_t i = 0; i < kTileRows; ++i) {
    for (size_t v = 0; v < kWidth; ++v)
      hn::StoreU(sum[i * kWidth + v], d, out + i * stride + v * N);
  }
}

// Columns that fill no vector, of one row.
HWY_INLINE void AddRest(const float* HWY_RESTRICT b, Rows<const float> low, size_t r, size_t count,
                        float* HWY_RESTRICT out) {
  const DF d;
  VF sum = hn::LoadN(d, out, count);
  for (size_t k = 0; k < low.cols; ++k, b += kLoraPanel) {
    sum = hn::MulAdd(hn::Set(d, low.row(r)[k]), hn::LoadN(d, b, count), sum);
  }
  hn::StoreN(sum, d, out, count);
}

// Columns [begin, end) of a panel, all rows; out: from column `begin` on.
void AddPanel(const float* HWY_RESTRICT b, Rows<const float> low, size_t begin, size_t end,
              Rows<float> out) {
  const size_t N = hn::Lanes(DF());
  size_t c = begin;
  const auto down = [&]<size_t kWidth>() HWY_ATTR {
    size_t r = 0;
    for (; r + kRows <= out.rows; r += kRows) {
      AddTile<kRows, kWidth>(b + c, low, r, out.row(r) + c - begin, out.stride);
    }
    for (; r < out.rows; ++r) {
      AddTile<1, kWidth>(b + c, low, r, out.row(r) + c - begin, out.stride);
    }
  };
  for (; c + kVecs * N <= end; c += kVecs * N) down.template operator()<kVecs>();
  for (; c + N <= end; c += N) down.template operator()<1>();
  if (c == end) return;
  for (size_t r = 0; r < out.rows; ++r) {
    AddRest(b + c, low, r, end - c, out.row(r) + c - begin);
  }
}

HWY_INLINE VF Widen(const float* p) { return hn::LoadU(DF(), p); }
template <class Half>
HWY_INLINE VF Widen(const Half* p) {
  return hn::PromoteTo(DF(), hn::LoadU(hn::Rebind<Half, DF>(), p));
}

// All columns of a panel, one row: B is widened as it is read. The additions are those of AddTile.
template <class T>
HWY_INLINE void AddRow(const T* HWY_RESTRICT b, const float* HWY_RESTRICT factor, const float* low,
                       size_t rank, float* HWY_RESTRICT out) {
  const DF d;
  const size_t N = hn::Lanes(d);
  for (size_t c = 0; c < kLoraPanel; c += kVecs * N) {
    VF sum[kVecs], factors[kVecs];
    for (size_t v = 0; v < kVecs; ++v) {
      sum[v] = hn::LoadU(d, out + c + v * N);
      factors[v] = hn::Load(d, factor + c + v * N);
    }
    for (size_t k = 0; k < rank; ++k) {
      const VF t = hn::Set(d, low[k]);
      for (size_t v = 0; v < kVecs; ++v) {
        const VF w = hn::Mul(factors[v], Widen(b + k * kLoraPanel + c + v * N));
        sum[v] = hn::MulAdd(t, w, sum[v]);
      }
    }
    for (size_t v = 0; v < kVecs; ++v) hn::StoreU(sum[v], d, out + c + v * N);
  }
}

template <class T>
void AddTermOf(const LoraTerm& term, Rows<const float> low, size_t first_col, Rows<float> out) {
  const DF d;
  const size_t N = hn::Lanes(d);
  const size_t rank = term.b.rank, end_col = first_col + out.cols;
  HWY_ALIGN float wide[kRanks * kLoraPanel];
  HWY_ALIGN float factor[kLoraPanel];
  std::fill_n(factor, kLoraPanel, term.scale);
  for (size_t panel = first_col / kLoraPanel; panel * kLoraPanel < end_col; ++panel) {
    const size_t first = panel * kLoraPanel;
    const size_t begin = std::max(first, first_col) - first;
    const size_t end = std::min(end_col - first, kLoraPanel);
    for (size_t c = begin; c < end && term.ratio; ++c) {
      factor[c] = term.scale * term.ratio[first + c];
    }
    const T* HWY_RESTRICT from =
        reinterpret_cast<const T*>(term.b.data) + panel * rank * kLoraPanel;
    if (out.rows <= kFewRows && begin == 0 && end == kLoraPanel) {
      for (size_t r = 0; r < out.rows; ++r) {
        AddRow(from, factor, low.row(r), rank, out.row(r) + first - first_col);
      }
      continue;
    }
    for (size_t k = 0; k < rank; k += kRanks) {
      const size_t ranks = std::min(kRanks, rank - k);
      for (size_t i = 0; i < ranks * kLoraPanel; i += kLoraPanel, from += kLoraPanel) {
        for (size_t c = 0; c < kLoraPanel; c += N) {
          hn::Store(hn::Mul(hn::Load(d, factor + c), Widen(from + c)), d, wide + i + c);
        }
      }
      AddPanel(wide, low.Cols(k, ranks), begin, end,
               out.Cols(first + begin - first_col, end - begin));
    }
  }
}

void AddTerm(const LoraTerm& term, Rows<const float> low, size_t first_col, Rows<float> out) {
  switch (term.b.type) {
    case WeightType::kBF16:
      return AddTermOf<hwy::bfloat16_t>(term, low, first_col, out);
    case WeightType::kF16:
      return AddTermOf<hwy::float16_t>(term, low, first_col, out);
    default:
      return AddTermOf<float>(term, low, first_col, out);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {

HWY_EXPORT(AddTerm);

namespace {

size_t ElementBytes(WeightType type) { return type == WeightType::kF32 ? 4 : 2; }

}  // namespace

size_t LoraPanels::bytes() const {
  return hwy::RoundUpTo(outputs, kLoraPanel) * rank * ElementBytes(type);
}

float LoraPanels::At(size_t output, size_t k) const {
  const size_t index = (output / kLoraPanel * rank + k) * kLoraPanel + output % kLoraPanel;
  const std::byte* at = data + index * ElementBytes(type);
  const auto load = [at]<class T>(T value) {
    std::memcpy(&value, at, sizeof value);
    return hwy::ConvertScalarTo<float>(value);
  };
  if (type == WeightType::kBF16) return load(hwy::bfloat16_t());
  if (type == WeightType::kF16) return load(hwy::float16_t());
  return load(float());
}

void PackLoraPanels(const float* b, const LoraPanels& panels, std::byte* out) {
  const auto store = [&]<class T>(T) {
    for (size_t first = 0; first < panels.outputs; first += kLoraPanel) {
      for (size_t k = 0; k < panels.rank; ++k) {
        for (size_t c = first; c < first + kLoraPanel; ++c, out += sizeof(T)) {
          const float value = c < panels.outputs ? b[k * panels.outputs + c] : 0;
          const T stored = hwy::ConvertScalarTo<T>(value);
          std::memcpy(out, &stored, sizeof stored);
        }
      }
    }
  };
  if (panels.type == WeightType::kBF16) return store(hwy::bfloat16_t());
  if (panels.type == WeightType::kF16) return store(hwy::float16_t());
  return store(float());
}

void AppendFirstHalves(std::span<const std::span<const LoraRun>> runs, size_t i,
                       std::vector<MatMulTask>* tasks) {
  for (const std::span<const LoraRun> of_product : runs) {
    if (of_product.empty()) continue;
    size_t column = 0;
    for (const LoraTerm& term : of_product[i].terms) {
      tasks->push_back({term.a, of_product[i].low.Cols(column, term.a.rows)});
      column += term.a.rows;
    }
  }
}

void AddLora(std::span<const LoraRun> runs, size_t first_row, size_t first_col, Rows<float> out) {
  for (const LoraRun& run : runs) {
    const size_t begin = std::max(run.begin, first_row);
    const size_t end = std::min(run.begin + run.count, first_row + out.rows);
    if (begin >= end) continue;
    const Rows<float> part = out.Slice(begin - first_row, end - begin);
    for (size_t r = 0; r < part.rows; ++r) {
      float* row = part.row(r);
      for (size_t c = 0; c < part.cols && run.gain; ++c) row[c] *= run.gain[first_col + c];
      for (size_t c = 0; c < part.cols && run.bias; ++c) row[c] += run.bias[first_col + c];
    }
    size_t column = 0;
    for (const LoraTerm& term : run.terms) {
      const Rows<const float> low =
          run.low.Slice(begin - run.begin, part.rows).Cols(column, term.b.rank);
      column += term.b.rank;
      HWY_DYNAMIC_DISPATCH(AddTerm)(term, low, first_col, part);
    }
  }
}

void AddLora(std::span<const LoraRun> runs, Rows<float> out, ThreadPool& pool) {
  if (runs.empty() || out.rows == 0) return;
  size_t bytes = 0;
  for (const LoraRun& run : runs) {
    for (const LoraTerm& term : run.terms) bytes += term.b.bytes() * run.count;
  }
  // What one thread reads while others wake up.
  constexpr size_t kInlineBytes = 64 * 1024;
  constexpr size_t kColumns = 4 * kLoraPanel;
  if (bytes <= kInlineBytes) return AddLora(runs, 0, 0, out);
  pool.ParallelFor(hwy::DivCeil(out.cols, kColumns), [&](size_t i, size_t) {
    const size_t begin = i * kColumns;
    AddLora(runs, 0, begin, out.Cols(begin, std::min(kColumns, out.cols - begin)));
  });
}

}  // namespace gemma3
#endif  // HWY_ONCE
