// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Every task once, whatever the numbers of tasks and threads; scratch memory belongs to one thread.
#include "src/threading/thread_pool.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "src/threading/processors.h"

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

// More than a range can name one by one.
TEST(ThreadPoolTest, RunsMillionsOfTasksOnceEach) {
  for (const size_t threads : kThreadCounts) {
    ThreadPool pool(threads);
    for (const size_t tasks : {(size_t{1} << 20) - 1, size_t{1} << 20, (size_t{3} << 20) + 7}) {
      std::vector<uint8_t> runs(tasks);
      pool.ParallelFor(tasks, [&](size_t task, size_t) { ++runs[task]; });
      EXPECT_EQ(std::count(runs.begin(), runs.end(), 1), static_cast<ptrdiff_t>(tasks))
          << threads << " threads";
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

TEST(ThreadPoolTest, SignalsAreLeftToTheCallersThread) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  ThreadPool pool(4);
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGSEGV, SIGBUS}) {
    EXPECT_EQ(sigismember(&after, number), sigismember(&before, number)) << number;
  }
  const auto caller = std::this_thread::get_id();
  std::atomic<int> others = 0;
  std::atomic<int> wrong = 0;
  // Until another thread has come by: one that is late may find no task left.
  for (int round = 0; round < 10000 && others == 0; ++round) {
    pool.ParallelFor(64, [&](size_t, size_t) {
      if (std::this_thread::get_id() == caller) {
        std::this_thread::yield();
        return;
      }
      ++others;
      sigset_t mask;
      pthread_sigmask(SIG_SETMASK, nullptr, &mask);
      for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD}) {
        wrong += sigismember(&mask, number) != 1;
      }
      for (const int number : {SIGSEGV, SIGBUS}) wrong += sigismember(&mask, number) != 0;
    });
  }
  EXPECT_GT(others, 0);
  EXPECT_EQ(wrong, 0);
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

// Whether every task runs once, as in a pool where nothing ever failed.
bool Works(ThreadPool& pool) {
  std::vector<std::atomic<int>> runs(100);
  pool.ParallelFor(runs.size(), [&](size_t task, size_t) { ++runs[task]; });
  for (const auto& count : runs) {
    if (count != 1) return false;
  }
  return true;
}

TEST(ThreadPoolTest, AnyTaskMayThrowAndThePoolGoesOn) {
  for (const size_t threads : kThreadCounts) {
    ThreadPool pool(threads);
    for (const size_t tasks : {1, 2, 9, 100}) {
      for (size_t failing = 0; failing < tasks; failing += 1 + tasks / 5) {
        std::string message;
        try {
          pool.ParallelFor(tasks, [&](size_t task, size_t) {
            if (task == failing) throw std::runtime_error(std::to_string(task));
          });
        } catch (const std::runtime_error& e) {
          message = e.what();
        }
        EXPECT_EQ(message, std::to_string(failing)) << tasks << " tasks, " << threads << " threads";
        EXPECT_TRUE(Works(pool)) << tasks << " tasks, " << threads << " threads";
      }
    }
  }
}

// With a task for each thread that waits for the others, each thread has exactly one.
TEST(ThreadPoolTest, AnExceptionReachesTheCallerFromWhicheverThread) {
  constexpr size_t kThreads = 3;
  ThreadPool pool(kThreads);
  for (size_t failing = 0; failing < kThreads; ++failing) {
    std::atomic<size_t> begun = 0;
    EXPECT_THROW(pool.ParallelFor(kThreads,
                                  [&](size_t, size_t thread) {
                                    ++begun;
                                    while (begun < kThreads) std::this_thread::yield();
                                    if (thread == failing) throw std::bad_alloc();
                                  }),
                 std::bad_alloc)
        << "on thread " << failing;
    EXPECT_EQ(begun, kThreads);
    EXPECT_TRUE(Works(pool));
  }
}

TEST(ThreadPoolTest, WhenEveryTaskThrowsOneExceptionComesOut) {
  for (const size_t threads : kThreadCounts) {
    ThreadPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      EXPECT_THROW(pool.ParallelFor(1000, [](size_t task, size_t) { throw task; }), size_t);
    }
    EXPECT_TRUE(Works(pool));
  }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Sanitizers end the process where an allocation fails, and take more address space than any limit
// leaves.
#else
// An amount that no system has: the allocation fails, and smaller ones succeed afterwards.
TEST(ThreadPoolTest, ScratchThatCannotGrowIsBadAlloc) {
  for (const size_t threads : kThreadCounts) {
    ThreadPool pool(threads);
    const auto grow = [&](size_t bytes) {
      pool.ParallelFor(64, [&](size_t, size_t thread) {
        const std::span<std::byte> scratch = pool.Scratch(thread, bytes);
        std::memset(scratch.data(), 1, scratch.size());
      });
    };
    grow(1000);
    EXPECT_THROW(grow(size_t{1} << 60), std::bad_alloc);
    grow(2000);
    EXPECT_TRUE(Works(pool));
  }
}

// Without room for their stacks, threads cannot be started. In a process of its own, since the
// limit holds for all of it.
[[noreturn]] void StartThreadsWithoutMemory() {
  constexpr rlim_t kLimit = rlim_t{256} << 20;  // 64 stacks of 8 MiB do not fit
  const rlimit limit = {kLimit, kLimit};
  ::setrlimit(RLIMIT_AS, &limit);
  try {
    const ThreadPool pool(64);
  } catch (const std::system_error& e) {
    std::fputs(e.what(), stderr);
    ThreadPool smaller(2);
    std::exit(Works(smaller) ? 0 : 1);
  }
  std::exit(2);
}

TEST(ThreadPoolTest, ThreadsThatCannotStartAreAnException) {
  EXPECT_EXIT(StartThreadsWithoutMemory(), ::testing::ExitedWithCode(0), "cannot start 63 threads");
}
#endif

TEST(ThreadPoolTest, NumbersOfThreadsAreMadePossible) {
  EXPECT_EQ(ThreadPool(0).num_threads(), DefaultThreads(DescribeCpus()));
  ThreadPool many(100000);
  EXPECT_GE(many.num_threads(), 1u);
  std::atomic<size_t> total = 0;
  many.ParallelFor(1000, [&](size_t, size_t thread) { total += thread < many.num_threads(); });
  EXPECT_EQ(total, 1000u);
}

}  // namespace
}  // namespace gemma3
