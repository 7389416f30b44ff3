// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/threading/processors.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "src/base/number_list.h"

namespace gemma3 {
namespace {

std::string FirstLine(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

// Processors' worth of time that one cgroup grants, or 0 where it sets no limit.
double QuotaOf(const std::string& folder) {
  double quota = 0, period = 0;
  if (std::ifstream v2(folder + "/cpu.max"); v2) {
    std::string first;
    v2 >> first >> period;
    quota = std::atof(first.c_str());  // 0 for "max"
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

// The least of the quotas of a group and of those around it. In a container the path may be the
// host's, where nothing is found of it; its own group is then the root.
double QuotaAlong(const std::string& root, std::string path) {
  double least = 0;
  for (;;) {
    if (path == "/") path.clear();
    const double quota = QuotaOf(root + path);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
    if (path.empty()) return least;
    path.resize(path.rfind('/'));
  }
}

// A container or service that is limited to two processors on a machine of 64 would otherwise start
// 64 threads that throttle each other. Of cgroup v2, or of the controller "cpu" of v1.
double CgroupCpus(const std::string& root) {
  double least = QuotaAlong(root + "/sys/fs/cgroup", "");
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // id:controllers:/path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (!path.starts_with('/')) continue;
    const bool v2 = controllers.empty();
    if (!v2 && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    const double quota = QuotaAlong(root + "/sys/fs/cgroup" + (v2 ? "" : "/cpu"), path);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
  }
  return least;
}

// Those that the process may run on.
std::vector<size_t> AllowedCpus(const std::string& root, const std::vector<size_t>& online) {
#if defined(__linux__)
  cpu_set_t allowed;
  if (root.empty() && sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    std::vector<size_t> cpus;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
    }
    return cpus;
  }
#else
  (void)root;
#endif
  return online;
}

}  // namespace

CpuInfo DescribeCpus(const std::string& root) {
  const std::string folder = root + "/sys/devices/system/cpu";
  std::vector<size_t> online = ParseNumberList(FirstLine(folder + "/online"));
  if (online.empty()) {
    online.resize(std::max(1u, std::thread::hardware_concurrency()));
    for (size_t i = 0; i < online.size(); ++i) online[i] = i;
  }
  const std::vector<size_t> allowed = AllowedCpus(root, online);
  std::map<std::string, double> cores;  // speed by the list of hardware threads; 0: unknown
  for (const size_t cpu : allowed) {
    const std::string own = folder + "/cpu" + std::to_string(cpu);
    std::string siblings = FirstLine(own + "/topology/thread_siblings_list");
    if (siblings.empty()) siblings = std::to_string(cpu);
    double& speed = cores[siblings];
    speed = std::max(speed, std::atof(FirstLine(own + "/cpu_capacity").c_str()));
  }
  double fastest = 0;
  for (const auto& [siblings, speed] : cores) fastest = std::max(fastest, speed);
  CpuInfo info;
  info.online_cpus = std::max(online.size(), allowed.size());
  info.allowed_cpus = allowed.size();
  info.allowed_cores = cores.size();
  info.slow_cores = static_cast<size_t>(std::ranges::count_if(
      cores, [&](const auto& core) { return core.second > 0 && 2 * core.second < fastest; }));
  info.quota_cpus = CgroupCpus(root);
  return info;
}

size_t DefaultThreads(const CpuInfo& info) {
  size_t threads = info.allowed_cores - info.slow_cores;
  if (info.quota_cpus > 0) {
    threads = std::min(threads, static_cast<size_t>(std::ceil(info.quota_cpus)));
  }
  return std::max<size_t>(1, threads);
}

}  // namespace gemma3
