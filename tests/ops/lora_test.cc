// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "ops/elementwise.h"
#include "ops/mlp.h"
#include "src/base/half.h"
#include "src/threading/thread_pool.h"
#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

constexpr WeightType kTypes[] = {WeightType::kF32, WeightType::kBF16, WeightType::kF16};

// Factors whose values every type holds.
struct Factors {
  Factors(size_t rank, size_t inputs, size_t outputs, WeightType type, std::mt19937& rng)
      : rank(rank), inputs(inputs), outputs(outputs), a(rank * inputs), b(rank * outputs) {
    std::uniform_int_distribution<int> value(-100, 100);
    for (std::vector<float>* factor : {&a, &b}) {
      for (float& v : *factor) v = static_cast<float>(value(rng)) / 64;
    }
    for (const float v : a) {
      halves.push_back(type == WeightType::kF16 ? HalfFromFloat(v) : Bf16FromFloat(v));
    }
    const void* data = type == WeightType::kF32 ? static_cast<const void*>(a.data())
                                                : static_cast<const void*>(halves.data());
    term.a = {type, rank, inputs, data};
    term.b = {type, outputs, rank, nullptr};
    panels.resize(term.b.bytes());
    PackLoraPanels(b.data(), term.b, panels.data());
    term.b.data = panels.data();
  }
  Factors(const Factors&) = delete;

  size_t rank, inputs, outputs;
  std::vector<float> a, b;  // [rank, inputs], [rank, outputs]
  std::vector<uint16_t> halves;
  std::vector<std::byte> panels;
  LoraTerm term;
};

TEST(LoraPanels, HoldWhatWasPacked) {
  std::mt19937 rng(1);
  for (const WeightType type : kTypes) {
    for (const size_t outputs : {1, 63, 64, 200}) {
      const Factors factors(5, 3, outputs, type, rng);
      for (size_t o = 0; o < outputs; ++o) {
        for (size_t k = 0; k < 5; ++k) {
          ASSERT_EQ(factors.term.b.At(o, k), factors.b[k * outputs + o]);
        }
      }
    }
  }
}

// Two terms on the rows [begin, begin + count) of a product, one of them with ratios, with a gain
// and a bias.
struct Adapted {
  Adapted(size_t inputs, size_t outputs, size_t rank, WeightType type, std::mt19937& rng)
      : first(rank, inputs, outputs, type, rng), second(3, inputs, outputs, type, rng) {
    std::uniform_real_distribution<float> value(-1, 1);
    for (std::vector<float>* row : {&gain, &bias, &ratio}) {
      row->resize(outputs);
      for (float& v : *row) v = value(rng);
    }
    first.term.scale = 0.75f;
    second.term.scale = -2;
    second.term.ratio = ratio.data();
    terms = {first.term, second.term};
  }
  LoraRun Run(size_t begin, size_t count) {
    low.emplace_back(count * (first.rank + second.rank));
    const Rows<float> t(low.back().data(), count, first.rank + second.rank);
    return {begin, count, terms, gain.data(), bias.data(), t};
  }
  // What output o of x gets, and the size of what it is summed from.
  double Want(const float* x, size_t o, double product, double* size) const {
    double sum = product * gain[o] + bias[o];
    *size = std::abs(product * gain[o]) + std::abs(bias[o]);
    for (const Factors* factors : {&first, &second}) {
      const double scale =
          double{factors->term.scale} * (factors->term.ratio ? factors->term.ratio[o] : 1);
      for (size_t k = 0; k < factors->rank; ++k) {
        for (size_t c = 0; c < factors->inputs; ++c) {
          const double part = scale * factors->b[k * factors->outputs + o] *
                              factors->a[k * factors->inputs + c] * x[c];
          sum += part;
          *size += std::abs(part);
        }
      }
    }
    return sum;
  }

  Factors first, second;
  std::vector<float> gain, bias, ratio;
  std::vector<LoraTerm> terms;
  std::vector<std::vector<float>> low;
};

TEST(MatMulWithRuns, MatchesDoubleLoopsAndDoesNotDependOnTheBatch) {
  std::mt19937 rng(3);
  ForEachTarget([&](int64_t) {
    for (const size_t threads : {1, 3}) {
      ThreadPool pool(threads);
      for (const WeightType type : kTypes) {
        for (const auto& [outputs, rank] :
             {std::pair<size_t, size_t>{1, 1}, {15, 3}, {64, 16}, {257, 70}, {600, 16}}) {
          constexpr size_t kInputs = 70;
          for (const size_t rows : {1, 7, 13}) {
            GuardedMatrix x(rows, kInputs), w(outputs, kInputs), plain(rows, outputs);
            GuardedMatrix out(rows, outputs), alone(rows, outputs);
            x.FillUniform(rng, -1, 1);
            w.FillUniform(rng, -1, 1);
            std::vector<float> dense;
            for (size_t o = 0; o < outputs; ++o) {
              for (size_t c = 0; c < kInputs; ++c) dense.push_back(w.row(o)[c]);
            }
            const MatrixView view{WeightType::kF32, outputs, kInputs, dense.data()};
            const Rows<const float> in = static_cast<const GuardedMatrix&>(x).view();
            MatMul(in, view, plain.view(), Compute::kFast, pool);
            Adapted one(kInputs, outputs, rank, type, rng), two(kInputs, outputs, 2, type, rng);
            // The whole batch with one set; then one row as it is, and two sets on the rest.
            for (const bool whole : {true, false}) {
              LoraTask task{{view, out.view()}, {}};
              const size_t cut = (rows + 1) / 2;
              if (whole) {
                task.runs = {one.Run(0, rows)};
              } else if (rows > 1) {
                task.runs = {one.Run(1, cut - 1), two.Run(cut, rows - cut)};
              }
              MatMul(in, {&task, 1}, Compute::kFast, pool);
              for (size_t r = 0; r < rows; ++r) {
                Adapted* set = whole ? &one : r == 0 ? nullptr : r < cut ? &one : &two;
                LoraTask single{{view, alone.view().Slice(r, 1)}, {}};
                if (set) single.runs = {set->Run(0, 1)};
                MatMul(in.Slice(r, 1), {&single, 1}, Compute::kFast, pool);
                for (size_t o = 0; o < outputs; ++o) {
                  ASSERT_EQ(out.row(r)[o], alone.row(r)[o]) << outputs << " outputs, row " << r;
                  double size = std::abs(plain.row(r)[o]);
                  const double want =
                      set ? set->Want(in.row(r), o, plain.row(r)[o], &size) : plain.row(r)[o];
                  const double bound =
                      static_cast<double>(2 * rank + kInputs + 9) * kUnitRoundoff * size;
                  ASSERT_NEAR(out.row(r)[o], want, bound) << outputs << " outputs, rank " << rank;
                }
              }
            }
          }
        }
      }
    }
  });
}

// An MLP with additions is its products with them, one after the other, to the bit.
TEST(MlpWithRuns, IsItsProducts) {
  std::mt19937 rng(5);
  constexpr size_t kHidden = 70, kInner = 600;
  for (const size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const WeightType type : kTypes) {
      Adapted gate(kHidden, kInner, 16, type, rng), up(kHidden, kInner, 4, type, rng);
      Adapted down(kInner, kHidden, 8, type, rng);
      std::vector<float> w(3 * kHidden * kInner);
      std::uniform_real_distribution<float> value(-1, 1);
      for (float& v : w) v = value(rng) / 8;
      const MatrixView wg{WeightType::kF32, kInner, kHidden, w.data()};
      const MatrixView wu{WeightType::kF32, kInner, kHidden, w.data() + kHidden * kInner};
      const MatrixView wd{WeightType::kF32, kHidden, kInner, w.data() + 2 * kHidden * kInner};
      for (const size_t rows : {1, 5, 9, 110}) {
        for (const bool whole : {true, false}) {
          if (!whole && rows == 1) continue;
          const size_t begin = whole ? 0 : rows / 2;
          std::vector<float> x(rows * kHidden), g(rows * kInner), u(rows * kInner), inner(g);
          std::vector<float> want(rows * kHidden), out(rows * kHidden);
          for (float& v : x) v = value(rng);
          const Rows<const float> in(x.data(), rows, kHidden);
          const Rows<float> g_rows(g.data(), rows, kInner), u_rows(u.data(), rows, kInner);
          const LoraTask into[] = {{{wg, g_rows}, {gate.Run(begin, rows - begin)}},
                                   {{wu, u_rows}, {up.Run(begin, rows - begin)}}};
          MatMul(in, into, Compute::kFast, pool);
          GeluMul(g_rows, u_rows);
          const LoraTask from{{wd, {want.data(), rows, kHidden}}, {down.Run(begin, rows - begin)}};
          MatMul(g_rows, {&from, 1}, Compute::kFast, pool);
          const MlpTask task{.gate = wg,
                             .up = wu,
                             .down = wd,
                             .gate_runs = into[0].runs,
                             .up_runs = into[1].runs,
                             .down_runs = from.runs,
                             .inner = {inner.data(), rows, kInner}};
          Mlp(in, task, {out.data(), rows, kHidden}, Compute::kFast, pool);
          ASSERT_EQ(out, want) << rows << " rows";
        }
      }
    }
  }
}

}  // namespace
}  // namespace gemma3
