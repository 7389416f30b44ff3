// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul_listed.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "hwy/base.h"
#include "ops/matmul_plan.h"

namespace gemma3 {
namespace {

// Rows that are computed at a time: neighbours are one stream.
constexpr size_t kMostRunRows = 256;
// Runs that a thread takes at a time. One of them costs a microsecond or two, about what handing
// it over does.
constexpr size_t kRunsPerUnit = 8;

struct Run {
  Range rows;    // of W
  Range listed;  // what of the list lies in them
};

std::vector<Run> RunsOf(std::span<const int32_t> listed, size_t group, size_t rows) {
  std::vector<Run> runs;
  for (size_t i = 0; i < listed.size(); ++i) {
    const size_t begin = static_cast<size_t>(listed[i]) / group * group;
    const size_t end = std::min(rows, begin + group);
    if (!runs.empty() && begin <= runs.back().rows.end &&
        end - runs.back().rows.begin <= kMostRunRows) {
      runs.back().rows.end = end;
      runs.back().listed.end = i + 1;
    } else {
      runs.push_back({{begin, end}, {i, i + 1}});
    }
  }
  return runs;
}

}  // namespace

void MatMulListed(std::span<const float> x, const MatrixView& w, std::span<const int32_t> listed,
                  std::span<float> out, Compute compute, ThreadPool& pool) {
  if (listed.empty()) return;
  const MatMulTask task{w, {}};
  Region region = MakeRegion(Rows<const float>(x.data(), 1, x.size()), {&task, 1}, compute,
                             pool.num_threads(), Cut::kApart);
  const Plan& plan = region.plans[0];
  const std::vector<Run> runs = RunsOf(listed, plan.kernels.group_rows, w.rows);

  // Thread 0's scratch holds x for all threads, then its own part.
  const size_t prepared_bytes = PreparedBytes(region);
  std::byte* const shared = pool.Scratch(0, prepared_bytes + region.thread_bytes).data();
  PrepareInput(region, shared, pool);
  pool.ParallelFor(hwy::DivCeil(runs.size(), kRunsPerUnit), [&](size_t unit, size_t thread) {
    std::byte* scratch =
        thread == 0 ? shared + prepared_bytes : pool.Scratch(thread, region.thread_bytes).data();
    float values[kMostRunRows];
    const size_t end = std::min(runs.size(), (unit + 1) * kRunsPerUnit);
    for (size_t i = unit * kRunsPerUnit; i < end; ++i) {
      const Run& run = runs[i];
      const size_t next = i + 1 < runs.size() ? runs[i + 1].rows.begin : run.rows.begin;
      RunPart(region, plan, run.rows, {0, 1}, Rows<float>(values, 1, run.rows.count()), scratch,
              plan.At(next));
      for (size_t k = run.listed.begin; k < run.listed.end; ++k) {
        out[k] = values[static_cast<size_t>(listed[k]) - run.rows.begin];
      }
    }
  });
}

}  // namespace gemma3
