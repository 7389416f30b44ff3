// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The folder of packed models: what is found there again, what is made anew, what goes first.
#include "src/engine/packed_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/engine/loaded_model.h"
#include "tests/support/demo_model.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/text/tokenizers.h"

namespace gemma3::testing {
namespace {

namespace fs = std::filesystem;

class PackedCache : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteHfFolder(folder_.path() + "/model", TinyTextConfig()));
    folder_.Write("model/tokenizer.model", TestModel::Small().Serialize());
  }
  Model Load(const std::string& cache) {
    auto model = Model::Load(folder_.path() + "/model",
                             {.weights = WeightFormat::kInt8, .cache_folder = cache});
    EXPECT_TRUE(model) << model.error().message;
    return *std::move(model);
  }
  std::string Answer(const Model& model) {
    auto session = Session::Create(model, {.threads = 1});
    return session->Send(Message::User("abc"), Greedy(8))->text;
  }
  std::vector<std::string> Files() {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(cache_)) files.push_back(entry.path());
    return files;
  }

  const TempFolder folder_;
  const std::string cache_ = folder_.path() + "/cache/of/packed";
};

TEST_F(PackedCache, IsMadeOnceAndMappedFromThenOn) {
  const std::string plain = Answer(Load(""));
  const Model first = Load(cache_);
  ASSERT_EQ(Files().size(), 1u);
  const auto written = fs::last_write_time(Files()[0]);
  EXPECT_EQ(Answer(first), plain);
  const Model second = Load(cache_);
  EXPECT_EQ(second.impl().weights.owned_bytes, 0u);
  EXPECT_EQ(Answer(second), plain);
  // Sessions of the first, which has the same file mapped, do not mistake use for change.
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(fs::last_write_time(Files()[0]), written);
  EXPECT_EQ(Answer(first), plain);
}

TEST_F(PackedCache, DamagedFilesAreMadeAnew) {
  const std::string plain = Answer(Load(cache_));
  const std::string file = Files().at(0);
  const auto size = fs::file_size(file);
  for (const size_t cut : {size_t{0}, size_t{100}, static_cast<size_t>(size) - 1}) {
    fs::resize_file(file, cut);
    EXPECT_EQ(Answer(Load(cache_)), plain);
    EXPECT_EQ(fs::file_size(file), size);
  }
}

TEST_F(PackedCache, AFolderThatCannotBeWrittenIsANote) {
  const std::string plain = Answer(Load(""));
  const Model model = Load(folder_.Write("file", "") + "/cache");
  EXPECT_EQ(Answer(model), plain);
  ASSERT_EQ(model.notes().size(), 1u);
  EXPECT_NE(model.notes()[0].find("not kept: cannot write"), std::string::npos);
}

TEST_F(PackedCache, WhatWasUsedLongestAgoGoesFirst) {
  const auto write = [&](const char* name, time_t used) {
    const std::string path = folder_.Write(std::string("cache/") + name, std::string(100, 'x'));
    const timespec times[2] = {{used, 0}, {0, UTIME_OMIT}};
    EXPECT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    return path;
  };
  const std::string old = write("old.gemma3", 1000);
  const std::string used = write("used.gemma3", 500);
  const std::string keep = write("keep.gemma3", 100);
  const std::string other = write("other.txt", 1);
  const auto modified = fs::last_write_time(used);
  MarkUsed(used);
  EXPECT_EQ(fs::last_write_time(used), modified);
  const std::string folder = folder_.path() + "/cache";
  TrimPackedCache(folder, 300, keep);
  EXPECT_TRUE(fs::exists(old));
  TrimPackedCache(folder, 299, keep);
  EXPECT_FALSE(fs::exists(old));
  TrimPackedCache(folder, 0, keep);
  EXPECT_FALSE(fs::exists(used));
  EXPECT_TRUE(fs::exists(keep));
  EXPECT_TRUE(fs::exists(other));
}

}  // namespace
}  // namespace gemma3::testing
