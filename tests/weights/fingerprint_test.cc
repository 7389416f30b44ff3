// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A fingerprint stays while its files do, and whatever may have changed their content changes it.
#include "src/weights/fingerprint.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "src/base/file_map.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

class FingerprintTest : public ::testing::Test {
 protected:
  static Checkpoint Open(const std::vector<std::string>& paths) {
    Checkpoint checkpoint;
    for (const std::string& path : paths) {
      auto file = FileMap::Open(path);
      EXPECT_TRUE(file) << file.error().message;
      checkpoint.files.push_back(*std::move(file));
    }
    return checkpoint;
  }
  static std::string Of(const std::vector<std::string>& paths) {
    const auto fingerprint = FingerprintOf(Open(paths));
    EXPECT_TRUE(fingerprint) << fingerprint.error().message;
    return *fingerprint;
  }
  static void SetModified(const std::string& path, const timespec& modified) {
    const timespec times[2] = {{0, UTIME_OMIT}, modified};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  const testing::TempFolder folder_;
  const std::string one_ = folder_.Write("one", "some weights"),
                    two_ = folder_.Write("two", "some weights");
};

TEST_F(FingerprintTest, FilesHaveOneOfTheirOwn) {
  EXPECT_EQ(Of({one_}), Of({one_}));
  EXPECT_NE(Of({one_}), Of({two_}));  // the same content
  EXPECT_NE(Of({one_, two_}), Of({two_, one_}));
  EXPECT_NE(Of({one_, two_}), Of({one_}));
  fs::create_symlink(one_, folder_.path() + "/link");
  EXPECT_EQ(Of({folder_.path() + "/link"}), Of({one_}));
  fs::create_hard_link(one_, folder_.path() + "/hard");
  EXPECT_EQ(Of({folder_.path() + "/hard"}), Of({one_}));
}

// Each edit comes right behind the fingerprint, and sets the time back.
TEST_F(FingerprintTest, EveryEditInPlaceShows) {
  std::string before = Of({one_});
  for (int i = 0; i < 20; ++i) {
    struct stat info = {};
    ASSERT_EQ(::stat(one_.c_str(), &info), 0);
    { std::ofstream(one_, std::ios::in | std::ios::out) << static_cast<char>('a' + i); }
    SetModified(one_, info.st_mtim);
    const std::string after = Of({one_});
    EXPECT_NE(after, before) << i;
    before = after;
  }
}

TEST_F(FingerprintTest, AReplacedFileIsAnother) {
  const std::string before = Of({one_});
  struct stat info = {};
  ASSERT_EQ(::stat(one_.c_str(), &info), 0);
  SetModified(two_, info.st_mtim);
  fs::rename(two_, one_);
  EXPECT_NE(Of({one_}), before);
}

TEST_F(FingerprintTest, AChangeSinceOpeningIsAnError) {
  const Checkpoint checkpoint = Open({one_});
  ASSERT_TRUE(FingerprintOf(checkpoint));
  { std::ofstream(one_, std::ios::in | std::ios::out) << "S"; }
  const auto changed = FingerprintOf(checkpoint);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kBadModel);
  EXPECT_NE(changed.error().message.find(one_), std::string::npos);
}

}  // namespace
}  // namespace gemma3
