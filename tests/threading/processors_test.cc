// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Machines of all kinds, as the system describes them in files.
#include "src/threading/processors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "src/base/number_list.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

class ProcessorsTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = folder_.path() + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text << "\n";
  }
  void Cpu(size_t cpu, const std::string& siblings, const std::string& capacity = "") {
    const std::string own = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
    Write(own + "/topology/thread_siblings_list", siblings);
    if (!capacity.empty()) Write(own + "/cpu_capacity", capacity);
  }
  CpuInfo Describe() const { return DescribeCpus(folder_.path()); }

  testing::TempFolder folder_;
};

TEST(ProcessorsHere, AreWithinWhatTheProcessMayUse) {
  const CpuInfo info = DescribeCpus();
  EXPECT_GE(info.allowed_cpus, 1u);
  EXPECT_GE(info.online_cpus, info.allowed_cpus);
  EXPECT_GE(info.allowed_cores, 1u);
  EXPECT_LE(info.allowed_cores, info.allowed_cpus);
  EXPECT_LT(info.slow_cores, info.allowed_cores);
  EXPECT_GE(DefaultThreads(info), 1u);
  EXPECT_LE(DefaultThreads(info), info.allowed_cores);
}

TEST_F(ProcessorsTest, HardwareThreadsOfOneCoreCountOnce) {
  Write("/sys/devices/system/cpu/online", "0-15");
  for (size_t cpu = 0; cpu < 16; ++cpu) {
    const size_t core = cpu % 8;
    Cpu(cpu, std::to_string(core) + "," + std::to_string(core + 8));
  }
  const CpuInfo info = Describe();
  EXPECT_EQ(info.online_cpus, 16u);
  EXPECT_EQ(info.allowed_cores, 8u);
  EXPECT_EQ(info.slow_cores, 0u);
  EXPECT_EQ(info.quota_cpus, 0);
  EXPECT_EQ(DefaultThreads(info), 8u);
}

// Two fast cores, three of three quarters, three of a quarter, as phones have them.
TEST_F(ProcessorsTest, SlowCoresAreLeftOut) {
  Write("/sys/devices/system/cpu/online", "0-7");
  for (size_t cpu = 0; cpu < 8; ++cpu) {
    Cpu(cpu, std::to_string(cpu), cpu < 3 ? "256" : cpu < 6 ? "768" : "1024");
  }
  const CpuInfo info = Describe();
  EXPECT_EQ(info.allowed_cores, 8u);
  EXPECT_EQ(info.slow_cores, 3u);
  EXPECT_EQ(DefaultThreads(info), 5u);
}

// Six cores of two threads and eight of one with two thirds of the speed: all are used.
TEST_F(ProcessorsTest, EfficientCoresOfALaptopCount) {
  Write("/sys/devices/system/cpu/online", "0-19");
  for (size_t cpu = 0; cpu < 12; ++cpu) {
    Cpu(cpu, std::to_string(cpu / 2 * 2) + "-" + std::to_string(cpu / 2 * 2 + 1), "1024");
  }
  for (size_t cpu = 12; cpu < 20; ++cpu) Cpu(cpu, std::to_string(cpu), "680");
  EXPECT_EQ(DefaultThreads(Describe()), 14u);
}

TEST_F(ProcessorsTest, QuotasOfContainersAndServices) {
  Write("/sys/devices/system/cpu/online", "0-63");
  EXPECT_EQ(DefaultThreads(Describe()), 64u);
  // A container sees its own group as the root, whatever the host calls it.
  Write("/proc/self/cgroup", "0::/../../kubepods/pod1");
  Write("/sys/fs/cgroup/cpu.max", "250000 100000");
  EXPECT_EQ(Describe().quota_cpus, 2.5);
  EXPECT_EQ(DefaultThreads(Describe()), 3u);
  // A service on the host is somewhere below it, and the least of all groups around it counts.
  Write("/proc/self/cgroup", "0::/system.slice/gemma3.service");
  Write("/sys/fs/cgroup/cpu.max", "max 100000");
  Write("/sys/fs/cgroup/system.slice/cpu.max", "400000 100000");
  Write("/sys/fs/cgroup/system.slice/gemma3.service/cpu.max", "max 100000");
  EXPECT_EQ(Describe().quota_cpus, 4);
  Write("/sys/fs/cgroup/system.slice/gemma3.service/cpu.max", "50000 100000");
  EXPECT_EQ(DefaultThreads(Describe()), 1u);
}

TEST_F(ProcessorsTest, QuotasOfTheOldControllers) {
  Write("/sys/devices/system/cpu/online", "0-7");
  Write("/proc/self/cgroup", "5:cpuset:/\n4:cpu,cpuacct:/docker/1a\n0::/");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(Describe().quota_cpus, 0);
  Write("/sys/fs/cgroup/cpu/docker/1a/cpu.cfs_quota_us", "200000");
  Write("/sys/fs/cgroup/cpu/docker/1a/cpu.cfs_period_us", "100000");
  EXPECT_EQ(Describe().quota_cpus, 2);
}

TEST(NumberList, RangesAndSingleNumbers) {
  const auto numbers = [](const char* text) { return ParseNumberList(text); };
  EXPECT_EQ(numbers("0"), (std::vector<size_t>{0}));
  EXPECT_EQ(numbers("0-3,8,10-11\n"), (std::vector<size_t>{0, 1, 2, 3, 8, 10, 11}));
  for (const char* text : {"", "\n", "x", "1,", ",1", "3-1", "1-", "-1", "1 2", "0-99999999999",
                           "99999999999999999999", "1--2"}) {
    EXPECT_TRUE(numbers(text).empty()) << text;
  }
}

}  // namespace
}  // namespace gemma3
