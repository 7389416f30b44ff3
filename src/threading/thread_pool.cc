// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/threading/thread_pool.h"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "hwy/cache_control.h"
#include "src/base/aligned_buffer.h"
#include "src/threading/processors.h"

namespace gemma3 {
namespace {

// How long a thread that waits looks for what it waits for before it sleeps. The pauses between the
// regions of a token are shorter, and waking a sleeper takes 5 us at best, 50 us in a virtual
// machine. It is a limit, because a thread that spins on takes the processor from the very thread
// it waits for, wherever there are more threads than processors.
constexpr auto kSpinTime = std::chrono::microseconds(50);

// Returns when value is no longer `old`.
template <class T>
void WaitWhile(const std::atomic<T>& value, T old) {
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < 64; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      hwy::Pause();
    }
  } while (std::chrono::steady_clock::now() - start < kSpinTime);
  value.wait(old, std::memory_order_acquire);
}

// A range of tasks that is not handed out yet, in one word, so that a task is taken by one
// comparison and exchange. The number of the region makes an old word differ from a new one.
class TaskRange {
 public:
  static constexpr size_t kMaxTasks = (size_t{1} << 20) - 1;

  // Before the region begins.
  void Set(uint64_t region, size_t begin, size_t end) {
    word_.store(region << 40 | uint64_t{begin} << 20 | end, std::memory_order_release);
  }

  // Takes the first task; the owner of the range calls this, and so walks through memory in order.
  std::optional<size_t> TakeFirst() {
    return Take([](size_t begin, size_t) { return begin; }, uint64_t{1} << 20);
  }
  // Takes the last task.
  std::optional<size_t> TakeLast() {
    return Take([](size_t, size_t end) { return end - 1; }, ~uint64_t{0});
  }

 private:
  template <class Choose>
  std::optional<size_t> Take(const Choose& choose, uint64_t change) {
    uint64_t word = word_.load(std::memory_order_acquire);
    for (;;) {
      const size_t begin = word >> 20 & kMaxTasks;
      const size_t end = word & kMaxTasks;
      if (begin >= end) return std::nullopt;
      if (word_.compare_exchange_weak(word, word + change, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return choose(begin, end);
      }
    }
  }

  alignas(64) std::atomic<uint64_t> word_ = 0;
};

}  // namespace

// While it lives, threads that are started begin with signals blocked: a host's handlers run on the
// host's threads, whose calls they interrupt, and never while a thread of ours holds a task. Faults
// stay deliverable: they belong to the thread that causes them.
class BlockSignals {
 public:
  BlockSignals() {
    sigset_t signals;
    sigfillset(&signals);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
      sigdelset(&signals, fault);
    }
    pthread_sigmask(SIG_BLOCK, &signals, &before_);
  }
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

 private:
  sigset_t before_;
};

// A region is announced by the ranges of its tasks, then by its number. Whoever takes a task knows
// that the region is not over before that task is, so what describes the region is valid meanwhile.
// Threads that sleep or are late are not waited for: the others take their tasks.
struct ThreadPool::Impl {
  explicit Impl(size_t num_threads) : ranges(num_threads), scratch(num_threads) {
    threads.reserve(num_threads - 1);
    try {
      const BlockSignals scope;
      for (size_t t = 1; t < num_threads; ++t) threads.emplace_back([this, t] { Work(t); });
    } catch (const std::system_error& e) {
      Stop();
      throw std::system_error(e.code(), "cannot start " + std::to_string(num_threads - 1) +
                                            " threads beside this one; use fewer");
    } catch (...) {
      Stop();
      throw;
    }
  }
  ~Impl() { Stop(); }

  void Stop() {
    stop.store(true, std::memory_order_relaxed);
    region.fetch_add(1, std::memory_order_release);
    region.notify_all();
    threads.clear();  // joins
  }

  void Work(size_t thread) {
    for (int seen = 0;;) {
      WaitWhile(region, seen);
      seen = region.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_relaxed)) return;
      RunTasks(thread);
    }
  }

  // Runs tasks until all are handed out: first those of the thread's own range, then others'.
  void RunTasks(size_t thread) {
    int done = 0;
    while (const auto task = ranges[thread].TakeFirst()) RunTask(*task, thread), ++done;
    for (size_t i = 1; i < ranges.size(); ++i) {
      TaskRange& other = ranges[(thread + i) % ranges.size()];
      while (const auto task = other.TakeLast()) RunTask(*task, thread), ++done;
    }
    if (done == 0) return;
    if (unfinished.fetch_sub(done, std::memory_order_acq_rel) == done) unfinished.notify_one();
  }

  // A task is a run of the caller's tasks where there are very many.
  void RunTask(size_t task, size_t thread) {
    if (failed.load(std::memory_order_relaxed)) return;
    try {
      const size_t end = std::min(num_tasks, (task + 1) * run_length);
      for (size_t i = task * run_length; i < end; ++i) trampoline(fn, i, thread);
    } catch (...) {
      if (!failed.exchange(true, std::memory_order_relaxed)) exception = std::current_exception();
    }
  }

  // The region.
  const void* fn = nullptr;
  Trampoline trampoline = nullptr;
  size_t num_tasks = 0;
  size_t run_length = 1;
  std::atomic<bool> failed = false;
  std::exception_ptr exception;

  std::vector<TaskRange> ranges;  // one a thread
  alignas(64) std::atomic<int> region = 0;
  std::atomic<bool> stop = false;
  alignas(64) std::atomic<int> unfinished = 0;

  std::vector<AlignedBuffer<std::byte>> scratch;  // one a thread, touched only by that thread
  std::vector<std::jthread> threads;
};

ThreadPool::ThreadPool(size_t num_threads) {
  if (num_threads == 0) num_threads = DefaultThreads(DescribeCpus());
  num_threads = std::min(num_threads, kMaxThreads);
  impl_ = std::make_unique<Impl>(num_threads);
  num_threads_ = num_threads;
}

ThreadPool::~ThreadPool() = default;

std::span<std::byte> ThreadPool::Scratch(size_t thread, size_t bytes) {
  AlignedBuffer<std::byte>& buffer = impl_->scratch[thread];
  if (buffer.size() < bytes) {
    buffer = {};  // before the new one, so that both are never there
    buffer = AlignedBuffer<std::byte>(bytes);
  }
  return {buffer.data(), bytes};
}

void ThreadPool::Run(size_t num_tasks, const void* fn, Trampoline trampoline) {
  Impl& impl = *impl_;
  impl.fn = fn;
  impl.trampoline = trampoline;
  impl.num_tasks = num_tasks;
  impl.run_length = num_tasks / (TaskRange::kMaxTasks + 1) + 1;
  const size_t runs = (num_tasks + impl.run_length - 1) / impl.run_length;
  impl.unfinished.store(static_cast<int>(runs), std::memory_order_relaxed);
  const auto number = static_cast<uint64_t>(impl.region.load(std::memory_order_relaxed)) + 1;
  for (size_t t = 0; t < num_threads_; ++t) {
    impl.ranges[t].Set(number, runs * t / num_threads_, runs * (t + 1) / num_threads_);
  }
  impl.region.fetch_add(1, std::memory_order_release);
  impl.region.notify_all();
  impl.RunTasks(0);
  while (const int left = impl.unfinished.load(std::memory_order_acquire)) {
    WaitWhile(impl.unfinished, left);
  }
  if (impl.failed.exchange(false, std::memory_order_relaxed)) {
    std::rethrow_exception(std::exchange(impl.exception, nullptr));
  }
}

}  // namespace gemma3
