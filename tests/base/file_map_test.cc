// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/file_map.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

TEST(FileMap, MapsEveryByteOfAnySize) {
  const testing::TempFolder folder;
  for (const size_t size : {0u, 1u, 4095u, 4096u, 4097u, 100000u}) {
    std::string content(size, '\0');
    for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 7);
    const std::string path = folder.Write("file", content);
    const auto map = FileMap::Open(path);
    ASSERT_TRUE(map);
    ASSERT_EQ((*map)->bytes().size(), size);
    EXPECT_EQ((*map)->path(), path);
    EXPECT_TRUE(std::equal(content.begin(), content.end(),
                           reinterpret_cast<const char*>((*map)->bytes().data())));
    EXPECT_EQ(ReadFile(path, size), content);
  }
}

TEST(FileMap, PartsKeepTheWholeAndAreToldApart) {
  const testing::TempFolder folder;
  const std::string path = folder.Write("file", "0123456789");
  auto whole = FileMap::Open(path);
  ASSERT_TRUE(whole);
  const FileIdentity identity = (*whole)->identity();
  const auto one = FileMap::Part(*whole, 2, 3, path + "@one");
  const auto two = FileMap::Part(*whole, 5, 3, path + "@two");
  whole->reset();
  EXPECT_EQ(static_cast<char>(one->bytes()[0]), '2');
  EXPECT_EQ(two->bytes().size(), 3u);
  EXPECT_EQ(one->path(), path);
  EXPECT_EQ(one->name(), path + "@one");
  EXPECT_TRUE(one->CheckUnchanged());
  EXPECT_NE(one->identity(), two->identity());
  EXPECT_NE(one->identity(), identity);
  const auto now = one->CurrentIdentity();
  ASSERT_TRUE(now);
  EXPECT_EQ(*now, one->identity());
  folder.Write("file", "0");
  EXPECT_FALSE(two->CheckUnchanged());
}

TEST(FileMap, WhatIsNoFileIsAnErrorWithItsPath) {
  const testing::TempFolder folder;
  const std::string pipe = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {folder.path(), folder.path() + "/missing", pipe}) {
    const auto map = FileMap::Open(path);
    ASSERT_FALSE(map) << path;
    EXPECT_EQ(map.error().code, ErrorCode::kIo);
    EXPECT_NE(map.error().message.find(path), std::string::npos);
    EXPECT_FALSE(ReadFile(path, 10));
  }
}

// Each of them would give other bytes, or end the process where one that is gone is touched.
TEST(FileMap, WhatHappensToTheFileItselfIsNoticed) {
  const testing::TempFolder folder;
  const std::string content(10000, 'a');
  const std::string path = folder.Write("file", content);
  const auto map = FileMap::Open(path);
  ASSERT_TRUE(map);
  const auto written = std::filesystem::last_write_time(path);
  const auto expect_noticed = [&](const std::string& sizes) {
    const Status status = (*map)->CheckUnchanged();
    ASSERT_FALSE(status) << sizes;
    EXPECT_EQ(status.error().code, ErrorCode::kBadModel);
    for (const std::string& part : {path, sizes}) {
      EXPECT_NE(status.error().message.find(part), std::string::npos) << status.error().message;
    }
  };
  EXPECT_TRUE((*map)->CheckUnchanged());
  std::filesystem::resize_file(path, 5000);
  expect_noticed("10000 bytes then, 5000 now");
  std::filesystem::resize_file(path, 0);
  expect_noticed("0 now");
  std::ofstream(path) << content << "more";
  expect_noticed("10004 now");
  std::ofstream(path) << std::string(10000, 'b');
  std::filesystem::last_write_time(path, written + std::chrono::seconds(1));
  expect_noticed("10000 bytes as before");
  std::ofstream(path) << content;
  std::filesystem::last_write_time(path, written);
  EXPECT_TRUE((*map)->CheckUnchanged());
}

TEST(FileMap, WhatHappensToItsNameDoesNotMatter) {
  const testing::TempFolder folder;
  const std::string path = folder.Write("file", "old");
  const auto map = FileMap::Open(path);
  ASSERT_TRUE(map);
  std::filesystem::rename(folder.Write("other", "something new"), path);
  EXPECT_TRUE((*map)->CheckUnchanged());
  std::filesystem::remove(path);
  EXPECT_TRUE((*map)->CheckUnchanged());
  EXPECT_EQ((*map)->bytes()[0], std::byte{'o'});
}

TEST(FileMap, AnEmptyFileThatGrowsIsNoticed) {
  const testing::TempFolder folder;
  const std::string path = folder.Write("file", "");
  const auto map = FileMap::Open(path);
  ASSERT_TRUE(map);
  EXPECT_TRUE((*map)->CheckUnchanged());
  folder.Write("file", "a");
  EXPECT_FALSE((*map)->CheckUnchanged());
}

TEST(ReadFile, RefusesMoreThanItsLimit) {
  const testing::TempFolder folder;
  const std::string path = folder.Write("file", "12345");
  EXPECT_EQ(ReadFile(path, 5), "12345");
  const auto text = ReadFile(path, 4);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kBadModel);
}

}  // namespace
}  // namespace gemma3
