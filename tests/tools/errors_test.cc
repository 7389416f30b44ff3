// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/errors.h"

#include <gtest/gtest.h>

namespace gemma3::cli {
namespace {

TEST(ExitCode, IsWhatScriptsRelyOn) {
  EXPECT_EQ(ExitCodeFor(ErrorCode::kInvalidArgument, During::kWork), 2);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kBadModel, During::kLoad), 3);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kIo, During::kLoad), 3);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kUnsupported, During::kLoad), 3);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kIo, During::kWork), 1);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kUnsupported, During::kWork), 1);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kBadImage, During::kWork), 1);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kInternal, During::kWork), 1);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kContextTooLong, During::kWork), 4);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kOutOfMemory, During::kLoad), 5);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kOutOfMemory, During::kWork), 5);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kCancelled, During::kWork), 130);
}

}  // namespace
}  // namespace gemma3::cli
