// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Settings of config.json over one model's weights, as transformers computes them in float32
// (tests/data/variants; make_variants.py there).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "gemma3/experimental/evaluator.h"
#include "tests/support/reference.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

constexpr double kParity = 2e-4;  // as in reference_test.cc

std::string Data(const std::string& path) {
  return std::string(GEMMA3_SOURCE_DIR) + "/tests/data/" + path;
}

nlohmann::json Read(const std::string& path) {
  std::ifstream in(path);
  return nlohmann::json::parse(in);
}

// The last rows of the logits of text-odd with this configuration.
std::vector<float> Logits(const nlohmann::json& config, const std::vector<TokenId>& ids,
                          ReferenceRounding rounding, size_t count) {
  const TempFolder folder;
  folder.Write("config.json", config.dump());
  std::filesystem::create_symlink(Data("reference/text-odd/model.safetensors"),
                                  folder.path() + "/model.safetensors");
  const auto model = Model::Load(folder.path());
  EXPECT_TRUE(model) << (model ? "" : model.error().message);
  if (!model) return {};
  auto evaluator = Evaluator::Create(
      *model, {.threads = 2, .compute = ComputeMode::kExact, .reference = rounding});
  EXPECT_TRUE(evaluator);
  const auto logits = evaluator->Logits({ids, {}});
  EXPECT_TRUE(logits);
  return {logits->end() - static_cast<ptrdiff_t>(count), logits->end()};
}

class VariantsTest : public ::testing::Test {
 protected:
  VariantsTest() {
    for (const int64_t id : file_.Values<int64_t>("input_ids")) {
      ids_.push_back(static_cast<TokenId>(id));
    }
  }
  std::vector<float> Expected(const std::string& name) const { return file_.Values<float>(name); }
  double Distance(const nlohmann::json& config, const std::string& name,
                  ReferenceRounding rounding = ReferenceRounding::kF32) const {
    const auto expected = Expected(name);
    return RelativeDistance(Logits(config, ids_, rounding, expected.size()), expected);
  }

  const ReferenceFile file_{Data("variants/variants.safetensors")};
  const nlohmann::json variants_ = Read(Data("variants/variants.json"));
  const nlohmann::json base_ = Read(Data("reference/text-odd/config.json"));
  std::vector<TokenId> ids_;
};

TEST_F(VariantsTest, EachSettingIsComputedAsTransformersDoes) {
  ASSERT_GE(variants_.size(), 10u);
  for (const auto& [name, members] : variants_.items()) {
    nlohmann::json config = base_;
    config.update(members);
    EXPECT_LT(Distance(config, name), kParity) << name;
    // The fixture tells the setting from none.
    if (!members.empty() && name != "gelu_new" && name != "gelu_fast") {
      EXPECT_GT(RelativeDistance(Expected(name), Expected("plain")), 100 * kParity) << name;
    }
  }
}

// The same settings in the spellings that older files have.
TEST_F(VariantsTest, OlderSpellingsMeanTheSame) {
  nlohmann::json old = base_;
  for (const char* key : {"rope_parameters", "layer_types", "_sliding_window_pattern"}) {
    old.erase(key);
  }
  EXPECT_LT(Distance(old, "plain"), kParity);
  nlohmann::json factor = old;
  for (const char* key : {"type", "rope_type"}) {
    factor["rope_scaling"] = {{key, "linear"}, {"factor", 4}};
    EXPECT_LT(Distance(factor, "factor_4"), kParity) << key;
  }
  nlohmann::json theta = old;
  theta["rope_theta"] = 500000;
  theta["rope_local_base_freq"] = 5000;
  EXPECT_LT(Distance(theta, "theta"), kParity);
  nlohmann::json period = old;
  period["sliding_window_pattern"] = 3;
  EXPECT_LT(Distance(period, "period_3"), kParity);
  period["sliding_window_pattern"] = 1;
  EXPECT_LT(Distance(period, "all_global"), kParity);
  // The text part of a nested file.
  nlohmann::json nested = {{"model_type", "gemma3"}, {"text_config", factor}};
  nested["text_config"].erase("architectures");
  EXPECT_LT(Distance(nested, "factor_4"), kParity);
}

// sqrt(90) is no short number: what is rounded shows.
TEST_F(VariantsTest, RoundingIsThatOfTheReference) {
  EXPECT_LT(Distance(base_, "plain", ReferenceRounding::kF32), kParity);
  EXPECT_GT(Distance(base_, "plain", ReferenceRounding::kPublished), 5 * kParity);
  EXPECT_GT(Distance(base_, "plain", ReferenceRounding::kBF16), 5 * kParity);
}

}  // namespace
}  // namespace gemma3::testing
