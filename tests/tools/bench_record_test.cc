// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/bench_record.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/temp_folder.h"

namespace gemma3::cli {
namespace {

class BenchRecordTest : public ::testing::Test {
 protected:
  Result<BenchRecord> Read(const std::string& text) {
    const std::string path = folder_.path() + "/run.json";
    std::ofstream(path) << text;
    return BenchRecord::Read(path);
  }

  testing::TempFolder folder_;
};

TEST_F(BenchRecordTest, HoldsWhatWasMeasured) {
  const auto record = Read(
      R"({"model": "gemma-3-1b", "simd": "AVX2", "threads": 2, "load_seconds": 1.5,
          "prefill": [{"tokens": 512, "seconds": 1, "tokens_per_second": 500.5}],
          "decode": [{"depth": 0, "tokens_per_second": 40}, {"depth": 64, "tokens_per_second": 30}],
          "image": {"seconds": 4.0}})");
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->model(), "gemma-3-1b");
  EXPECT_EQ(record->simd(), "AVX2");
  EXPECT_EQ(record->threads(), "2");
  EXPECT_EQ(record->Prefill(512), 500.5);
  EXPECT_EQ(record->Prefill(513), std::nullopt);
  EXPECT_EQ(record->Decode(0), 40);
  EXPECT_EQ(record->Decode(64), 30);
  EXPECT_EQ(record->Pictures(), 0.25);
}

TEST_F(BenchRecordTest, OtherFilesAreRefused) {
  for (const char* text : {"", "[]", "{}", "{\"prefill\": 5}", "{\"prefill\": [5]}",
                           "{\"prefill\": [{\"tokens\": 5}]}",
                           "{\"prefill\": [{\"tokens\": -5, \"tokens_per_second\": 1}]}",
                           "{\"decode\": [{\"depth\": 0, \"tokens_per_second\": 0}]}",
                           "{\"image\": {\"seconds\": 0}}"}) {
    const auto record = Read(text);
    ASSERT_FALSE(record) << text;
    EXPECT_EQ(record.error().code, ErrorCode::kInvalidArgument) << text;
  }
  const auto none = BenchRecord::Read(folder_.path() + "/none.json");
  ASSERT_FALSE(none);
}

}  // namespace
}  // namespace gemma3::cli
