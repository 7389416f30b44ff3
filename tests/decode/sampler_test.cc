// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/decode/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gemma3 {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Everything off: draws from the plain softmax.
GenerationOptions Plain() {
  GenerationOptions options;
  options.temperature = 1.0f;
  options.top_k = 0;
  options.top_p = 1.0f;
  options.seed = 0;
  return options;
}

GenerationOptions Greedy() {
  GenerationOptions options = Plain();
  options.temperature = 0.0f;
  return options;
}

Sampler Make(const GenerationOptions& options, size_t vocab,
             const std::vector<TokenId>& banned = {}) {
  auto sampler = Sampler::Create(options, {}, vocab, banned);
  EXPECT_TRUE(sampler.has_value()) << sampler.error().message;
  return *std::move(sampler);
}

TokenId SampleOnce(const GenerationOptions& options, std::vector<float> logits,
                   const std::vector<TokenId>& history = {},
                   const std::vector<TokenId>& banned = {}) {
  return Make(options, logits.size(), banned).Sample(logits, history, 0);
}

std::vector<float> RandomLogits(size_t n, unsigned seed, float deviation = 2) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> logits(n);
  for (float& v : logits) v = distribution(rng);
  return logits;
}

struct Outcome {
  TokenId id;
  double probability;
};

// What may be drawn and how likely, in the order of the draw: each filter on a fully sorted,
// normalised list.
std::vector<Outcome> ReferenceOutcomes(const std::vector<float>& logits,
                                       const GenerationOptions& options) {
  std::vector<Outcome> all;
  const double max = *std::max_element(logits.begin(), logits.end());
  for (size_t i = 0; i < logits.size(); ++i) {
    const double t = static_cast<double>(*options.temperature);
    all.push_back({static_cast<TokenId>(i), std::exp((double{logits[i]} - max) / t)});
  }
  std::stable_sort(all.begin(), all.end(), [](const Outcome& a, const Outcome& b) {
    return a.probability > b.probability;
  });
  const auto normalise = [&] {
    double sum = 0;
    for (const Outcome& o : all) sum += o.probability;
    for (Outcome& o : all) o.probability /= sum;
  };
  if (*options.top_k > 0 && static_cast<size_t>(*options.top_k) < all.size()) {
    all.resize(static_cast<size_t>(*options.top_k));
  }
  normalise();
  if (*options.top_p < 1) {
    double before = 0;
    size_t kept = 0;
    while (kept < all.size() && (kept == 0 || before < static_cast<double>(*options.top_p))) {
      before += all[kept++].probability;
    }
    all.resize(kept);
  }
  const double least = all[0].probability * static_cast<double>(options.min_p.value_or(0));
  std::erase_if(all, [&](const Outcome& o) { return o.probability < least; });
  normalise();
  return all;
}

TokenId ReferenceDraw(const std::vector<Outcome>& outcomes, double uniform) {
  double sum = 0;
  for (const Outcome& o : outcomes) {
    sum += o.probability;
    if (uniform < sum) return o.id;
  }
  return outcomes.back().id;
}

TEST(RandomNumbersTest, IsSplitMix64) {
  // The published generator's first numbers from state 0, which is where seed 0 starts.
  const RandomNumbers random(0);
  EXPECT_EQ(random[0], 0xE220A8397B1DCDAFu);
  EXPECT_EQ(random[1], 0x6E789E6AA1B965F4u);
  EXPECT_EQ(random[2], 0x06C45D188009454Fu);
  EXPECT_EQ(random[3], 0xF88BB8A8724C81ECu);
}

TEST(RandomNumbersTest, UniformIsInRangeAndDiffersBySeed) {
  const RandomNumbers a(1), b(2);
  for (size_t i = 0; i < 1000; ++i) {
    const double x = a.Uniform(i);
    EXPECT_GE(x, 0);
    EXPECT_LT(x, 1);
    EXPECT_NE(x, b.Uniform(i));
  }
}

TEST(ResolveSamplingTest, UnsetOptionsTakeTheModelsValues) {
  GenerationDefaults defaults;
  defaults.temperature = 0.5f;
  defaults.top_k = 7;
  defaults.top_p = 0.25f;
  GenerationOptions options;
  options.min_p = 0.1f;
  options.repeat_penalty = 1.5f;
  options.repeat_last_n = 9;
  options.seed = 11;
  auto s = ResolveSampling(options, defaults);
  ASSERT_TRUE(s);
  EXPECT_EQ(s->temperature, 0.5f);
  EXPECT_EQ(s->top_k, 7u);
  EXPECT_EQ(s->top_p, 0.25f);
  EXPECT_EQ(s->min_p, 0.1f);
  EXPECT_EQ(s->repeat_penalty, 1.5f);
  EXPECT_EQ(s->repeat_last_n, 9u);
  EXPECT_EQ(s->seed, 11u);
  options.temperature = 0.0f;
  options.top_k = 0;
  options.top_p = 1.0f;
  s = ResolveSampling(options, defaults);
  ASSERT_TRUE(s);
  EXPECT_EQ(s->temperature, 0.0f);
  EXPECT_EQ(s->top_k, 0u);
  EXPECT_EQ(s->top_p, 1.0f);
  s = ResolveSampling({}, {});  // Gemma's published values
  ASSERT_TRUE(s);
  EXPECT_EQ(s->temperature, 1.0f);
  EXPECT_EQ(s->top_k, 64u);
  EXPECT_EQ(s->top_p, 0.95f);
}

TEST(ResolveSamplingTest, TheModelsPenaltyLooksAtTheWholeText) {
  GenerationDefaults defaults;
  defaults.min_p = 0.25f;
  defaults.repeat_penalty = 1.25f;
  const auto own = ResolveSampling({}, defaults);
  ASSERT_TRUE(own);
  EXPECT_EQ(own->min_p, 0.25f);
  EXPECT_EQ(own->repeat_penalty, 1.25f);
  EXPECT_EQ(own->repeat_last_n, std::numeric_limits<size_t>::max());
  GenerationOptions options;
  options.min_p = 0.0f;
  options.repeat_penalty = 1.25f;
  const auto callers = ResolveSampling(options, defaults);
  ASSERT_TRUE(callers);
  EXPECT_EQ(callers->min_p, 0.0f);
  EXPECT_EQ(callers->repeat_last_n, 64u);
  options = {};
  options.repeat_last_n = 5;
  EXPECT_EQ(ResolveSampling(options, defaults)->repeat_last_n, 5u);
}

TEST(ResolveSamplingTest, AnUnsetSeedIsAnotherOneEachTime) {
  std::set<uint64_t> seeds;
  for (size_t i = 0; i < 8; ++i) seeds.insert(ResolveSampling({}, {})->seed);
  EXPECT_GT(seeds.size(), 1u);  // equal with probability 2^-224
  GenerationOptions options;
  options.seed = 0;
  EXPECT_EQ(ResolveSampling(options, {})->seed, 0u);
}

TEST(ResolveSamplingTest, EachOptionOutOfRangeIsNamedWithItsValue) {
  const auto expect_bad = [](const std::string& name, const std::string& value, auto set) {
    GenerationOptions options;
    set(options);
    const auto result = ResolveSampling(options, {});
    ASSERT_FALSE(result) << name << " = " << value;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(result.error().message.rfind(name + " must be", 0), 0u) << result.error().message;
    EXPECT_NE(result.error().message.find("not " + value), std::string::npos)
        << result.error().message;
    EXPECT_EQ(result.error().message.find("generation_config"), std::string::npos);
  };
  using O = GenerationOptions;
  expect_bad("temperature", "-0.5", [](O& o) { o.temperature = -0.5f; });
  expect_bad("temperature", "inf", [](O& o) { o.temperature = kInf; });
  expect_bad("temperature", "nan", [](O& o) { o.temperature = kNan; });
  expect_bad("top_k", "-1", [](O& o) { o.top_k = -1; });
  expect_bad("top_p", "-0.25", [](O& o) { o.top_p = -0.25f; });
  expect_bad("top_p", "1.25", [](O& o) { o.top_p = 1.25f; });
  expect_bad("top_p", "nan", [](O& o) { o.top_p = kNan; });
  expect_bad("min_p", "-0.25", [](O& o) { o.min_p = -0.25f; });
  expect_bad("min_p", "1.5", [](O& o) { o.min_p = 1.5f; });
  expect_bad("min_p", "nan", [](O& o) { o.min_p = kNan; });
  expect_bad("repeat_penalty", "0", [](O& o) { o.repeat_penalty = 0; });
  expect_bad("repeat_penalty", "-1", [](O& o) { o.repeat_penalty = -1; });
  expect_bad("repeat_penalty", "inf", [](O& o) { o.repeat_penalty = kInf; });
}

TEST(ResolveSamplingTest, ABadDefaultIsBlamedOnItsFile) {
  GenerationDefaults defaults;
  defaults.top_p = 3;
  const auto result = ResolveSampling({}, defaults);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("generation_config.json"), std::string::npos);
  GenerationOptions options;
  options.top_p = 0.9f;
  EXPECT_TRUE(ResolveSampling(options, defaults));
}

TEST(SamplerTest, CreateRefusesAVocabularyWithNothingToDraw) {
  EXPECT_FALSE(Sampler::Create({}, {}, 0, {}));
  const std::vector<TokenId> banned = {1, 0, 1, 2, 77, -4};
  EXPECT_FALSE(Sampler::Create({}, {}, 3, banned));
  EXPECT_TRUE(Sampler::Create({}, {}, 4, banned));
}

TEST(SamplerTest, GreedyTakesTheLargestAndTheLowerIdOnTies) {
  EXPECT_EQ(SampleOnce(Greedy(), {1, 5, 3, 5, 2}), 1);
  EXPECT_EQ(SampleOnce(Greedy(), {kNan, -3, kNan, -3}), 1);
}

TEST(SamplerTest, BannedIdsAndThoseBeyondTheLimitAreNeverDrawn) {
  const std::vector<TokenId> banned = {0, 3, 3, 5, 999, -1};
  EXPECT_EQ(SampleOnce(Greedy(), {9, 1, 2, 9, 0, 9}, {}, banned), 2);
  for (const int top_k : {0, 3, 64}) {
    GenerationOptions options = Plain();
    options.top_k = top_k;
    Sampler sampler = Make(options, 6, banned);
    std::vector<int> counts(8);
    for (size_t i = 0; i < 1000; ++i) {
      std::vector<float> logits = {9, 0, 0, 9, 0, 9, 9, 9};  // two rows beyond the limit
      ++counts[static_cast<size_t>(sampler.Sample(logits, {}, i))];
    }
    EXPECT_EQ(counts[1] + counts[2] + counts[4], 1000);
    for (const size_t id : {1, 2, 4}) EXPECT_GT(counts[id], 0);
  }
}

TEST(SamplerTest, LogitsWithoutProbabilitiesStillGiveAnAllowedToken) {
  for (const auto& options : {Greedy(), Plain(), GenerationOptions{}}) {
    EXPECT_EQ(SampleOnce(options, {kNan, kNan, kNan}, {}, {0}), 1);
    EXPECT_EQ(SampleOnce(options, {-kInf, -kInf, -kInf, -kInf}, {}, {0, 1, 3}), 2);
    EXPECT_EQ(SampleOnce(options, {5, kNan, -kInf}, {}, {0}), 1);
    EXPECT_EQ(SampleOnce(options, {kInf, 5, kInf, 3, kInf}, {}, {0}), 2);
    EXPECT_EQ(SampleOnce(options, {kNan, 3, kNan, -kInf, kNan}), 1);
  }
}

TEST(SamplerTest, PenaltyDividesPositiveAndMultipliesNegativeLogitsOnce) {
  GenerationOptions options = Greedy();
  options.repeat_penalty = 2;
  Sampler sampler = Make(options, 5);
  std::vector<float> logits = {8, -3, 6, 0, 1};
  // 0 and 1 several times, and ids that are none of the vocabulary.
  EXPECT_EQ(sampler.Sample(logits, std::vector<TokenId>{0, 1, 0, 3, 1, 0, 500, -1}, 0), 2);
  EXPECT_EQ(logits, (std::vector<float>{4, -6, 6, 0, 1}));
}

TEST(SamplerTest, PenaltyLooksAtTheLatestTokensOnly) {
  GenerationOptions options = Greedy();
  options.repeat_penalty = 2;
  options.repeat_last_n = 2;
  const std::vector<float> logits = {8, 7, 6, 5};
  EXPECT_EQ(SampleOnce(options, logits, {0, 1, 1}), 0);
  EXPECT_EQ(SampleOnce(options, logits, {2, 0, 1}), 2);
  EXPECT_EQ(SampleOnce(options, logits, {0}), 1);
  options.repeat_last_n = 0;
  EXPECT_EQ(SampleOnce(options, logits, {0, 0, 0}), 0);
}

// OpenAI's penalties: of what the answer has so far, and by how often.
TEST(SamplerTest, PresenceAndFrequencyCountTheAnswerAlone) {
  const auto chosen = [](float presence, float frequency, const std::vector<TokenId>& history,
                         size_t place) {
    GenerationOptions options = Greedy();
    options.presence_penalty = presence;
    options.frequency_penalty = frequency;
    std::vector<float> logits = {5.0f, 4.5f, 4.0f, 0.0f};
    return Make(options, logits.size()).Sample(logits, history, place);
  };
  // The prompt's tokens do not count.
  EXPECT_EQ(chosen(2, 2, {0, 0, 0, 3}, 0), 0);
  EXPECT_EQ(chosen(2, 2, {0, 0, 0, 3}, 1), 0);
  // Presence counts once, however often: 5 - 0.75 < 4.5.
  EXPECT_EQ(chosen(0.75f, 0, {0, 0, 0, 0}, 4), 1);
  EXPECT_EQ(chosen(0.4f, 0, {0, 0, 0, 0}, 4), 0);
  // Frequency counts each: 5 - 1 * 0.3, 5 - 2 * 0.3 < 4.5.
  EXPECT_EQ(chosen(0, 0.3f, {0, 3, 3}, 3), 0);
  EXPECT_EQ(chosen(0, 0.3f, {0, 0, 3}, 3), 1);
  EXPECT_EQ(chosen(0, 0.3f, {0, 0, 3}, 2), 0);  // of which the first is the prompt's
  // Both together, of several tokens: 5 - 1.4, 4.5 - 0.9, 4.
  EXPECT_EQ(chosen(0.4f, 0.5f, {0, 0, 1}, 3), 2);
  // A negative one draws what was said before: 4 + 2 * 0.6 > 5.
  EXPECT_EQ(chosen(0, -0.6f, {2, 2}, 2), 2);
  EXPECT_EQ(chosen(-1.5f, 0, {2, 2}, 2), 2);
  // Ids that are no tokens of the vocabulary are skipped.
  EXPECT_EQ(chosen(2, 2, {-1, 77}, 2), 0);
}

TEST(SamplerTest, DrawsWhatTheReferenceDraws) {
  // Vocabularies below and above the sizes at which the sampler looks at more candidates.
  for (const size_t vocab : {1, 5, 100, 300, 5000}) {
    for (const float deviation : {0.01f, 2.0f, 8.0f}) {
      const std::vector<float> logits =
          RandomLogits(vocab, static_cast<unsigned>(vocab), deviation);
      for (const float temperature : {0.3f, 1.0f, 2.5f}) {
        for (const int top_k : {0, 1, 3, 64, 10000}) {
          for (const float top_p : {0.1f, 0.7f, 0.95f, 1.0f}) {
            for (const float min_p : {0.0f, 0.3f}) {
              GenerationOptions options;
              options.temperature = temperature;
              options.top_k = top_k;
              options.top_p = top_p;
              options.min_p = min_p;
              options.seed = vocab * 1000 + static_cast<size_t>(top_k);
              const auto outcomes = ReferenceOutcomes(logits, options);
              const RandomNumbers random(options.seed.value());
              Sampler sampler = Make(options, vocab);
              for (size_t i = 0; i < 8; ++i) {
                std::vector<float> copy = logits;
                ASSERT_EQ(sampler.Sample(copy, {}, i), ReferenceDraw(outcomes, random.Uniform(i)))
                    << "vocab " << vocab << " deviation " << deviation << " temperature "
                    << temperature << " top_k " << top_k << " top_p " << top_p << " min_p " << min_p
                    << " draw " << i;
              }
            }
          }
        }
      }
    }
  }
}

// Counts of 20000 draws against the exact probabilities. A chi-square variable of f degrees of
// freedom exceeds f + 2 sqrt(f t) + 2 t with probability at most exp(-t) (Laurent and Massart,
// "Adaptive estimation of a quadratic functional by model selection", 2000, lemma 1); t = 20.
TEST(SamplerTest, FrequenciesFollowTheProbabilities) {
  constexpr int kDraws = 20000;
  const std::vector<float> logits = RandomLogits(50, 3, 1);
  for (const int top_k : {0, 20}) {
    for (const float top_p : {0.8f, 1.0f}) {
      GenerationOptions options = Plain();
      options.temperature = 0.7f;
      options.top_k = top_k;
      options.top_p = top_p;
      options.seed = 5;
      Sampler sampler = Make(options, logits.size());
      std::vector<int> counts(logits.size());
      for (size_t i = 0; i < kDraws; ++i) {
        std::vector<float> copy = logits;
        ++counts[static_cast<size_t>(sampler.Sample(copy, {}, i))];
      }
      const auto outcomes = ReferenceOutcomes(logits, options);
      double chi_square = 0;
      int drawn = 0;
      for (const Outcome& o : outcomes) {
        const double expected = o.probability * kDraws;
        const double count = counts[static_cast<size_t>(o.id)];
        chi_square += (count - expected) * (count - expected) / expected;
        drawn += counts[static_cast<size_t>(o.id)];
      }
      EXPECT_EQ(drawn, kDraws);  // and nothing else came up
      const double freedom = static_cast<double>(outcomes.size()) - 1;
      EXPECT_LT(chi_square, freedom + 2 * std::sqrt(freedom * 20) + 2 * 20);
    }
  }
}

TEST(SamplerTest, TopPKeepsTheTokenThatReachesTheShareAndAtLeastOne) {
  // Probabilities 1/2, 1/4, 1/4. Before the second token lies exactly 0.5.
  const std::vector<float> logits = {std::log(2.0f), 0, 0};
  const auto drawable = [&](float top_p) {
    GenerationOptions options = Plain();
    options.top_p = top_p;
    options.top_k = 3;
    Sampler sampler = Make(options, 3);
    TokenId last = 0;
    for (size_t i = 0; i < 300; ++i) {
      std::vector<float> copy = logits;
      last = std::max(last, sampler.Sample(copy, {}, i));
    }
    return last + 1;
  };
  EXPECT_EQ(drawable(0.0f), 1);
  EXPECT_EQ(drawable(1e-6f), 1);
  EXPECT_EQ(drawable(0.49f), 1);
  EXPECT_EQ(drawable(0.51f), 2);
  EXPECT_EQ(drawable(0.74f), 2);
  EXPECT_EQ(drawable(0.76f), 3);
}

TEST(SamplerTest, MinPOfOneKeepsTheTiesOfTheLikeliest) {
  GenerationOptions options = Plain();
  options.min_p = 1;
  Sampler sampler = Make(options, 4);
  std::vector<int> counts(4);
  for (size_t i = 0; i < 300; ++i) {
    std::vector<float> logits = {2, 3, 3, 1};
    ++counts[static_cast<size_t>(sampler.Sample(logits, {}, i))];
  }
  EXPECT_EQ(counts[1] + counts[2], 300);
  EXPECT_GT(counts[1], 0);
  EXPECT_GT(counts[2], 0);
}

TEST(SamplerTest, ATinyTemperatureIsGreedy) {
  GenerationOptions options = Plain();
  options.temperature = 1e-30f;
  for (const int top_k : {0, 3}) {
    options.top_k = top_k;
    EXPECT_EQ(SampleOnce(options, {1, 5, 4.999f, -kInf}), 1);
  }
}

TEST(SamplerTest, TheSeedAndThePlaceDecide) {
  const std::vector<float> logits = RandomLogits(1000, 4, 1);
  const auto draw = [&](uint64_t seed, bool certain_first) {
    GenerationOptions options = Plain();
    options.seed = seed;
    Sampler sampler = Make(options, logits.size());
    std::vector<TokenId> ids;
    for (size_t i = 0; i < 20; ++i) {
      std::vector<float> copy = logits;
      if (certain_first && i == 0) copy[7] = kInf;
      ids.push_back(sampler.Sample(copy, {}, i));
    }
    return ids;
  };
  EXPECT_EQ(draw(1, false), draw(1, false));
  EXPECT_NE(draw(1, false), draw(2, false));
  // A token that needed no random number does not shift those of the next.
  auto plain = draw(1, false), certain = draw(1, true);
  EXPECT_EQ(certain[0], 7);
  plain.erase(plain.begin()), certain.erase(certain.begin());
  EXPECT_EQ(plain, certain);
}

TEST(SamplerTest, BiasIsAddedFirst) {
  GenerationOptions options = Greedy();
  options.logit_bias = {{3, 2.0f}, {0, -1.0f}};
  EXPECT_EQ(SampleOnce(options, {5, 4.5f, 0, 2.6f}), 3);
  options.logit_bias = {{3, 2.0f}, {0, -kInf}};
  EXPECT_EQ(SampleOnce(options, {5, 4.5f, 0, 2.4f}), 1);
  // Before the penalty, which divides what is positive.
  options.logit_bias = {{1, 2.0f}};
  options.repeat_penalty = 2;
  EXPECT_EQ(SampleOnce(options, {1.6f, 1, 0}, {1}), 0);
  options.logit_bias = {{1, -kInf}, {0, -kInf}, {2, -kInf}};
  EXPECT_FALSE(Sampler::Create(options, {}, 3, {}));
  for (const std::vector<std::pair<TokenId, float>>& bad :
       {std::vector<std::pair<TokenId, float>>{{-1, 1.0f}},
        {{3, 1.0f}},
        {{1, kInf}},
        {{1, kNan}},
        {{1, 1.0f}, {1, 2.0f}}}) {
    options.logit_bias = bad;
    const auto sampler = Sampler::Create(options, {}, 3, {});
    ASSERT_FALSE(sampler);
    EXPECT_EQ(sampler.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(sampler.error().message.find("logit_bias"), std::string::npos);
  }
}

TEST(SamplerTest, AWholeVocabularyWithoutTopK) {
  constexpr size_t kVocab = 262144;
  // Flat: the draw ends deep in the list. Peaked: among the first.
  for (const float deviation : {0.0f, 0.5f, 4.0f}) {
    const std::vector<float> logits = RandomLogits(kVocab, 9, deviation);
    for (const float top_p : {0.9f, 1.0f}) {
      GenerationOptions options = Plain();
      options.top_p = top_p;
      const auto outcomes = ReferenceOutcomes(logits, options);
      const RandomNumbers random(options.seed.value());
      Sampler sampler = Make(options, kVocab);
      for (size_t i = 0; i < 3; ++i) {
        std::vector<float> copy = logits;
        const TokenId id = sampler.Sample(copy, {}, i);
        // The reference sums every probability in double, the sampler's total has f32 terms: the
        // draw may fall on the neighbour, so compare places on the cumulative scale.
        const double uniform = random.Uniform(i);
        double before = 0;
        auto it = outcomes.begin();
        while (it != outcomes.end() && it->id != id) before += (it++)->probability;
        ASSERT_NE(it, outcomes.end());
        // Each term of the total is off by at most 8 roundings (exp, and |x| e^x < 1 for the
        // argument), so the total is off by 8 roundings relatively.
        EXPECT_LE(before, uniform + 8 * 0x1p-24);
        EXPECT_GE(before + it->probability, uniform - 8 * 0x1p-24);
      }
    }
  }
}

}  // namespace
}  // namespace gemma3
