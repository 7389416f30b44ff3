// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The processors that this process may use, and how many threads are right for them.
#pragma once

#include <cstddef>
#include <string>

namespace gemma3 {

struct CpuInfo {
  size_t online_cpus = 0;    // logical processors that are switched on
  size_t allowed_cpus = 0;   // of these, in this process's affinity mask
  size_t allowed_cores = 0;  // physical cores behind allowed_cpus
  // Of these, how many the system rates at less than half of the fastest: the small ones of a
  // phone, for example.
  size_t slow_cores = 0;
  double quota_cpus = 0;  // processor time that the cgroup grants; 0: no limit
};

// root: a folder that holds what is read of /proc and /sys, as a test may have one, which then says
// everything; "" for this machine.
CpuInfo DescribeCpus(const std::string& root = "");

// One for each core that is not slow, and no more than the quota runs at once. Two hardware threads
// of one core share its multiply-add units and its path to memory, so a second one gains nothing. A
// slow core gains little and costs much: every one of the hundreds of regions of a token would wait
// for its last task. (Cores of half the speed and more are used; tasks are stolen, so they get
// fewer.)
size_t DefaultThreads(const CpuInfo& info);

}  // namespace gemma3
