// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/history.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_folder.h"

namespace gemma3::cli {
namespace {

class HistoryTest : public ::testing::Test {
 protected:
  const testing::TempFolder temp_;
  const std::string folder_ = temp_.path() + "/history";
  const std::string path_ = folder_ + "/deep/history";
};

TEST_F(HistoryTest, LinesComeBackInOrder) {
  History first(path_);
  EXPECT_TRUE(first.lines().empty());
  EXPECT_TRUE(first.Add("one"));
  EXPECT_TRUE(first.Add("\ud55c\uad6d\uc5b4 two"));
  EXPECT_EQ(History(path_).lines(), (std::vector<std::string>{"one", "\ud55c\uad6d\uc5b4 two"}));
}

TEST_F(HistoryTest, OnlyTheOwnerCanReadTheFile) {
  std::filesystem::create_directories(folder_ + "/deep");
  std::ofstream(path_) << "old\n";
  ::chmod(path_.c_str(), 0644);
  History(path_).Add("secret");
  struct stat info;
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(HistoryTest, LeavesOutRepeatsEmptyLinesAndLineFeeds) {
  History history(path_);
  EXPECT_TRUE(history.Add("a"));
  EXPECT_FALSE(history.Add("a"));
  EXPECT_FALSE(history.Add(""));
  EXPECT_FALSE(history.Add("x\ny"));
  EXPECT_TRUE(history.Add("b"));
  EXPECT_TRUE(history.Add("a"));
  EXPECT_EQ(History(path_).lines(), (std::vector<std::string>{"a", "b", "a"}));
}

TEST_F(HistoryTest, TwoChatsShareAFile) {
  History first(path_), second(path_);
  first.Add("1");
  second.Add("2");
  first.Add("3");
  EXPECT_EQ(History(path_).lines(), (std::vector<std::string>{"1", "2", "3"}));
}

TEST_F(HistoryTest, KeepsTheLatestLinesAndShortensTheFile) {
  std::filesystem::create_directories(folder_ + "/deep");
  {
    std::ofstream file(path_);
    for (size_t i = 0; i < 5 * History::kMaxLines; ++i) file << i << "\n";
  }
  for (int round = 0; round < 2; ++round) {  // as it was, then as it was shortened
    const History history(path_);
    ASSERT_EQ(history.lines().size(), History::kMaxLines);
    EXPECT_EQ(history.lines().back(), std::to_string(5 * History::kMaxLines - 1));
    EXPECT_EQ(history.lines().front(), std::to_string(4 * History::kMaxLines));
  }
  EXPECT_LT(std::filesystem::file_size(path_), 5 * History::kMaxLines * 4);
}

TEST_F(HistoryTest, WithoutAPathNothingIsWritten) {
  History history("");
  EXPECT_TRUE(history.Add("a"));
  EXPECT_EQ(history.lines().size(), 1u);
}

TEST_F(HistoryTest, AFileThatCannotBeWrittenIsNoError) {
  History history("/proc/no/such/place");
  EXPECT_TRUE(history.Add("a"));
}

}  // namespace
}  // namespace gemma3::cli
