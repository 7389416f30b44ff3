// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/threading/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <latch>
#include <new>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

#include "hwy/aligned_allocator.h"
#include "hwy/contrib/thread_pool/thread_pool.h"

namespace gemma3 {
namespace {

// CPUs' worth of time that a cgroup v2 or v1 quota grants, or 0 where there is none. A container
// limited to two CPUs on a 64-core host would otherwise start 64 threads that throttle each other.
double CgroupCpus() {
  double quota = 0;
  double period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2) {
    std::string first;
    v2 >> first >> period;
    if (first == "max") return 0;
    quota = std::atof(first.c_str());
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

// Where a thread cannot be started, Highway's pool ends the process: it throws while it owns those
// that do run. So as many are tried here first; a limit on processes or memory shows then.
void CheckThreadsCanStart(size_t num_threads) {
  std::latch all_tried(1);
  std::vector<std::jthread> threads;
  threads.reserve(num_threads);
  try {
    while (threads.size() < num_threads) {
      threads.emplace_back([&all_tried] { all_tried.wait(); });
    }
  } catch (const std::system_error& e) {
    all_tried.count_down();
    throw std::system_error(e.code(), "cannot start " + std::to_string(num_threads) +
                                          " threads beside this one; use fewer");
  }
  all_tried.count_down();
}

// Keeps the first exception of a region's tasks. Thrown through Highway's pool, it would end the
// process on a worker, and on the caller's thread leave the workers with a region that is gone.
class FirstException {
 public:
  bool caught() const { return caught_.load(std::memory_order_relaxed); }

  // Call it while handling one.
  void Keep() {
    if (!caught_.exchange(true, std::memory_order_relaxed)) exception_ = std::current_exception();
  }

  // Call it when all threads have left the region: that orders their writes before this read.
  void Rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  std::atomic<bool> caught_ = false;
  std::exception_ptr exception_;
};

}  // namespace

CpuInfo DescribeCpus() {
  CpuInfo info;
  info.online_cpus = std::max(1u, std::thread::hardware_concurrency());
  info.allowed_cpus = info.allowed_cores = info.online_cpus;
  info.quota_cpus = CgroupCpus();
#if defined(__linux__)
  if (const long online = sysconf(_SC_NPROCESSORS_ONLN); online > 0) {
    info.online_cpus = static_cast<size_t>(online);
  }
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    info.allowed_cpus = 0;
    std::set<std::string> cores;  // each named by the list of its hardware threads
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      ++info.allowed_cpus;
      std::string siblings;
      std::ifstream("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                    "/topology/thread_siblings_list") >>
          siblings;
      cores.insert(siblings.empty() ? "cpu" + std::to_string(cpu) : siblings);
    }
    info.allowed_cores = cores.size();
  }
#endif
  return info;
}

// What every version of Highway's pool supports.
constexpr size_t kMaxThreads = 64;

struct ThreadPool::Impl {
  explicit Impl(size_t num_threads) : pool(num_threads - 1), scratch(pool.NumWorkers()) {}

  hwy::ThreadPool pool;
  struct Buffer {
    hwy::AlignedFreeUniquePtr<std::byte[]> data;
    size_t bytes = 0;
  };
  std::vector<Buffer> scratch;  // one a thread, touched only by that thread
};

// Two hardware threads of one core share its multiply-add units and its path to memory, so a second
// one gains nothing: cores count, not logical processors.
size_t ThreadPool::DefaultThreads() {
  const CpuInfo info = DescribeCpus();
  size_t threads = info.allowed_cores;
  if (info.quota_cpus > 0) {
    threads = std::min(threads, static_cast<size_t>(std::ceil(info.quota_cpus)));
  }
  return std::max<size_t>(1, threads);
}

ThreadPool::ThreadPool(size_t num_threads) {
  if (num_threads == 0) num_threads = DefaultThreads();
  num_threads = std::min(num_threads, kMaxThreads);
  CheckThreadsCanStart(num_threads - 1);
  impl_ = std::make_unique<Impl>(num_threads);
  num_threads_ = impl_->pool.NumWorkers();
}

ThreadPool::~ThreadPool() = default;

std::span<std::byte> ThreadPool::Scratch(size_t thread, size_t bytes) {
  Impl::Buffer& buffer = impl_->scratch[thread];
  if (buffer.bytes < bytes) {
    buffer.data.reset();
    buffer.data = hwy::AllocateAligned<std::byte>(bytes);
    buffer.bytes = buffer.data ? bytes : 0;
    if (!buffer.data) throw std::bad_alloc();  // becomes an error where the API ends
  }
  return {buffer.data.get(), bytes};
}

void ThreadPool::Run(size_t num_tasks, const void* fn, Trampoline trampoline) {
  FirstException failure;
  impl_->pool.Run(0, num_tasks, [fn, trampoline, &failure](uint64_t task, size_t thread) {
    if (failure.caught()) return;
    try {
      trampoline(fn, static_cast<size_t>(task), thread);
    } catch (...) {
      failure.Keep();
    }
  });
  failure.Rethrow();
}

}  // namespace gemma3
