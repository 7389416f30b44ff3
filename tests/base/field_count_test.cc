// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/field_count.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemma3 {
namespace {

struct None {};
struct Inner {
  int a = 0, b = 1;
};
struct Many {
  bool flag = false;
  float number = 1;
  std::string text = "x";
  std::vector<int> list = {1, 2};
  std::optional<float> maybe = {};
  Inner inner;
  std::map<std::string, int> map;
  std::shared_ptr<int> pointer;
  std::optional<std::string> last;
};

TEST(FieldCount, CountsFieldsOfAllKinds) {
  EXPECT_EQ(kFieldCount<None>, 0u);
  EXPECT_EQ(kFieldCount<Inner>, 2u);
  EXPECT_EQ(kFieldCount<Many>, 9u);
}

}  // namespace
}  // namespace gemma3
