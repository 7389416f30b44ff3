// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/file_map.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
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
