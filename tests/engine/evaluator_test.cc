// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What an evaluator takes, refuses and computes. On the demo model.
#include "gemma3/experimental/evaluator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/engine/demo_session.h"

namespace gemma3::testing {
namespace {

TEST(EvaluatorTest, RawInputIsChecked) {
  Evaluator evaluator = DemoEvaluator({.context = 50});
  const auto& config = DemoModel().config();
  const auto code = [&](TokenInput input) { return evaluator.Logits(input).error().code; };
  const auto vocab = static_cast<TokenId>(config.text.vocab_size);
  EXPECT_EQ(code({{}, {}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({{2, -1}, {}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({{2, vocab}, {}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({std::vector<TokenId>(51, 2), {}}), ErrorCode::kContextTooLong);
  const std::vector<float> pixels(3 * config.vision.image_size * config.vision.image_size);
  const std::vector<TokenId> image(config.vision.tokens_per_image, config.tokens.image_soft_token);
  EXPECT_EQ(code({{2}, {pixels}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({image, {std::vector<float>(7)}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({{image.begin(), image.end() - 1}, {pixels}}), ErrorCode::kInvalidArgument);
  std::vector<TokenId> two = image;
  two.insert(two.end(), image.begin(), image.end());
  EXPECT_EQ(code({two, {pixels}}), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(evaluator.Logits({two, {pixels, pixels}}));
  EXPECT_EQ(evaluator.ContinueIds({{2}, {}}, Greedy()).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(evaluator.Bench({}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(evaluator.Bench({.prompt_tokens = 49, .decode_tokens = 2}).error().code,
            ErrorCode::kContextTooLong);
  EXPECT_TRUE(evaluator.Bench({.prompt_tokens = 40, .decode_tokens = 2, .images = 1}));
}

TEST(EvaluatorTest, ScoreIsTheSumOfLogProbabilities) {
  const std::string text = FreshText(kStory, Greedy());
  const auto tokenizer = DemoModel().tokenizer();
  const std::vector<TokenId> ids = *(*tokenizer)->Encode(text);
  const size_t table_rows = DemoModel().config().text.vocab_size;
  // Rows beyond the vocabulary stand for nothing.
  const size_t vocab = std::min(table_rows, (*tokenizer)->vocab_size());
  for (const size_t context : {1024, 24}) {
    Evaluator evaluator = DemoEvaluator({.context = context});
    const auto score = evaluator.Score(text);
    ASSERT_TRUE(score) << score.error().message;
    EXPECT_EQ(score->tokens, ids.size());
    double expected = 0;
    for (size_t begin = 0; begin < ids.size(); begin += context - 1) {
      TokenInput window{{DemoModel().config().tokens.bos}, {}};
      const size_t end = std::min(begin + context - 1, ids.size());
      window.ids.insert(window.ids.end(), ids.begin() + static_cast<ptrdiff_t>(begin),
                        ids.begin() + static_cast<ptrdiff_t>(end));
      const auto logits = evaluator.Logits(window);
      ASSERT_TRUE(logits);
      for (size_t i = begin; i < end; ++i) {
        const float* row = logits->data() + (i - begin) * table_rows;
        const double largest = *std::max_element(row, row + vocab);
        double sum = 0;
        for (size_t v = 0; v < vocab; ++v) sum += std::exp(row[v] - largest);
        expected += row[ids[i]] - largest - std::log(sum);
      }
    }
    // Each token's logarithm is rounded to a float of magnitude below 64.
    EXPECT_NEAR(score->sum_log_probability, expected,
                64 * 0x1p-23 * static_cast<double>(ids.size()));
  }
  EXPECT_FALSE(DemoEvaluator().Score(""));
}

}  // namespace
}  // namespace gemma3::testing
