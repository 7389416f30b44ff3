// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Every task once, whatever the numbers of tasks and threads; scratch memory belongs to one thread.
#include "src/threading/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace gemma3 {
namespace {

constexpr size_t kThreadCounts[] = {1, 2, 3, 8};

TEST(ThreadPoolTest, RunsEveryTaskOnceOnAThreadInRange) {
  for (const size_t threads : kThreadCounts) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.num_threads(), threads);
    for (const size_t tasks : {0, 1, 2, 3, 7, 8, 9, 64, 1000, 4097}) {
      std::vector<std::atomic<int>> runs(tasks);
      std::atomic<size_t> out_of_range = 0;
      pool.ParallelFor(tasks, [&](size_t task, size_t thread) {
        if (task >= tasks || thread >= threads) {
          ++out_of_range;
        } else {
          ++runs[task];
        }
      });
      EXPECT_EQ(out_of_range, 0u) << tasks << " tasks, " << threads << " threads";
      for (size_t i = 0; i < tasks; ++i) EXPECT_EQ(runs[i], 1) << i << " of " << tasks;
    }
  }
}

// What a task wrote is there when ParallelFor returns, and the next region sees it. Regions of
// growing and shrinking sizes follow each other without a pause, as the operations of a layer do.
TEST(ThreadPoolTest, RegionsFollowEachOther) {
  for (const size_t threads : kThreadCounts) {
    ThreadPool pool(threads);
    std::vector<uint64_t> values(300);
    uint64_t expected = 0;
    for (size_t round = 0; round < 500; ++round) {
      const size_t tasks = round * 37 % values.size();
      pool.ParallelFor(tasks, [&](size_t task, size_t) { values[task] += task + round; });
      for (size_t task = 0; task < tasks; ++task) expected += task + round;
    }
    uint64_t sum = 0;
    for (const uint64_t value : values) sum += value;
    EXPECT_EQ(sum, expected) << threads << " threads";
  }
}

// Two pools are independent: a task of one may use the other.
TEST(ThreadPoolTest, PoolsDoNotShareThreads) {
  ThreadPool outer(2);
  std::atomic<size_t> total = 0;
  std::vector<std::unique_ptr<ThreadPool>> inner;
  for (size_t i = 0; i < 2; ++i) inner.push_back(std::make_unique<ThreadPool>(2));
  outer.ParallelFor(2, [&](size_t task, size_t) {
    inner[task]->ParallelFor(100, [&](size_t, size_t) { ++total; });
  });
  EXPECT_EQ(total, 200u);
}

TEST(ThreadPoolTest, ScratchIsAlignedLargeEnoughAndOwnedByItsThread) {
  for (const size_t threads : kThreadCounts) {
    ThreadPool pool(threads);
    for (const size_t bytes : {1, 64, 1000, 100000, 10}) {
      std::atomic<int> wrong = 0;
      pool.ParallelFor(200, [&](size_t task, size_t thread) {
        const std::span<std::byte> scratch = pool.Scratch(thread, bytes);
        if (scratch.size() < bytes) ++wrong;
        if (reinterpret_cast<uintptr_t>(scratch.data()) % 64 != 0) ++wrong;
        const auto mark = static_cast<std::byte>(task);
        std::memset(scratch.data(), static_cast<int>(mark), bytes);
        // A thread that shared this memory would have written its own mark meanwhile.
        for (size_t i = 0; i < bytes; ++i) {
          if (scratch[i] != mark) ++wrong;
        }
      });
      EXPECT_EQ(wrong, 0) << bytes << " bytes, " << threads << " threads";
    }
  }
}

TEST(ThreadPoolTest, NumbersOfThreadsAreMadePossible) {
  EXPECT_EQ(ThreadPool(0).num_threads(), ThreadPool::DefaultThreads());
  EXPECT_GE(ThreadPool::DefaultThreads(), 1u);
  ThreadPool many(100000);
  EXPECT_GE(many.num_threads(), 1u);
  std::atomic<size_t> total = 0;
  many.ParallelFor(1000, [&](size_t, size_t thread) { total += thread < many.num_threads(); });
  EXPECT_EQ(total, 1000u);
}

TEST(ThreadPoolTest, DefaultThreadsStayWithinWhatTheProcessMayUse) {
  const CpuInfo info = DescribeCpus();
  EXPECT_GE(info.allowed_cpus, 1u);
  EXPECT_LE(info.allowed_cores, info.allowed_cpus);
  EXPECT_LE(ThreadPool::DefaultThreads(), info.allowed_cores);
}

}  // namespace
}  // namespace gemma3
