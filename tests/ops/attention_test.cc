// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Attention against the plain formula in double, on every SIMD target; and its promise that the
// bits of a query's result depend on that query and its keys alone.
#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "hwy/aligned_allocator.h"
#include "hwy/base.h"
#include "hwy/highway.h"
#include "ops/reference/attention.h"
#include "ops/targets.h"
#include "src/base/half.h"

namespace gemma3 {
namespace {

struct Shape {
  size_t num_heads = 4;
  size_t num_kv_heads = 1;
  size_t head_dim = 64;
};

// The cache of one layer and sequence. Its part of a page lies between bytes of others, and pages
// lie anywhere; both must stay untouched.
class Cache {
 public:
  Cache(KvType type, const Shape& shape, size_t positions)
      : page_bytes_(KvPageBytes(type, shape.num_kv_heads, shape.head_dim)) {
    for (size_t t = 0; t * kKvTile < positions; ++t) {
      memory_.push_back(hwy::AllocateAligned<std::byte>(page_bytes_ + 2 * kOffset));
      std::memset(memory_.back().get(), 0xFF, page_bytes_ + 2 * kOffset);  // NaN
      std::memset(memory_.back().get() + kOffset, 0, page_bytes_);
      pages_.push_back(memory_.back().get());
    }
    view_ = {.type = type,
             .num_kv_heads = shape.num_kv_heads,
             .head_dim = shape.head_dim,
             .pages = pages_.data(),
             .offset = kOffset};
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache() {
    for (const auto& page : memory_) {
      for (size_t i = 0; i < kOffset; ++i) {
        EXPECT_EQ(page[i], std::byte{0xFF});
        EXPECT_EQ(page[kOffset + page_bytes_ + i], std::byte{0xFF});
      }
    }
  }

  const KvView& view() const { return view_; }
  std::span<const std::byte> page(size_t t) const {
    return {memory_[t].get() + kOffset, page_bytes_};
  }
  // Pages without a position in [begin, end) are not held any more.
  void KeepOnly(size_t begin, size_t end) {
    for (size_t t = 0; t < pages_.size(); ++t) {
      if ((t + 1) * kKvTile <= begin || t * kKvTile >= end) pages_[t] = nullptr;
    }
  }
  // This sequence goes on from what another one has computed.
  void Share(const Cache& other, size_t pages) {
    std::copy_n(other.pages_.begin(), pages, pages_.begin());
  }

  void Store(Rows<const float> k, Rows<const float> v, size_t first_pos, ThreadPool& pool) {
    StoreKv(k, v, std::vector<KvRows>{{0, k.rows, first_pos, view_}}, pool);
  }
  void Attend(Rows<const float> q, std::span<const KeyRange> ranges, size_t num_heads, float scale,
              Rows<float> out, ThreadPool& pool) const {
    Attention(q, ranges, std::vector<KvRows>{{0, q.rows, 0, view_}}, num_heads, scale, out, pool);
  }

 private:
  static constexpr size_t kOffset = 192;
  size_t page_bytes_;
  std::vector<hwy::AlignedFreeUniquePtr<std::byte[]>> memory_;
  std::vector<std::byte*> pages_;
  KvView view_;
};

// A matrix of normal numbers, with a stride beyond its width and an odd offset.
class Matrix {
 public:
  Matrix(size_t rows, size_t cols, uint32_t seed, double scale = 1.0)
      : rows_(rows), cols_(cols), data_(rows * (cols + kGap) + 1) {
    std::mt19937 rng(seed);
    std::normal_distribution<float> normal;
    for (float& x : data_) x = static_cast<float>(scale) * normal(rng);
  }
  Rows<float> rows() { return {data_.data() + 1, rows_, cols_, cols_ + kGap}; }

 private:
  static constexpr size_t kGap = 3;
  size_t rows_;
  size_t cols_;
  std::vector<float> data_;
};

void ForEachTarget(const std::function<void(const char*)>& test) {
  for (const std::string& name : SimdTargetNames()) {
    ASSERT_TRUE(UseSimdTarget(name));
    SCOPED_TRACE(name);
    test(name.c_str());
  }
  UseSimdTarget("");
}

// What the cache holds of x: the numbers the reference is given.
void RoundLikeCache(KvType type, Rows<float> x, size_t head_dim) {
  for (size_t r = 0; r < x.rows; ++r) {
    for (size_t begin = 0; begin < x.cols; begin += head_dim) {
      float* row = x.row(r) + begin;
      if (type == KvType::kBF16) {
        for (size_t c = 0; c < head_dim; ++c) {
          row[c] = hwy::F32FromBF16(hwy::BF16FromF32(row[c]));
        }
      } else if (type == KvType::kF16) {
        for (size_t c = 0; c < head_dim; ++c) {
          row[c] = FloatFromHalf(HalfFromFloat(std::clamp(row[c], -65504.0f, 65504.0f)));
        }
      } else if (type == KvType::kInt8) {
        float max = 0.0f;
        for (size_t c = 0; c < head_dim; ++c) max = std::max(max, std::fabs(row[c]));
        if (max == 0.0f) continue;
        for (size_t c = 0; c < head_dim; ++c) {
          row[c] = std::nearbyint(row[c] * (127.0f / max)) * (max / 127.0f);
        }
      }
    }
  }
}

double MaxAbs(Rows<const float> x) {
  double max = 0.0;
  for (size_t r = 0; r < x.rows; ++r) {
    for (size_t c = 0; c < x.cols; ++c) max = std::max(max, std::fabs(double{x.row(r)[c]}));
  }
  return max;
}

// A bound on |result - reference| for one query head.
//
// Let s be a scaled score, ds the largest error of any. A weight is then wrong by a factor of
// exp(+-ds) times that of the exponential, and of rounding it, dw; numerator and denominator of the
// quotient may be wrong in opposite directions, so that the result is wrong by at most
// 2 (ds + dw) max|v| (to first order), and n eps max|v| for adding n weighted values and n weights
// in f32. ds: a dot product of d terms in f32 is wrong by at most (d + 1) eps sum|q_i k_i|, with
// eps = 2^-24; one with q rounded to bf16 by 2^-9 sum|q_i k_i| more. Unfused targets round score *
// factor as well, and the maximum that is subtracted: 3 eps |s|.
double Bound(KvType type, const float* q, Rows<const float> k, size_t kv_begin, size_t head_dim,
             KeyRange range, double scale, double max_v) {
  const double eps = std::ldexp(1.0, -24);
  const bool rounds = type == KvType::kBF16 || type == KvType::kInt8;
  double magnitude = 0.0;  // the largest sum|q_i k_i|
  for (size_t p = range.begin; p < range.end; ++p) {
    double sum = 0.0;
    for (size_t c = 0; c < head_dim; ++c) sum += std::fabs(double{q[c]} * k.row(p)[kv_begin + c]);
    magnitude = std::max(magnitude, sum);
  }
  const double n = static_cast<double>(range.end - range.begin);
  const double d = static_cast<double>(head_dim);
  const double ds =
      scale * magnitude * ((d + 1.0 + 3.0) * eps + (rounds ? std::ldexp(1.0, -9) : 0.0));
  const double dw = 4.0 * eps + (rounds ? std::ldexp(1.0, -9) : 0.0);
  // n + 64: the padding of a tile, and one rescaling and merge for every tile, add roundings too.
  return (2.0 * std::expm1(ds + dw) + 2.0 * (n + 64.0) * eps) * max_v;
}

// Stores `positions` keys in pieces, attends, compares. ranges: the keys of each query.
void CheckAgainstReference(KvType type, const Shape& shape, const std::vector<KeyRange>& ranges,
                           size_t positions, size_t threads, double q_scale = 1.0) {
  ThreadPool pool(threads);
  const size_t kv_cols = shape.num_kv_heads * shape.head_dim;
  const size_t cols = shape.num_heads * shape.head_dim;
  Matrix k(positions, kv_cols, 1);
  Matrix v(positions, kv_cols, 2);
  Matrix q(ranges.size(), cols, 3, q_scale);
  Matrix out(ranges.size(), cols, 4);
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));

  Cache cache(type, shape, positions);
  for (size_t begin = 0; begin < positions;) {  // pieces of 1, 4, 7, 10, ...
    const size_t count = std::min(positions - begin, 1 + begin % 29);
    cache.Store(k.rows().Slice(begin, count), v.rows().Slice(begin, count), begin, pool);
    begin += count;
  }
  cache.KeepOnly(std::ranges::min(ranges, {}, &KeyRange::begin).begin,
                 std::ranges::max(ranges, {}, &KeyRange::end).end);
  cache.Attend(q.rows(), ranges, shape.num_heads, scale, out.rows(), pool);

  RoundLikeCache(type, k.rows(), shape.head_dim);
  RoundLikeCache(type, v.rows(), shape.head_dim);
  std::vector<double> expected(ranges.size() * cols);
  const Rows<double> expected_rows(expected.data(), ranges.size(), cols);
  reference::Attention(q.rows(), ranges, k.rows(), v.rows(), shape.num_heads, shape.num_kv_heads,
                       double{scale}, expected_rows);

  const double max_v = MaxAbs(v.rows());
  for (size_t i = 0; i < ranges.size(); ++i) {
    for (size_t h = 0; h < shape.num_heads; ++h) {
      const size_t begin = h * shape.head_dim;
      const size_t kv_begin = h / (shape.num_heads / shape.num_kv_heads) * shape.head_dim;
      const double bound = Bound(type, q.rows().row(i) + begin, k.rows(), kv_begin, shape.head_dim,
                                 ranges[i], double{scale}, max_v);
      for (size_t c = begin; c < begin + shape.head_dim; ++c) {
        const double actual = double{out.rows().row(i)[c]};
        ASSERT_TRUE(std::fabs(actual - expected_rows.row(i)[c]) <= bound)
            << "query " << i << " head " << h << " component " << c - begin << ": " << actual
            << " instead of " << expected_rows.row(i)[c] << ", bound " << bound;
      }
    }
  }
}

std::string Name(KvType type, const Shape& shape, size_t threads) {
  const char* types[] = {"f32", "f16", "bf16", "int8"};
  return std::string(types[static_cast<size_t>(type)]) + " heads " +
         std::to_string(shape.num_heads) + "/" + std::to_string(shape.num_kv_heads) + " head_dim " +
         std::to_string(shape.head_dim) + " threads " + std::to_string(threads);
}

constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kInt8};
// 22, 14: a padded vector; 13, 9: an odd number of components; 72: the vision tower.
constexpr size_t kHeadDims[] = {9, 13, 14, 22, 32, 64, 72, 128, 256};
constexpr Shape kHeads[] = {{.num_heads = 4, .num_kv_heads = 1},
                            {.num_heads = 6, .num_kv_heads = 3},
                            {.num_heads = 8, .num_kv_heads = 4},
                            {.num_heads = 3, .num_kv_heads = 3}};

std::vector<KeyRange> Causal(size_t first, size_t count, size_t window) {
  std::vector<KeyRange> ranges;
  for (size_t pos = first; pos < first + count; ++pos) {
    ranges.push_back({pos + 1 - std::min(window, pos + 1), pos + 1});
  }
  return ranges;
}

TEST(Attention, CausalMatchesReference) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      for (const size_t head_dim : kHeadDims) {
        for (Shape shape : kHeads) {
          shape.head_dim = head_dim;
          const size_t threads = 1 + head_dim % 3;
          SCOPED_TRACE(Name(type, shape, threads));
          CheckAgainstReference(type, shape, Causal(100, 13, 1000), 113, threads);
        }
      }
    }
  });
}

// Windows below, at and above a tile; ranges that begin and end within tiles, at and beside their
// borders; what no query sees is not held.
TEST(Attention, WindowsMatchReference) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      for (const size_t window : {1, 5, 63, 64, 65, 100, 190}) {
        const size_t queries = 17;
        const Shape shape{.num_heads = 6, .num_kv_heads = 3, .head_dim = 22};
        for (const size_t end : {size_t{64}, size_t{150}, size_t{511}, size_t{513}, size_t{1000}}) {
          if (end < window + queries) continue;
          SCOPED_TRACE(Name(type, shape, 2) + " window " + std::to_string(window) + " end " +
                       std::to_string(end));
          CheckAgainstReference(type, shape, Causal(end - queries, queries, window), end, 2);
        }
      }
    }
  });
}

// Queries of a picture see its whole block, before and beyond their own position; and a batch may
// hold ranges without a key in common.
TEST(Attention, BidirectionalBlocksMatchReference) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      const Shape shape{.num_heads = 8, .num_kv_heads = 4, .head_dim = 32};
      std::vector<KeyRange> ranges = Causal(150, 20, 30);
      for (size_t i = 20; i < 90; ++i) ranges.push_back({std::min<size_t>(170, 120 + i), 240});
      for (const KeyRange& range : Causal(240, 10, 30)) ranges.push_back(range);
      ranges.push_back({0, 3});
      ranges.push_back({247, 250});
      for (const size_t threads : {1, 3}) {
        SCOPED_TRACE(Name(type, shape, threads));
        CheckAgainstReference(type, shape, ranges, 250, threads);
      }
    }
  });
}

// Several chunks, so that partial results are merged: on one thread as they come, on several
// threads afterwards.
TEST(Attention, LongContextsMatchReference) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      const Shape shape{.num_heads = 4, .num_kv_heads = 1, .head_dim = 22};
      for (const size_t threads : {1, 2, 3}) {
        SCOPED_TRACE(Name(type, shape, threads));
        CheckAgainstReference(type, shape, {{0, 2000}}, 2000, threads);
        CheckAgainstReference(type, shape, {{0, 1999}, {700, 2000}, {1536, 1537}}, 2000, threads);
      }
    }
  });
}

// Scores of about +-1e4: all weight on one key, no overflow, no NaN.
TEST(Attention, HugeScoresStayFinite) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      const Shape shape{.num_heads = 4, .num_kv_heads = 1, .head_dim = 64};
      Matrix k(200, 64, 1), v(200, 64, 2), q(3, 256, 3, 1e4), out(3, 256, 4);
      ThreadPool pool(2);
      Cache cache(type, shape, 200);
      cache.Store(k.rows(), v.rows(), 0, pool);
      const std::vector<KeyRange> ranges = {{0, 200}, {3, 130}, {190, 191}};
      cache.Attend(q.rows(), ranges, 4, 0.125f, out.rows(), pool);
      const double max_v = MaxAbs(v.rows());
      for (size_t i = 0; i < 3; ++i) {
        for (size_t c = 0; c < 256; ++c) {
          // A mean of values, rounded: at most the largest (1 + 2^-7 for cache and weights).
          ASSERT_LE(std::fabs(double{out.rows().row(i)[c]}), max_v * (1.0 + 0x1p-7));
        }
      }
      // With wide gaps between the scores the largest takes all, whatever the rounding.
      if (type == KvType::kF32) CheckAgainstReference(type, shape, {{7, 8}}, 10, 1, 1e4);
    }
  });
}

// Numbers beyond what f16 holds become its largest ones. What is no number, or infinite, stays so:
// a broken computation must not look like one.
TEST(Attention, F16CachesBoundWhatIsFiniteAndKeepWhatIsNot) {
  ForEachTarget([](const char* target) {
    // Where conversions are emulated there is no infinity; the default is another type there.
    const bool emulated = std::string_view(target).starts_with("SSE");
    constexpr float kInfinite = std::numeric_limits<float>::infinity();
    const Shape shape{.num_heads = 1, .num_kv_heads = 1, .head_dim = 24};
    ThreadPool pool(1);
    const auto stored = [&](float number, size_t component) {
      Matrix k(1, 24, 1), v(1, 24, 2), q(1, 24, 3), out(1, 24, 4);
      v.rows().row(0)[component] = number;
      Cache cache(KvType::kF16, shape, 1);
      cache.Store(k.rows(), v.rows(), 0, pool);
      cache.Attend(q.rows(), std::vector<KeyRange>{{0, 1}}, 1, 0.125f, out.rows(), pool);
      return out.rows().row(0)[component];  // of one key: its value
    };
    for (const size_t component : {0, 7, 23}) {
      EXPECT_EQ(stored(65504.0f, component), 65504.0f);
      EXPECT_EQ(stored(65520.0f, component), 65504.0f);
      EXPECT_EQ(stored(-7e5f, component), -65504.0f);
      EXPECT_EQ(stored(std::numeric_limits<float>::max(), component), 65504.0f);
      EXPECT_EQ(stored(1e-30f, component), 0.0f);
      if (emulated) continue;
      EXPECT_FALSE(std::isfinite(stored(kInfinite, component)));
      EXPECT_FALSE(std::isfinite(stored(-kInfinite, component)));
      EXPECT_TRUE(std::isnan(stored(std::nanf(""), component)));
    }
  });
}

// Two keys whose scores, 0 and x, are exact, with values 0 and 1: the result is the weight itself,
// exp(x) / (1 + exp(x)). Bounds the relative error of the exponential, small weights included.
TEST(Attention, WeightsAreExponentialsToFloatPrecision) {
  ForEachTarget([](const char*) {
    const Shape shape{.num_heads = 1, .num_kv_heads = 1, .head_dim = 9};
    ThreadPool pool(1);
    Matrix k(2, 9, 1, 0.0), v(2, 9, 2, 0.0), q(1, 9, 3, 0.0), out(1, 9, 4);
    q.rows().row(0)[4] = 1.0f;
    v.rows().row(1)[8] = 1.0f;
    Cache cache(KvType::kF32, shape, 2);
    for (int step = 0; step <= 86 * 64; ++step) {
      const float x = static_cast<float>(step) / -64.0f;
      k.rows().row(1)[4] = x;
      cache.Store(k.rows(), v.rows(), 0, pool);
      cache.Attend(q.rows(), std::vector<KeyRange>{{0, 2}}, 1, 1.0f, out.rows(), pool);
      // 2^-22 by Exp2; its argument is rounded, and so is the constant in it: eps |x| each; sum,
      // product and quotient: 3 eps.
      const double bound = 0x1p-22 + 0x1p-24 * (2.0 * std::fabs(double{x}) + 3.0);
      const double expected = std::exp(double{x}) / (1.0 + std::exp(double{x}));
      ASSERT_NEAR(double{out.rows().row(0)[8]} / expected, 1.0, bound) << x;
    }
  });
}

// Identical keys: the plain mean of the values.
TEST(Attention, EqualScoresGiveTheMean) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      const Shape shape{.num_heads = 2, .num_kv_heads = 1, .head_dim = 32};
      const size_t n = 600;
      Matrix k(n, 32, 1), v(n, 32, 2), q(1, 64, 3, 30.0), out(1, 64, 4);
      for (size_t r = 1; r < n; ++r) std::copy_n(k.rows().row(0), 32, k.rows().row(r));
      ThreadPool pool(1);
      Cache cache(type, shape, n);
      cache.Store(k.rows(), v.rows(), 0, pool);
      cache.Attend(q.rows(), std::vector<KeyRange>{{0, n}}, 2, 1.0f, out.rows(), pool);
      RoundLikeCache(type, v.rows(), 32);
      for (size_t c = 0; c < 64; ++c) {
        double mean = 0.0;
        for (size_t r = 0; r < n; ++r) mean += double{v.rows().row(r)[c % 32]} / n;
        // All weights are equal. kInt8 multiplies them with scales and rounds: 2^-9 of each.
        const double eps = 0x1p-24 * 2 * n + (type == KvType::kInt8 ? 0x1p-9 : 0.0);
        EXPECT_NEAR(out.rows().row(0)[c], mean, eps * MaxAbs(v.rows()));
      }
    }
  });
}

void ExpectSameBits(Rows<const float> a, Rows<const float> b) {
  ASSERT_EQ(a.rows, b.rows);
  for (size_t r = 0; r < a.rows; ++r) {
    ASSERT_EQ(0, std::memcmp(a.row(r), b.row(r), a.cols * sizeof(float))) << "row " << r;
  }
}

// One query at a time on one thread is the standard for batches, threads and aliased output.
TEST(Attention, BitsDependOnTheQueryAlone) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      for (Shape shape : {kHeads[0], kHeads[1]}) {
        shape.head_dim = 72;
        const size_t positions = 1250;  // three chunks
        const size_t kv_cols = shape.num_kv_heads * shape.head_dim;
        const size_t cols = shape.num_heads * shape.head_dim;
        Matrix k(positions, kv_cols, 1), v(positions, kv_cols, 2);
        std::vector<KeyRange> ranges = Causal(1000, 15, 600);
        for (size_t i = 0; i < 11; ++i) ranges.push_back({900, 1100});
        for (const KeyRange& range : Causal(1100, 9, 5000)) ranges.push_back(range);
        Matrix q(ranges.size(), cols, 3), alone(ranges.size(), cols, 4);
        ThreadPool one(1);
        Cache cache(type, shape, positions);
        cache.Store(k.rows(), v.rows(), 0, one);
        for (size_t i = 0; i < ranges.size(); ++i) {
          cache.Attend(q.rows().Slice(i, 1), std::vector<KeyRange>{ranges[i]}, shape.num_heads,
                       0.12f, alone.rows().Slice(i, 1), one);
        }
        for (const size_t threads : {1, 2, 3, 5}) {
          SCOPED_TRACE(Name(type, shape, threads));
          ThreadPool pool(threads);
          for (const size_t batch : {size_t{1}, size_t{7}, ranges.size()}) {
            Matrix out(ranges.size(), cols, 3);  // holds q
            for (size_t i = 0; i < ranges.size(); i += batch) {
              const size_t count = std::min(batch, ranges.size() - i);
              cache.Attend(out.rows().Slice(i, count), std::span(ranges).subspan(i, count),
                           shape.num_heads, 0.12f, out.rows().Slice(i, count), pool);
            }
            ExpectSameBits(alone.rows(), out.rows());
          }
        }
      }
    }
  });
}

// Pieces of a prompt stored and attended one after the other, with no page held that the window has
// left, give the bits of the whole prompt in a cache that holds it all.
TEST(Attention, PrefillInPiecesGivesTheSameBits) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      const size_t positions = 700;
      const size_t window = 100;
      const Shape shape{.num_heads = 4, .num_kv_heads = 2, .head_dim = 22};
      Matrix k(positions, 44, 1), v(positions, 44, 2), q(positions, 88, 3);
      Matrix whole(positions, 88, 4);
      ThreadPool pool(2);
      Cache all(type, shape, positions);
      all.Store(k.rows(), v.rows(), 0, pool);
      const std::vector<KeyRange> ranges = Causal(0, positions, window);
      all.Attend(q.rows(), ranges, 4, 0.2f, whole.rows(), pool);
      for (const size_t piece : {1, 7, 64, 93}) {
        Matrix out(positions, 88, 5);
        Cache cache(type, shape, positions);
        for (size_t i = 0; i < positions; i += piece) {
          const size_t count = std::min(piece, positions - i);
          cache.Store(k.rows().Slice(i, count), v.rows().Slice(i, count), i, pool);
          cache.KeepOnly(ranges[i].begin, positions);
          cache.Attend(q.rows().Slice(i, count), std::span(ranges).subspan(i, count), 4, 0.2f,
                       out.rows().Slice(i, count), pool);
        }
        SCOPED_TRACE(Name(type, shape, 2) + " pieces of " + std::to_string(piece));
        ExpectSameBits(whole.rows(), out.rows());
      }
    }
  });
}

// Rows of several sequences in one call, long and short, some of which share pages: each row as if
// its sequence were alone.
TEST(Attention, SequencesInOneBatchGiveTheBitsOfEach) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      const Shape shape{.num_heads = 4, .num_kv_heads = 2, .head_dim = 22};
      struct Part {
        size_t positions, rows, shared;  // the first `shared` positions are those of part 0
      };
      const std::vector<std::vector<Part>> batches = {
          {{130, 1, 0}, {70, 1, 64}, {1, 1, 0}},
          {{1500, 1, 0}, {1400, 1, 1024}},              // few rows, many chunks
          {{300, 40, 0}, {1300, 1, 128}, {64, 64, 0}},  // prefill beside decoding
          {{900, 1, 0}, {900, 1, 0}, {900, 1, 0}, {900, 1, 0}, {900, 1, 0}, {900, 1, 0}}};
      for (const auto& batch : batches) {
        size_t total = 0;
        for (const Part& part : batch) total += part.rows;
        Matrix q(total, 88, 3), alone(total, 88, 4), k_new(total, 44, 5), v_new(total, 44, 6);
        ThreadPool one(1);
        // Each sequence alone, in a cache of its own; then all of them together.
        std::vector<std::unique_ptr<Cache>> caches;
        std::vector<KvRows> parts;
        std::vector<KeyRange> ranges;
        for (const Part& part : batch) {
          const size_t before = part.positions - part.rows;
          Matrix k(part.positions, 44, 1), v(part.positions, 44, 2);  // alike for all
          const KvRows own{ranges.size(), part.rows, before, {}};
          const std::vector<KeyRange> causal = Causal(before, part.rows, 5000);
          const auto fill = [&](Cache& cache, size_t from) {
            if (before <= from) return;
            cache.Store(k.rows().Slice(from, before - from), v.rows().Slice(from, before - from),
                        from, one);
          };
          Cache single(type, shape, part.positions);
          fill(single, 0);
          single.Store(k_new.rows().Slice(own.begin, own.count),
                       v_new.rows().Slice(own.begin, own.count), before, one);
          single.Attend(q.rows().Slice(own.begin, own.count), causal, 4, 0.2f,
                        alone.rows().Slice(own.begin, own.count), one);
          auto cache = std::make_unique<Cache>(type, shape, part.positions);
          if (part.shared > 0) cache->Share(*caches[0], part.shared / kKvTile);
          fill(*cache, part.shared);
          parts.push_back(own);
          parts.back().kv = cache->view();
          caches.push_back(std::move(cache));
          ranges.insert(ranges.end(), causal.begin(), causal.end());
        }
        for (const size_t threads : {1, 2, 5}) {
          SCOPED_TRACE(Name(type, shape, threads));
          ThreadPool pool(threads);
          Matrix out(total, 88, 3);  // holds q
          StoreKv(k_new.rows(), v_new.rows(), parts, pool);
          Attention(out.rows(), ranges, parts, 4, 0.2f, out.rows(), pool);
          ExpectSameBits(alone.rows(), out.rows());
        }
      }
    }
  });
}

// The cache's bytes do not depend on threads or pieces.
TEST(StoreKv, BytesDependOnTheRowsAlone) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      const Shape shape{.num_heads = 3, .num_kv_heads = 3, .head_dim = 22};
      Matrix k(500, 66, 1), v(500, 66, 2);
      ThreadPool one(1);
      Cache expected(type, shape, 537);
      for (size_t i = 0; i < 500; ++i) {
        expected.Store(k.rows().Slice(i, 1), v.rows().Slice(i, 1), 37 + i, one);
      }
      for (const size_t threads : {1, 3}) {
        ThreadPool pool(threads);
        for (const size_t piece : {100, 128, 500}) {
          Cache cache(type, shape, 537);
          for (size_t i = 0; i < 500; i += piece) {
            const size_t count = std::min<size_t>(piece, 500 - i);
            cache.Store(k.rows().Slice(i, count), v.rows().Slice(i, count), 37 + i, pool);
          }
          for (size_t t = 0; t * kKvTile < 537; ++t) {
            EXPECT_TRUE(std::ranges::equal(expected.page(t), cache.page(t)))
                << Name(type, shape, threads) << " pieces of " << piece << " page " << t;
          }
        }
      }
    }
  });
}

// A place not yet written, or written by what was there before, has no influence as long as it is
// finite.
TEST(Attention, UnseenPlacesDoNotMatter) {
  ForEachTarget([](const char*) {
    for (const KvType type : kTypes) {
      const Shape shape{.num_heads = 2, .num_kv_heads = 1, .head_dim = 32};
      Matrix k(192, 32, 1, 100.0), v(192, 32, 2, 100.0), q(1, 64, 3), a(1, 64, 4), b(1, 64, 5);
      ThreadPool pool(1);
      Cache dirty(type, shape, 192);
      dirty.Store(k.rows(), v.rows(), 0, pool);
      Cache clean(type, shape, 192);
      for (size_t i = 0; i < 35; ++i) {
        clean.Store(k.rows().Slice(i, 1), v.rows().Slice(i, 1), 128 + i, pool);
        dirty.Store(k.rows().Slice(i, 1), v.rows().Slice(i, 1), 128 + i, pool);
      }
      const std::vector<KeyRange> range = {{130, 163}};
      clean.Attend(q.rows(), range, 2, 1.0f, a.rows(), pool);
      dirty.Attend(q.rows(), range, 2, 1.0f, b.rows(), pool);
      ExpectSameBits(a.rows(), b.rows());
    }
  });
}

TEST(KvPageBytes, CountsPaddedValuesAndScales) {
  EXPECT_EQ(KvPageBytes(KvType::kF32, 2, 72), 2u * 64 * (72 + 80) * 4);
  EXPECT_EQ(KvPageBytes(KvType::kF16, 2, 72), 2u * 64 * (72 + 80) * 2);
  EXPECT_EQ(KvPageBytes(KvType::kBF16, 2, 72), 2u * 64 * (72 + 80) * 2);
  EXPECT_EQ(KvPageBytes(KvType::kInt8, 2, 72), 2u * 64 * (72 + 80 + 2 * 4));
  EXPECT_EQ(KvPageBytes(KvType::kBF16, 1, 9), 64u * (10 + 16) * 2);  // an odd pair is filled
}

}  // namespace
}  // namespace gemma3
