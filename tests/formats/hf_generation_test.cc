// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What generation_config.json, and ids wherever they stand, come to.
#include "src/formats/hf_generation.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/formats/hf_fixture.h"

namespace gemma3 {
namespace {

using Ids = std::vector<TokenId>;

TEST(HfGeneration, StopTokensAreWhateverTheFilesCallAnEnd) {
  struct Case {
    std::string config, generation;
    Ids stop;
    std::string warning = {};
  };
  for (const Case& c : {
           Case{FlatHf(""), "", {1, 106}},
           {FlatHf(R"("eos_token_id":1)"), "", {1}},
           {FlatHf(R"("eos_token_id":1)"), R"({"eos_token_id":[1,106]})", {1, 106}},
           {FlatHf(R"("eos_token_id":[106,1])"), R"({"eos_token_id":107})", {106, 1, 107}},
           {FlatHf(""), R"({"eos_token_id":107})", {107}},
           {FlatHf(R"("eos_token_id":null)"), "{}", {1, 106}},
           {FlatHf(R"("eos_token_id":-1)"), R"({"eos_token_id":null})", {1, 106}},
           {FlatHf(R"("eos_token_id":[-1,5,null])"), "", {5}},
           {FlatHf(R"("eos_token_id":[])"), R"({"eos_token_id":[]})", {1, 106}},
           {NestedHf(R"("eos_token_id":1)", R"("eos_token_id":[106,1])"), "", {1, 106}},
           {NestedHf("", R"("eos_token_id":106)"), "", {106}},
           {FlatHf(R"("eos_token_id":[1,106],"vocab_size":100)"), "", {1}},
           {FlatHf(R"("eos_token_id":"1")"), "", {1, 106}, "eos_token_id"},
           {FlatHf(R"("eos_token_id":[1,"106"])"), "", {1}, "eos_token_id[1]"},
           {FlatHf(R"("eos_token_id":1.5)"), "", {1, 106}, "eos_token_id"},
           {FlatHf(R"("eos_token_id":true)"), "", {1, 106}, "eos_token_id"},
           {FlatHf(R"("eos_token_id":{})"), "", {1, 106}, "eos_token_id"},
           {FlatHf(R"("eos_token_id":-2)"), "", {1, 106}, "-2"},
           {FlatHf(R"("eos_token_id":4294967296)"), "", {1, 106}, "4294967296"},
           {FlatHf(""),
            R"({"eos_token_id":"<end_of_turn>"})",
            {1, 106},
            "model/generation_config.json: eos_token_id"},
       }) {
    const HfConfig read = GoodHf({.config = c.config, .generation = c.generation});
    EXPECT_EQ(read.config.generation.stop_tokens, c.stop) << c.config << c.generation;
    EXPECT_EQ(read.remarks.warnings.size(), c.warning.empty() ? 0u : 1u) << c.config;
    if (!c.warning.empty()) {
      EXPECT_TRUE(Mentions(read.remarks.warnings, c.warning)) << c.config;
    }
  }
}

TEST(HfGeneration, MinusOneAndNullMeanThatThereIsNone) {
  const SpecialTokens usual;
  for (const char* none : {"-1", "null"}) {
    const std::string ids = std::string(R"("bos_token_id":)") + none + R"(,"pad_token_id":)" +
                            none + R"(,"boi_token_index":)" + none + R"(,"eoi_token_id":)" + none +
                            R"(,"image_token_id":)" + none;
    for (const std::string& config :
         {FlatHf(ids), NestedHf(ids, ""), NestedHf("", ids), NestedHf("", "", ids)}) {
      const SpecialTokens tokens =
          GoodHf({.config = config, .generation = "{" + ids + "}"}).config.tokens;
      EXPECT_EQ(tokens.bos, usual.bos) << config;
      EXPECT_EQ(tokens.pad, usual.pad) << config;
      EXPECT_EQ(tokens.start_of_image, usual.start_of_image) << config;
      EXPECT_EQ(tokens.end_of_image, usual.end_of_image) << config;
      EXPECT_EQ(tokens.image_soft_token, usual.image_soft_token) << config;
    }
  }
}

TEST(HfGeneration, IdsAreFoundWhereverTheyStand) {
  const std::string images = R"("boi_token_index":77,"eoi_token_id":78,"image_token_index":79)";
  for (const std::string& config :
       {NestedHf(images, ""), NestedHf("", images), NestedHf("", "", images)}) {
    const SpecialTokens tokens = GoodHf({.config = config}).config.tokens;
    EXPECT_EQ(tokens.start_of_image, 77) << config;
    EXPECT_EQ(tokens.end_of_image, 78) << config;
    EXPECT_EQ(tokens.image_soft_token, 79) << config;
  }
  // The root counts before the text part, and both before generation_config.json.
  const std::string pad5 = R"("pad_token_id":5)", pad6 = R"("pad_token_id":6)";
  EXPECT_EQ(GoodHf({.config = NestedHf(pad5, pad6)}).config.tokens.pad, 5);
  EXPECT_EQ(
      GoodHf({.config = NestedHf("", pad6), .generation = "{" + pad5 + "}"}).config.tokens.pad, 6);
  EXPECT_EQ(GoodHf({.config = FlatHf(""), .generation = "{" + pad5 + "}"}).config.tokens.pad, 5);
  // An image mark decides what the model sees: no place may contradict another.
  ExpectHfRefused({.config = NestedHf(R"("boi_token_index":77,"boi_token_id":78)", "")},
                  {"boi_token_index is 77", "boi_token_id is 78"}, ErrorCode::kBadModel);
  ExpectHfRefused({.config = NestedHf(R"("image_token_index":77)", R"("image_token_id":78)")},
                  {"image_token_index is 77", "text_config.image_token_id is 78"},
                  ErrorCode::kBadModel);
  // What only trainers care about never keeps a model from loading.
  const HfConfig odd = GoodHf({.config = FlatHf(R"("pad_token_id":"<pad>")")});
  EXPECT_EQ(odd.config.tokens.pad, 0);
  EXPECT_TRUE(Mentions(odd.remarks.warnings, "pad_token_id"));
}

struct Sampling {
  float temperature = 1, top_p = 0.95f, min_p = 0, penalty = 1;
  int top_k = 64;
};

void ExpectSampling(const GenerationDefaults& read, const Sampling& expected,
                    const std::string& file) {
  EXPECT_EQ(read.temperature, expected.temperature) << file;
  EXPECT_EQ(read.top_k, expected.top_k) << file;
  EXPECT_EQ(read.top_p, expected.top_p) << file;
  EXPECT_EQ(read.min_p, expected.min_p) << file;
  EXPECT_EQ(read.repeat_penalty, expected.penalty) << file;
}

TEST(HfGeneration, SamplingHasTheMeaningOfTransformers) {
  struct Case {
    std::string file;
    Sampling expected;
  };
  for (const Case& c : {
           Case{"{}", {}},
           {R"({"do_sample":true})", {}},
           {R"({"do_sample":false})", {.temperature = 0}},
           {R"({"do_sample":false,"temperature":0.7,"top_k":5})", {.temperature = 0, .top_k = 5}},
           {R"({"temperature":0})", {.temperature = 0}},
           {R"({"temperature":0.5,"top_k":20,"top_p":0.8})",
            {.temperature = 0.5f, .top_p = 0.8f, .top_k = 20}},
           {R"({"temperature":null})", {}},
           {R"({"top_k":0})", {.top_k = 0}},
           {R"({"top_k":-1})", {.top_k = 0}},
           {R"({"top_k":null})", {.top_k = 0}},
           {R"({"top_k":50.0})", {.top_k = 50}},
           {R"({"top_k":4000000000})", {.top_k = 1 << 24}},
           {R"({"top_p":0})", {.top_p = 0}},
           {R"({"top_p":1})", {.top_p = 1}},
           {R"({"top_p":null})", {.top_p = 1}},
           {R"({"min_p":0.05})", {.min_p = 0.05f}},
           {R"({"min_p":null})", {}},
           {R"({"repetition_penalty":1.3})", {.penalty = 1.3f}},
           {R"({"repetition_penalty":null})", {}},
       }) {
    const HfConfig read = GoodHf({.config = FlatHf(""), .generation = c.file});
    ExpectSampling(read.config.generation, c.expected, c.file);
    EXPECT_TRUE(read.remarks.warnings.empty()) << c.file << ": " << read.remarks.warnings[0];
  }
}

TEST(HfGeneration, AValueThatCannotBeMeantLeavesTheUsualOneAndAWarning) {
  for (const std::string bad :
       {R"("temperature":-1)", R"("temperature":"1")", R"("temperature":NaN)",
        R"("temperature":1e39)", R"("temperature":[0.5])", R"("top_p":1.5)", R"("top_p":-0.1)",
        R"("top_p":Infinity)", R"("top_k":-2)", R"("top_k":"64")", R"("top_k":1.5)",
        R"("top_k":true)", R"("min_p":-1)", R"("min_p":2)", R"("repetition_penalty":0)",
        R"("repetition_penalty":-1)", R"("repetition_penalty":{})", R"("do_sample":"no")",
        R"("do_sample":1)"}) {
    const HfConfig read = GoodHf({.config = FlatHf(""), .generation = "{" + bad + "}"});
    ExpectSampling(read.config.generation, {}, bad);
    const std::string key = bad.substr(1, bad.find('"', 1) - 1);
    ASSERT_EQ(read.remarks.warnings.size(), 1u) << bad;
    EXPECT_TRUE(Mentions(read.remarks.warnings, "model/generation_config.json: " + key)) << bad;
  }
}

TEST(HfGeneration, OtherWaysToDrawAreWarnedOf) {
  for (const std::string on :
       {R"("num_beams":4)", R"("no_repeat_ngram_size":3)", R"("suppress_tokens":[5])",
        R"("bad_words_ids":[[5]])", R"("typical_p":0.9)", R"("epsilon_cutoff":3e-4)",
        R"("guidance_scale":1.5)", R"("forced_eos_token_id":1)", R"("min_new_tokens":5)",
        R"("stop_strings":["END"])", R"("penalty_alpha":0.6)", R"("sequence_bias":[[[5],-1.0]])",
        R"("watermarking_config":{"bias":2.5})"}) {
    const HfConfig read = GoodHf({.config = FlatHf(""), .generation = "{" + on + "}"});
    EXPECT_TRUE(Mentions(read.remarks.warnings, on.substr(1, on.find('"', 1) - 1))) << on;
  }
  const HfConfig off =
      GoodHf({.config = FlatHf(""), .generation = R"({"num_beams":1,"no_repeat_ngram_size":0,
      "suppress_tokens":null,"bad_words_ids":[],"typical_p":1.0,"epsilon_cutoff":0.0,
      "guidance_scale":1,"forced_eos_token_id":null,"min_length":0,"max_length":8192,
      "cache_implementation":"hybrid","_from_model_config":true})"});
  EXPECT_TRUE(off.remarks.warnings.empty());
  EXPECT_TRUE(Mentions(off.remarks.notes, "max_length"));
}

TEST(HfGeneration, OldModelsKeepTheirSamplingInTheConfiguration) {
  const std::string set = R"("temperature":0.5,"top_k":7,"repetition_penalty":1.2)";
  const Sampling expected = {.temperature = 0.5f, .penalty = 1.2f, .top_k = 7};
  ExpectSampling(GoodHf({.config = FlatHf(set)}).config.generation, expected, set);
  ExpectSampling(GoodHf({.config = NestedHf(set, "")}).config.generation, expected, set);
  ExpectSampling(GoodHf({.config = NestedHf("", set)}).config.generation, expected, set);
  // generation_config.json is the later form, and alone counts where it is there.
  ExpectSampling(GoodHf({.config = FlatHf(set), .generation = "{}"}).config.generation, {}, set);
  // Defaults of transformers that its older versions wrote out.
  const std::string residue = R"("do_sample":false,"temperature":1.0,"top_k":50,"top_p":1.0,
      "repetition_penalty":1.0,"max_length":20,"num_beams":1)";
  const HfConfig read = GoodHf({.config = NestedHf(residue, residue)});
  ExpectSampling(read.config.generation, {}, residue);
  EXPECT_TRUE(read.remarks.warnings.empty());
  EXPECT_TRUE(read.remarks.notes.empty());
}

TEST(HfGeneration, ADamagedFileIsAnError) {
  for (const char* file : {"{", "[]", "1", "{\"top_k\":}"}) {
    ExpectHfRefused({.config = FlatHf(""), .generation = file}, {"generation_config.json"},
                    ErrorCode::kBadModel);
  }
}

}  // namespace
}  // namespace gemma3
