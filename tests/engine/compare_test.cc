// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How far two models' predictions are apart: the divergence of two rows, and of whole texts.
#include "src/evaluate/compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/demo_model.h"

namespace gemma3::testing {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

TEST(KlDivergenceTest, MatchesDistributionsWorkedOutByHand) {
  // Softmax of (0, 0) is (1/2, 1/2); of (ln 3, 0) it is (3/4, 1/4). ln 3 is rounded to float, so
  // that one share is off by at most 2^-24 ln 3 / 4, and the divergence changes at most in step.
  const float ln3 = std::log(3.0f);
  const std::vector<float> even = {0, 0}, uneven = {ln3, 0};
  const double tolerance = 0x1p-24 * std::log(3.0);
  EXPECT_NEAR(KlDivergence(even, uneven), 0.5 * std::log(4.0 / 3.0), tolerance);
  EXPECT_NEAR(KlDivergence(uneven, even), 0.75 * std::log(1.5) + 0.25 * std::log(0.5), tolerance);
}

TEST(KlDivergenceTest, ConstantsAddedToLogitsDoNotMatter) {
  const std::vector<float> p = {1, 2, 4}, shifted = {101, 102, 104}, q = {4, 2, 1};
  EXPECT_NEAR(KlDivergence(shifted, q), KlDivergence(p, q), 4 * 104 * kEpsilon);
  EXPECT_NEAR(KlDivergence(p, shifted), 0, 4 * 104 * kEpsilon);
}

TEST(KlDivergenceTest, EqualRowsAreAtZeroAndNoRowIsBelow) {
  std::vector<float> row(1000);
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i % 37) * 0.7f - 9;
  EXPECT_EQ(KlDivergence(row, row), 0);
  std::vector<float> near = row;
  for (float& value : near) value = std::nextafter(value, 100.0f);
  EXPECT_GE(KlDivergence(row, near), 0);
}

TEST(KlDivergenceTest, NotANumberIsNotTakenForZero) {
  const std::vector<float> good = {1, 2}, bad = {1, std::nanf("")};
  EXPECT_TRUE(std::isnan(KlDivergence(good, bad)));
  EXPECT_TRUE(std::isnan(KlDivergence(bad, good)));
}

// Longer than one piece (64 tokens), so that the caches of both go on from piece to piece.
const std::string& Text() {
  static const std::string* text = [] {
    auto* out = new std::string;
    for (int i = 0; i < 12; ++i) *out += "Gemma 3 resizes images to 896x896 pixels. 안녕하세요! ";
    return out;
  }();
  return *text;
}

TEST(CompareTest, AModelIsAtZeroFromItself) {
  for (const size_t context : {1024, 100}) {
    Evaluator evaluator = DemoEvaluator({.context = context});
    Evaluator other = DemoEvaluator({.context = context, .prefill_batch = 16});
    const auto comparison = evaluator.Compare(other, Text());
    ASSERT_TRUE(comparison) << comparison.error().message;
    const auto score = evaluator.Score(Text());
    ASSERT_TRUE(score);
    EXPECT_GT(score->tokens, 150u);
    EXPECT_EQ(comparison->divergences, std::vector<double>(score->tokens, 0.0));
    EXPECT_EQ(comparison->same_top, score->tokens);
    for (const ScoreResult& part : {comparison->score, comparison->other_score}) {
      EXPECT_EQ(part.tokens, score->tokens);
      EXPECT_EQ(part.sum_log_probability, score->sum_log_probability);
    }
  }
}

// Against the whole logits of both, which the comparison never holds.
TEST(CompareTest, DivergencesAreThoseOfTheLogits) {
  const size_t vocab = (*DemoModel().tokenizer())->vocab_size();
  const size_t table_rows = DemoModel().config().text.vocab_size;
  ASSERT_LT(vocab, table_rows) << "the demo model's table is no longer padded";
  Evaluator fast = DemoEvaluator();
  Evaluator exact = DemoEvaluator({.compute = ComputeMode::kExact});
  const auto comparison = fast.Compare(exact, Text());
  ASSERT_TRUE(comparison) << comparison.error().message;

  TokenInput input{{DemoModel().config().tokens.bos}, {}};
  const auto ids = (*DemoModel().tokenizer())->Encode(Text());
  input.ids.insert(input.ids.end(), ids->begin(), ids->end());
  const auto logits = fast.Logits(input), exact_logits = exact.Logits(input);
  ASSERT_TRUE(logits && exact_logits);
  const auto row = [&](const std::vector<float>& all, size_t i) {
    return std::span(all).subspan(i * table_rows, vocab);
  };
  ASSERT_EQ(comparison->divergences.size(), ids->size());
  for (size_t i = 0; i < ids->size(); ++i) {
    EXPECT_EQ(comparison->divergences[i], KlDivergence(row(*exact_logits, i), row(*logits, i)));
  }
  EXPECT_GT(*std::ranges::max_element(comparison->divergences), 0);
  EXPECT_EQ(comparison->score.sum_log_probability, fast.Score(Text())->sum_log_probability);
  EXPECT_EQ(comparison->other_score.sum_log_probability, exact.Score(Text())->sum_log_probability);
}

TEST(CompareTest, WhatCannotBeComparedIsRefused) {
  Evaluator evaluator = DemoEvaluator();
  Evaluator other = DemoEvaluator();
  EXPECT_EQ(evaluator.Compare(evaluator, Text()).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(evaluator.Compare(other, "").error().code, ErrorCode::kInvalidArgument);
  const auto stop = [](const Progress&) { return false; };
  EXPECT_EQ(evaluator.Compare(other, Text(), stop).error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(evaluator.Compare(other, Text()));
}

}  // namespace
}  // namespace gemma3::testing
