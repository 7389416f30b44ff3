// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/file_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>

#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

TEST(FileReader, GivesThePiecesThatAreAskedFor) {
  const testing::TempFolder folder;
  const auto reader = FileReader::Open(folder.Write("file", "0123456789"));
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(reader->size(), 10u);
  std::array<char, 4> piece = {};
  const auto bytes = std::as_writable_bytes(std::span(piece));
  ASSERT_TRUE(reader->ReadAt(3, bytes));
  EXPECT_EQ(std::memcmp(piece.data(), "3456", 4), 0);
  ASSERT_TRUE(reader->ReadAt(6, bytes));
  EXPECT_EQ(std::memcmp(piece.data(), "6789", 4), 0);
  EXPECT_TRUE(reader->ReadAt(10, {}));
}

TEST(FileReader, AFileThatIsCutOffMeanwhileIsAnError) {
  const testing::TempFolder folder;
  const std::string path = folder.Write("file", std::string(100000, 'x'));
  const auto reader = FileReader::Open(path);
  ASSERT_TRUE(reader);
  ASSERT_EQ(::truncate(path.c_str(), 50000), 0);
  std::string text(100000, '\0');
  const Status read = reader->ReadAt(0, std::as_writable_bytes(std::span(text)));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kIo);
  EXPECT_EQ(read.error().message,
            path +
                " ends at byte 50000, where 50000 more are needed: it was cut off, maybe while "
                "it was read");
}

TEST(FileReader, WhatIsNoFileIsRefused) {
  const testing::TempFolder folder;
  EXPECT_EQ(FileReader::Open(folder.path()).error().message,
            folder.path() + " is a folder; a regular file is needed here");
  EXPECT_EQ(FileReader::Open("/dev/null").error().message,
            "/dev/null is not a file; a regular file is needed here");
  const std::string missing = folder.path() + "/missing";
  EXPECT_EQ(FileReader::Open(missing).error().message,
            "cannot open " + missing + ": No such file or directory");
}

}  // namespace
}  // namespace gemma3
