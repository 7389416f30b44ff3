// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A configuration survives being written: every field, whatever its value.
#include "src/weights/config_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "src/weights/config_fields.h"
#include "tests/support/model_writer.h"

namespace gemma3 {
namespace {

// Gives every field, and those of the structs in it, a value of its own.
struct Filler {
  int next = 1;

  template <class T>
  void operator()(T& value) {
    if constexpr (HasFields<T>) {
      ForEachField(value, [&](const char*, auto& field) { (*this)(field); });
    } else if constexpr (std::is_same_v<T, bool>) {
      value = !value;
    } else if constexpr (std::is_same_v<T, std::string>) {
      value = "text \"" + std::to_string(next++) + "\"\n";
    } else if constexpr (std::is_enum_v<T>) {
      value = NamesOf<T>::kList.back().first;
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(1) / static_cast<T>(next++ + 6);  // no short decimal
    } else if constexpr (std::is_integral_v<T>) {
      value = static_cast<T>(1000 + next++);
    } else {  // an optional or a vector
      Item(value);
    }
  }
  template <class T>
  void Item(std::optional<T>& value) {
    (*this)(value.emplace());
  }
  template <class T>
  void Item(std::vector<T>& values) {
    values.assign(3, T());
    for (T& value : values) (*this)(value);
  }
};

bool Same(const std::optional<EmbeddingConfig>& a, const std::optional<EmbeddingConfig>& b) {
  if (!a || !b) return !a && !b;
  const auto same_dense = [](const DenseConfig& x, const DenseConfig& y) {
    return x.inputs == y.inputs && x.outputs == y.outputs && x.bias == y.bias &&
           x.activation == y.activation;
  };
  return std::ranges::equal(a->dense, b->dense, same_dense) && a->normalize == b->normalize &&
         a->add_bos == b->add_bos && a->add_eos == b->add_eos && a->max_tokens == b->max_tokens &&
         a->prompts == b->prompts && a->default_prompt == b->default_prompt;
}

// Compares field by field and says which differ.
template <class T>
std::string Difference(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, std::optional<EmbeddingConfig>>) {
    return Same(a, b) ? "" : "differs";
  } else if constexpr (HasFields<T>) {
    std::string names;
    std::apply(
        [&](const auto&... field) {
          ((names += Difference(a.*(field.member), b.*(field.member)).empty()
                         ? ""
                         : std::string(field.name) + " "),
           ...);
        },
        FieldsOf<T>::kList);
    return names;
  } else {
    return a == b ? "" : "differs";
  }
}

template <class T>
std::string AllNames() {
  std::string names;
  const T object = {};
  ForEachField(object, [&](const char* name, const auto&) { names += std::string(name) + " "; });
  return names;
}

TEST(ConfigJson, EveryFieldIsReadBack) {
  ModelConfig written;
  Filler()(written);
  // Every one has another value than before, so that a reader that leaves one out is noticed.
  EXPECT_EQ(Difference(written, {}), AllNames<ModelConfig>());
  EXPECT_EQ(Difference(written.text, {}), AllNames<TextConfig>());
  EXPECT_EQ(Difference(written.vision, {}), AllNames<VisionConfig>());
  EXPECT_EQ(Difference(written.pan_and_scan, {}), AllNames<PanAndScanConfig>());
  EXPECT_EQ(Difference(written.tokens, {}), AllNames<SpecialTokens>());
  EXPECT_EQ(Difference(written.generation, {}), AllNames<GenerationDefaults>());
  EXPECT_EQ(Difference(written.chat_template, {}), AllNames<ChatTemplate>());
  const auto read = ParseConfigJson(ConfigJson(written), "here");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(Difference(*read, written), "");
}

TEST(ConfigJson, ConfigurationsOfModelsAreReadBack) {
  for (const ModelConfig& written : {testing::TinyTextConfig(), testing::TinyVisionConfig()}) {
    const auto read = ParseConfigJson(ConfigJson(written), "here");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(Difference(*read, written), "");
  }
}

TEST(ConfigJson, WhatIsMissingUnknownOrWrongIsNamed) {
  const std::string good = ConfigJson(testing::TinyVisionConfig());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  struct Case {
    std::string json, named;
  };
  const std::vector<Case> cases = {
      {"", "JSON"},
      {"[]", "object"},
      {with("\"head_dim\":16,", ""), "head_dim is missing"},
      {with("\"head_dim\":16", "\"head_dim\":16,\"new_field\":1"), "new_field"},
      {with("\"head_dim\":16", "\"head_dim\":-1"), "head_dim"},
      {with("\"head_dim\":16", "\"head_dim\":16.5"), "head_dim"},
      {with("\"head_dim\":16", "\"head_dim\":\"16\""), "head_dim"},
      {with("\"head_dim\":16", "\"head_dim\":null"), "head_dim"},
      {with("\"head_dim\":16", "\"head_dim\":16,\"head_dim\":16"), "head_dim"},
      {with("\"local\"", "\"ring\""), "layers[0]"},
      {with("\"eos\":1", "\"eos\":4294967296"), "eos"},
      {with("\"top_p\":", "\"top_p\":1e300,\"was\":"), "top_p"},
      {with("\"has_vision\":true", "\"has_vision\":1"), "has_vision"},
      {good.substr(0, good.size() / 2), "JSON"},
  };
  for (const Case& c : cases) {
    const auto read = ParseConfigJson(c.json, "here");
    ASSERT_FALSE(read) << c.named;
    EXPECT_EQ(read.error().code, ErrorCode::kBadModel) << c.named;
    EXPECT_NE(read.error().message.find("here"), std::string::npos) << read.error().message;
    EXPECT_NE(read.error().message.find(c.named), std::string::npos) << read.error().message;
  }
}

}  // namespace
}  // namespace gemma3
