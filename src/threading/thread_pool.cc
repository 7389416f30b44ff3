// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/threading/thread_pool.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <new>
#include <set>
#include <string>
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
  impl_ = std::make_unique<Impl>(std::min(num_threads, kMaxThreads));
  num_threads_ = impl_->pool.NumWorkers();
}

ThreadPool::~ThreadPool() = default;

std::span<std::byte> ThreadPool::Scratch(size_t thread, size_t bytes) {
  Impl::Buffer& buffer = impl_->scratch[thread];
  if (buffer.bytes < bytes) {
    buffer.data.reset();
    buffer.data = hwy::AllocateAligned<std::byte>(bytes);
    buffer.bytes = buffer.data ? bytes : 0;
    if (!buffer.data) throw std::bad_alloc();  // caught at the API border
  }
  return {buffer.data.get(), bytes};
}

void ThreadPool::Run(size_t num_tasks, const void* fn, Trampoline trampoline) {
  impl_->pool.Run(0, num_tasks, [fn, trampoline](uint64_t task, size_t thread) {
    trampoline(fn, static_cast<size_t>(task), thread);
  });
}

}  // namespace gemma3
