// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The activations of packed integer weights: bringing them into the form that ops/packed.h
// describes, and finding their parts in it. The same bits on every target.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "ops/isa.h"
#include "ops/matmul_kernels.h"
#include "ops/packed.h"

#if defined(GEMMA3_OPS_PACKED_INPUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_PACKED_INPUT_INL_H_
#undef GEMMA3_OPS_PACKED_INPUT_INL_H_
#else
#define GEMMA3_OPS_PACKED_INPUT_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
inline namespace GEMMA3_ISA {
namespace hn = hwy::HWY_NAMESPACE;

// At most a group's 16 lanes.
using PF = hn::CappedTag<float, kPackedGroupRows>;
using PI = hn::RebindToSigned<PF>;

template <class T>
HWY_INLINE T LoadAs(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

template <class T>
HWY_INLINE void StoreAs(T value, std::byte* p) {
  std::memcpy(p, &value, sizeof(T));
}

// Where the inverse of a block's largest magnitude would overflow, the block counts as zero.
inline constexpr float kSmallestLargest = 1e-36f;

#if HWY_TARGET == HWY_SCALAR

// Whole blocks of the input form kInt8.
inline void PrepareWhole(const float* HWY_RESTRICT x, Range inputs, size_t cols,
                         std::byte* HWY_RESTRICT out) {
  const hn::ScalableTag<float> df;
  for (size_t b = inputs.begin / kPackedBlock; b < inputs.end / kPackedBlock; ++b) {
    float largest = 0.0f;
    for (size_t i = 0; i < kPackedBlock; ++i) largest = HWY_MAX(largest, std::abs(x[i]));
    const bool used = largest > kSmallestLargest;
    const float inverse = used ? 127.0f / largest : 0.0f;
    const float scale = used ? largest / 127.0f : 0.0f;
    std::byte* record = out + b * kPackedInputRecord;
    int32_t sums[2] = {};
    for (size_t i = 0; i < kPackedBlock; ++i) {
      const int32_t q = hn::GetLane(hn::NearestInt(hn::Set(df, *x++ * inverse)));
      record[kInputQuants + i] = static_cast<std::byte>(q);
      sums[i / 16] += q;
    }
    const int32_t sum = sums[0] + sums[1];
    StoreAs(scale, record + kInputScale);
    StoreAs(scale * static_cast<float>(sum), record + kInputTotal);
    StoreAs(-128 * sum, record + kInputStart8);
    StoreAs(-8 * sum, record + kInputStart4);
    std::byte* halves = out + PackedInputHalves(cols) + b * kPackedInputHalves;
    for (size_t half = 0; half < 2; ++half) {
      StoreAs(scale * static_cast<float>(sums[half]), halves + kHalfTotal + 4 * half);
      StoreAs(-128 * sums[half], halves + kHalfStart8 + 4 * half);
    }
  }
}

#else  // HWY_TARGET != HWY_SCALAR

// Blocks whose maxima and sums are taken together, one in each lane of four.
inline constexpr size_t kPrepareBlocks = 4;
using PF4 = hn::Full128<float>;
using PI4 = hn::Full128<int32_t>;

// Added to a number of at most 2^22, this rounds it to the nearest integer, to even on a tie, which
// then stands in the lowest bits of the sum.
inline constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23
inline constexpr uint32_t kRounderBits = 0x4B400000;

// Combines all lanes of v whose numbers are equal modulo 4.
template <class D, class Op>
HWY_INLINE auto FoldToFour([[maybe_unused]] D d, hn::Vec<D> v, const Op& op) {
  if constexpr (HWY_MAX_LANES_D(D) == 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return FoldToFour(half, op(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), op);
  }
}

// Four lanes: all lanes of v[0] combined, all of v[1], and so on.
template <class D, class Op>
HWY_INLINE auto CombineEach(D d, const hn::Vec<D> (&v)[kPrepareBlocks], const Op& op) {
  const hn::Repartition<uint64_t, D> d64;
  const auto pair = [&](size_t i) HWY_ATTR {
    return hn::BitCast(
        d64, op(hn::InterleaveLower(d, v[i], v[i + 1]), hn::InterleaveUpper(d, v[i], v[i + 1])));
  };
  const auto v01 = pair(0);
  const auto v23 = pair(2);
  return FoldToFour(d,
                    op(hn::BitCast(d, hn::InterleaveLower(d64, v01, v23)),
                       hn::BitCast(d, hn::InterleaveUpper(d64, v01, v23))),
                    op);
}

// Stores lane b of v0, v1, v2, v3 at to + b * stride, for the first `count` lanes.
HWY_INLINE void StoreLanes(hn::Vec<PI4> v0, hn::Vec<PI4> v1, hn::Vec<PI4> v2, hn::Vec<PI4> v3,
                           size_t count, size_t stride, std::byte* HWY_RESTRICT to) {
  const PI4 d;
  const hn::Full128<uint64_t> d64;
  const auto lower01 = hn::BitCast(d64, hn::InterleaveLower(d, v0, v1));
  const auto lower23 = hn::BitCast(d64, hn::InterleaveLower(d, v2, v3));
  const auto upper01 = hn::BitCast(d64, hn::InterleaveUpper(d, v0, v1));
  const auto upper23 = hn::BitCast(d64, hn::InterleaveUpper(d, v2, v3));
  const hn::Vec<decltype(d64)> lanes[kPrepareBlocks] = {
      hn::InterleaveLower(d64, lower01, lower23), hn::InterleaveUpper(d64, lower01, lower23),
      hn::InterleaveLower(d64, upper01, upper23), hn::InterleaveUpper(d64, upper01, upper23)};
  GEMMA3_UNROLL for (size_t b = 0; b < kPrepareBlocks; ++b) {
    if (b < count) hn::StoreU(lanes[b], d64, reinterpret_cast<uint64_t*>(to + b * stride));
  }
}

// `count` blocks, at most kPrepareBlocks, whose values stand at x. records, halves: of the first.
HWY_INLINE void PrepareBlocks(const float* HWY_RESTRICT x, size_t count,
                              std::byte* HWY_RESTRICT records, std::byte* HWY_RESTRICT halves) {
  const PF df;
  const PI di;
  const PF4 df4;
  const PI4 di4;
  const hn::RebindToUnsigned<PI> du;
  const hn::Rebind<uint8_t, PF> du8;
  const size_t lanes = hn::Lanes(df);
  // What is missing to four is the last block again.
  const float* from[kPrepareBlocks];
  hn::Vec<PF> max[kPrepareBlocks];
  GEMMA3_UNROLL for (size_t b = 0; b < kPrepareBlocks; ++b) {
    from[b] = x + HWY_MIN(b, count - 1) * kPackedBlock;
    max[b] = hn::Abs(hn::LoadU(df, from[b]));
    for (size_t i = lanes; i < kPackedBlock; i += lanes) {
      max[b] = hn::Max(max[b], hn::Abs(hn::LoadU(df, from[b] + i)));
    }
  }
  const auto largest = CombineEach(df, max, [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); });
  const auto used = hn::Gt(largest, hn::Set(df4, kSmallestLargest));
  const auto range = hn::Set(df4, 127.0f);
  const auto scale = hn::IfThenElseZero(used, hn::Div(largest, range));
  HWY_ALIGN float inverses[kPrepareBlocks];
  hn::Store(hn::IfThenElseZero(used, hn::Div(range, largest)), df4, inverses);

  hn::Vec<PI> sums[2][kPrepareBlocks];  // of the blocks' halves
  GEMMA3_UNROLL for (size_t b = 0; b < kPrepareBlocks; ++b) {
    const auto inverse = hn::Set(df, inverses[b]);
    auto* quants = reinterpret_cast<uint8_t*>(records + HWY_MIN(b, count - 1) * kPackedInputRecord +
                                              kInputQuants);
    GEMMA3_UNROLL for (size_t half = 0; half < 2; ++half) {
      sums[half][b] = hn::Zero(di);
      for (size_t i = half * 16; i < half * 16 + 16; i += lanes) {
        const auto q = hn::BitCast(
            du, hn::Add(hn::Mul(hn::LoadU(df, from[b] + i), inverse), hn::Set(df, kRounder)));
        sums[half][b] = hn::Add(sums[half][b], hn::BitCast(di, q));
        hn::StoreU(hn::TruncateTo(du8, q), du8, quants + i);
      }
    }
  }
  const auto add = [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); };
  // Modulo 2^32: the bits of kRounder, sixteen times.
  const auto extra = hn::Set(di4, static_cast<int32_t>(kRounderBits * 16));
  const auto sum0 = hn::Sub(CombineEach(di, sums[0], add), extra);
  const auto sum1 = hn::Sub(CombineEach(di, sums[1], add), extra);
  const auto sum = hn::Add(sum0, sum1);
  const auto total_of = [&](hn::Vec<PI4> n) HWY_ATTR {
    return hn::BitCast(di4, hn::Mul(scale, hn::ConvertTo(df4, n)));
  };
  StoreLanes(hn::BitCast(di4, scale), total_of(sum), hn::Neg(hn::ShiftLeft<7>(sum)),
             hn::Neg(hn::ShiftLeft<3>(sum)), count, kPackedInputRecord, records);
  StoreLanes(total_of(sum0), total_of(sum1), hn::Neg(hn::ShiftLeft<7>(sum0)),
             hn::Neg(hn::ShiftLeft<7>(sum1)), count, kPackedInputHalves, halves);
}

// Whole blocks of the input form kInt8.
inline void PrepareWhole(const float* HWY_RESTRICT x, Range inputs, size_t cols,
                         std::byte* HWY_RESTRICT out) {
  const size_t end = inputs.end / kPackedBlock;
  std::byte* halves = out + PackedInputHalves(cols);
  size_t b = inputs.begin / kPackedBlock;
  for (; b + kPrepareBlocks <= end; b += kPrepareBlocks) {
    PrepareBlocks(x, kPrepareBlocks, out + b * kPackedInputRecord, halves + b * kPackedInputHalves);
    x += kPrepareBlocks * kPackedBlock;
  }
  if (b != end) {
    PrepareBlocks(x, end - b, out + b * kPackedInputRecord, halves + b * kPackedInputHalves);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR

// The input form kInt8. inputs: begins with a block, and ends with one or with the row.
inline void PreparePacked(const float* HWY_RESTRICT x, Range inputs, size_t cols,
                          std::byte* HWY_RESTRICT out) {
  const size_t whole = inputs.end / kPackedBlock * kPackedBlock;
  PrepareWhole(x, {inputs.begin, whole}, cols, out);
  if (whole == inputs.end) return;
  float last[kPackedBlock] = {};
  std::memcpy(last, x + (whole - inputs.begin), (inputs.end - whole) * sizeof(float));
  PrepareWhole(last, {whole, whole + kPackedBlock}, cols, out);
}

// Where a prepared row of x has what belongs to one part of it: a block, or, for types whose scales
// belong to 16 inputs, half a block.
template <WeightType kType>
struct PackedInput {
  static constexpr PackedFormat kFormat = PackedFormatOf(kType);
  static constexpr size_t kParts = kPackedBlock / kFormat.scale_inputs;  // of a block

  HWY_INLINE PackedInput(const std::byte* row, size_t cols, size_t part) {
    const std::byte* record = row + part / kParts * kPackedInputRecord;
    const size_t half = part % kParts;
    scale = record + kInputScale;
    quants = record + kInputQuants + half * kFormat.scale_inputs;
    if constexpr (kParts == 1) {
      total = record + kInputTotal;
      start = record + (kFormat.zero_shift == 3 ? kInputStart4 : kInputStart8);
    } else {
      const std::byte* halves =
          row + PackedInputHalves(cols) + part / kParts * kPackedInputHalves + 4 * half;
      total = halves + kHalfTotal;
      start = halves + kHalfStart8;
    }
  }

  const std::byte* scale;   // f32
  const std::byte* total;   // f32
  const std::byte* start;   // i32; not for types without zero
  const std::byte* quants;  // i8[scale_inputs]
};

}  // namespace GEMMA3_ISA
}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_PACKED_INPUT_INL_H_
