// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/file_writer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "src/base/file_map.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

size_t FilesIn(const testing::TempFolder& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

TEST(FileWriter, TheFileAppearsWhole) {
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/file";
  auto writer = FileWriter::Create(path);
  ASSERT_TRUE(writer) << writer.error().message;
  EXPECT_TRUE(writer->Append(Bytes("one ")));
  EXPECT_TRUE(writer->Append({}));
  EXPECT_TRUE(writer->Append(Bytes("two")));
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(writer->Commit());
  EXPECT_EQ(ReadFile(path, 100), "one two");
  EXPECT_EQ(FilesIn(folder), 1u);
  // Others may read it, as with any file that a program writes.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  struct stat info = {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0666 & ~mask);
}

TEST(FileWriter, APrivateFileIsItsOwnersAlone) {
  const testing::TempFolder folder;
  const std::string path = folder.Write("file", "for all");
  auto writer = FileWriter::Create(path, FileAccess::kPrivate);
  ASSERT_TRUE(writer && writer->Append(Bytes("mine")) && writer->Commit());
  struct stat info = {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(FileWriter, TheFileThatWasThereStaysForWhoHasItMapped) {
  const testing::TempFolder folder;
  const std::string path = folder.Write("file", "old");
  const auto map = FileMap::Open(path);
  ASSERT_TRUE(map);
  auto writer = FileWriter::Create(path);
  ASSERT_TRUE(writer && writer->Append(Bytes("new")) && writer->Commit());
  EXPECT_EQ(ReadFile(path, 100), "new");
  EXPECT_TRUE((*map)->CheckUnchanged());
  EXPECT_EQ((*map)->bytes()[0], std::byte{'o'});
}

TEST(FileWriter, WithoutCommitNothingRemains) {
  const testing::TempFolder folder;
  const std::string path = folder.Write("file", "old");
  {
    auto writer = FileWriter::Create(path);
    ASSERT_TRUE(writer && writer->Append(Bytes("new")));
    FileWriter moved = *std::move(writer);
    EXPECT_TRUE(moved.Append(Bytes("er")));
  }
  EXPECT_EQ(ReadFile(path, 100), "old");
  EXPECT_EQ(FilesIn(folder), 1u);
}

TEST(FileWriter, SeveralMayWriteOneFile) {
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/file";
  auto first = FileWriter::Create(path);
  auto second = FileWriter::Create(path);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->Append(Bytes("first")));
  EXPECT_TRUE(second->Append(Bytes("second")));
  EXPECT_TRUE(first->Commit());
  EXPECT_EQ(ReadFile(path, 100), "first");
  EXPECT_TRUE(second->Commit());
  EXPECT_EQ(ReadFile(path, 100), "second");
  EXPECT_EQ(FilesIn(folder), 1u);
}

TEST(FileWriter, ErrorsSayWhere) {
  const testing::TempFolder folder;
  const std::string missing = folder.path() + "/missing/file";
  const auto writer = FileWriter::Create(missing);
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::kIo);
  EXPECT_EQ(writer.error().message, "cannot write " + missing + ": No such file or directory");

  std::filesystem::create_directory(folder.path() + "/folder");
  {
    auto over = FileWriter::Create(folder.path() + "/folder");
    ASSERT_TRUE(over && over->Append(Bytes("x")));
    EXPECT_FALSE(over->Commit());
  }
  EXPECT_EQ(FilesIn(folder), 1u);
}

// A limit on the size of files is as a full disk. In a process of its own, which it holds for.
TEST(FileWriter, AFullDiskLeavesNothing) {
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/file";
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    bool refused = false;
    {
      auto writer = FileWriter::Create(path);
      const Status written = writer->Append(Bytes(std::string(2000, 'x')));
      refused = !written && written.error().message.starts_with("cannot write " + path);
    }
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(FilesIn(folder), 0u);
}

TEST(FileWriter, AProcessThatEndsLeavesNothing) {
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/file";
  {
    auto writer = FileWriter::Create(path);
    ASSERT_TRUE(writer);
    if (FilesIn(folder) != 0) GTEST_SKIP() << "this file system has no files without a name";
  }
  const pid_t child = ::fork();
  if (child == 0) {
    auto writer = FileWriter::Create(path);
    if (writer && writer->Append(Bytes("half"))) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(FilesIn(folder), 0u);
}

}  // namespace
}  // namespace gemma3
