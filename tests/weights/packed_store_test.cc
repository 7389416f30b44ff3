// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The folder of packed matrices: what goes first, and what crashed processes have left. What it
// gives back to models is tested with loading, in tests/engine/load_test.cc.
#include "src/weights/packed_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <string>

#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

void SetTimes(const std::string& path, time_t used, time_t modified) {
  const timespec times[2] = {{used, 0}, {modified, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

TEST(TrimPackedStore, WhatWasUsedLongestAgoGoesFirst) {
  const testing::TempFolder folder;
  const auto write = [&](const char* name, time_t used) {
    const std::string path = folder.Write(name, std::string(100, 'x'));
    SetTimes(path, used, 2000);
    return path;
  };
  const std::string first = write("first.gemma3", 500);
  const std::string second = write("second.gemma3", 1000);
  const std::string keep = write("keep.gemma3", 100);
  const std::string other = write("other.txt", 1);
  TrimPackedStore(folder.path(), 300, keep);
  EXPECT_TRUE(fs::exists(first));
  TrimPackedStore(folder.path(), 299, keep);
  EXPECT_FALSE(fs::exists(first));
  EXPECT_TRUE(fs::exists(second));
  TrimPackedStore(folder.path(), 0, keep);
  EXPECT_FALSE(fs::exists(second));
  EXPECT_TRUE(fs::exists(keep));
  EXPECT_TRUE(fs::exists(other));
}

TEST(TrimPackedStore, WhatCrashedProcessesLeftGoes) {
  const testing::TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);  // its number stands for no process now
  const auto write = [&](const std::string& name) { return folder.Write(name, "x"); };
  const auto partial = [&](pid_t process) {
    return write("a.gemma3.partial" + std::to_string(process) + "-0");
  };
  const std::string gone = partial(child), mine = partial(::getpid()), others = partial(1);
  const std::string model = write("a.gemma3");
  const std::string foreign = write("b.txt.partial" + std::to_string(child) + "-0");
  const std::string unlike = write("a.gemma3.partial" + std::to_string(child));
  TrimPackedStore(folder.path(), 1000, model);
  EXPECT_FALSE(fs::exists(gone));
  for (const std::string& path : {mine, others, model, foreign, unlike}) {
    EXPECT_TRUE(fs::exists(path)) << path;
  }
  // A number that another process has by now.
  const time_t now = std::time(nullptr);
  SetTimes(others, now, now - 2 * 24 * 60 * 60);
  TrimPackedStore(folder.path(), 1000, model);
  EXPECT_FALSE(fs::exists(others));
  EXPECT_TRUE(fs::exists(mine));
}

TEST(TrimPackedStore, AFolderThatIsNotThereIsNoMatter) {
  const testing::TempFolder folder;
  TrimPackedStore(folder.path() + "/none", 0, "");
  EXPECT_FALSE(fs::exists(folder.path() + "/none"));
}

}  // namespace
}  // namespace gemma3
