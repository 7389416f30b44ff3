// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// LoRA adapters computed on the fly: parity with the adapter merged into the model by PEFT's
// formulas (tests/data/lora says how), over every form of weights; several at once and in one step;
// what was computed under one is not found under another; what is refused.
#include "gemma3/adapter.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gemma3/experimental/evaluator.h"
#include "gemma3/gemma3.h"
#include "src/engine/loaded_model.h"
#include "tests/support/adapter_writer.h"
#include "tests/support/demo_model.h"
#include "tests/support/load_model.h"
#include "tests/support/reference.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

std::string Data(const std::string& name) {
  return std::string(GEMMA3_SOURCE_DIR) + "/tests/data/" + name;
}

Adapter AdapterAt(const Model& model, const std::string& path) {
  auto adapter = Adapter::Load(model, path);
  if (!adapter) {
    ADD_FAILURE() << adapter.error().message;
    std::exit(1);
  }
  return *std::move(adapter);
}

// Logits of the rows that a reference has, the last ones.
std::vector<float> LogitsOf(const Model& model, const ReferenceFile& reference,
                            const std::vector<AdapterUse>& adapters,
                            ComputeMode compute = ComputeMode::kExact,
                            const std::vector<std::vector<float>>& pixels = {}) {
  auto evaluator = Evaluator::Create(model, {.threads = 2,
                                             .compute = compute,
                                             .reference = ReferenceRounding::kF32,
                                             .adapters = adapters});
  if (!evaluator) {
    ADD_FAILURE() << evaluator.error().message;
    return {};
  }
  TokenInput input;
  for (const int64_t id : reference.Values<int64_t>("input_ids")) {
    input.ids.push_back(static_cast<TokenId>(id));
  }
  input.pixel_values = pixels;
  const auto logits = evaluator->Logits(input);
  if (!logits) {
    ADD_FAILURE() << logits.error().message;
    return {};
  }
  const auto& shape = reference.Shape("logits");
  const size_t count = shape[0] * shape[1];
  return {logits->end() - static_cast<ptrdiff_t>(count), logits->end()};
}

constexpr double kParity = 1e-4;  // of the logits' spread

class LoraReference : public ::testing::TestWithParam<const char*> {
 protected:
  const Model model_ = LoadAt(Data("reference/text-plain"));
  const std::string folder_ = Data(std::string("lora/") + GetParam());
  const ReferenceFile reference_{folder_ + "/reference.safetensors"};
};

TEST_P(LoraReference, IsTheMergedModel) {
  const auto expected = reference_.Values<float>("logits");
  const Adapter adapter = AdapterAt(model_, folder_);
  EXPECT_LT(RelativeDistance(LogitsOf(model_, reference_, {{adapter}}), expected), kParity);
  // And another one without it.
  EXPECT_GT(RelativeDistance(LogitsOf(model_, reference_, {}), expected), 100 * kParity);
}

TEST_P(LoraReference, ScaleZeroIsTheModelToTheBit) {
  const Adapter adapter = AdapterAt(model_, folder_);
  EXPECT_EQ(LogitsOf(model_, reference_, {{adapter, 0}}), LogitsOf(model_, reference_, {}));
}

// The base is exactly as it is packed, so the adapter adds no error to that of packing.
TEST_P(LoraReference, IsAsNearOverPackedWeights) {
  for (const WeightFormat format : {WeightFormat::kInt8, WeightFormat::kInt4}) {
    const Model packed = LoadAt(Data("reference/text-plain"), {.weights = format});
    const Adapter adapter = AdapterAt(packed, folder_);
    const double base =
        RelativeDistance(LogitsOf(packed, reference_, {}), LogitsOf(model_, reference_, {}));
    const double adapted = RelativeDistance(LogitsOf(packed, reference_, {{adapter}}),
                                            reference_.Values<float>("logits"));
    EXPECT_LT(adapted, 3 * base) << "packed alone: " << base;
  }
}

TEST_P(LoraReference, MergedByConvertItIsTheSameButForRounding) {
  if (std::string(GetParam()) == "embedding") GTEST_SKIP() << "a bias has no place to merge into";
  const TempFolder out;
  const AdapterPath path{folder_, 1};
  for (const auto& [format, bits] :
       {std::pair(WeightFormat::kAsStored, 8), {WeightFormat::kInt8, 7}}) {
    const std::string file = out.path() + "/merged.gemma3";
    const Status converted =
        ConvertMerged(Data("reference/text-plain"), {&path, 1}, file, {.weights = format});
    ASSERT_TRUE(converted) << converted.error().message;
    const Model merged = LoadAt(file);
    // Each of 7 layers' 7 matrices is off by 2^-bits of itself; errors of independent roundings add
    // in squares, and norms amplify by less than four (reference_test.cc).
    const double bound = 4 * 6 * std::sqrt(49.0) * std::ldexp(1.0, -bits) / std::sqrt(12.0);
    EXPECT_LT(
        RelativeDistance(LogitsOf(merged, reference_, {}), reference_.Values<float>("logits")),
        bound);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, LoraReference,
                         ::testing::Values("plain", "patterns", "dora", "tables", "embedding",
                                           "tokens"));

TEST(Lora, TwoAtOnceAddUp) {
  const Model model = LoadAt(Data("reference/text-plain"));
  const ReferenceFile reference(Data("lora/two.safetensors"));
  const Adapter plain = AdapterAt(model, Data("lora/plain"));
  const Adapter dora = AdapterAt(model, Data("lora/dora"));
  EXPECT_LT(RelativeDistance(LogitsOf(model, reference, {{plain, 0.5f}, {dora, 1}}),
                             reference.Values<float>("logits")),
            kParity);
}

TEST(Lora, TheTowerIsAdaptedToo) {
  const Model model = LoadAt(Data("reference/vision-one"));
  const ReferenceFile given(Data("reference/vision-one/reference.safetensors"));
  const ReferenceFile reference(Data("lora/tower/reference.safetensors"));
  const std::vector<std::vector<float>> pixels = {given.Values<float>("pixel_values")};
  const Adapter adapter = AdapterAt(model, Data("lora/tower"));
  EXPECT_LT(RelativeDistance(LogitsOf(model, reference, {{adapter}}, ComputeMode::kExact, pixels),
                             reference.Values<float>("logits")),
            kParity);
}

TEST(Lora, OtherFormatsHoldTheSame) {
  const Model model = LoadAt(Data("reference/text-plain"));
  const ReferenceFile reference(Data("lora/plain/reference.safetensors"));
  const std::string peft = Data("lora/plain/adapter_model.safetensors");
  const auto expected = LogitsOf(model, reference, {{AdapterAt(model, peft)}});
  const TempFolder folder;
  WriteAsMlx(folder, peft, 2);
  WriteAsGguf(folder, peft, 8);
  for (const char* name : {"mlx", "mlx/adapters.safetensors", "adapter.gguf"}) {
    const Adapter adapter = AdapterAt(model, folder.path() + "/" + name);
    EXPECT_EQ(LogitsOf(model, reference, {{adapter}}), expected) << name;
  }
}

TEST(Lora, FindsItsPlaceUnderEveryPrefix) {
  const Model model = LoadAt(Data("reference/text-plain"));
  const ReferenceFile reference(Data("lora/plain/reference.safetensors"));
  const auto modules = AllModules(model.config().text);
  std::optional<std::vector<float>> expected;
  for (const char* prefix :
       {"base_model.model.model.", "base_model.model.language_model.model.",
        "base_model.model.model.language_model.", "base_model.model.model.language_model.model.",
        "base_model.model.", "", "module.base_model.model.model.",
        "_orig_mod.base_model.model.model.language_model."}) {
    const TempFolder folder;
    WriteRandomAdapter(folder, "a", model.config(), modules, 7, 0.3, prefix);
    const auto logits = LogitsOf(model, reference, {{AdapterAt(model, folder.path() + "/a")}});
    if (!expected) expected = logits;
    EXPECT_EQ(logits, *expected) << prefix;
  }
}

// Where PEFT loads a table into the base, and so into a head that repeats it, one table stands for
// both; a copy that modules_to_save made does not.
TEST(Lora, ATableIsTheHeadsTooWhereTheBaseHasOne) {
  const Model model = LoadAt(Data("reference/text-plain"));
  const ReferenceFile reference(Data("lora/plain/reference.safetensors"));
  const TextConfig& text = model.config().text;
  const std::vector<uint64_t> shape = {text.vocab_size, text.hidden_size};
  const TempFolder folder;
  const auto logits = [&](const std::vector<std::string>& tables, const std::string& settings) {
    TensorBank bank;
    for (const std::string& table : tables) {
      bank.Add("base_model.model." + table + ".weight", TensorType::kF32, shape,
               RandomValues(shape, 9));
    }
    folder.Write("a/adapter_config.json", R"({"peft_type": "LORA")" + settings + "}");
    EXPECT_TRUE(WriteSafetensors(folder.path() + "/a/adapter_model.safetensors", bank.views()));
    return LogitsOf(model, reference, {{AdapterAt(model, folder.path() + "/a")}});
  };
  const std::string embedding = "model.embed_tokens", head = "lm_head";
  const std::string tie = R"(, "ensure_weight_tying": true)";
  const std::string both = R"(, "modules_to_save": ["embed_tokens", "lm_head"])";
  const auto expected = logits({embedding, head}, both);
  EXPECT_EQ(logits({embedding}, ""), expected);
  EXPECT_EQ(logits({head}, ""), expected);
  EXPECT_EQ(logits({embedding}, both + tie), expected);
  EXPECT_EQ(logits({head}, both + tie), expected);
  for (const auto& [table, saved] :
       {std::pair(embedding, R"(, "modules_to_save": ["embed_tokens"])"),
        {head, R"(, "modules_to_save": ["lm_head"])"}}) {
    EXPECT_NE(logits({table}, saved), expected) << table;
    EXPECT_EQ(logits({table}, saved + tie), expected) << table;
  }
}

// ---- In an engine

class LoraEngine : public ::testing::Test {
 protected:
  LoraEngine() {
    const ModelConfig& config = Demo().config();
    WriteRandomAdapter(folder_, "one", config, AllModules(config.text), 1, 0.1);
    WriteRandomAdapter(folder_, "two", config, {"layers.3.mlp.down_proj", "layers.7.mlp.up_proj"},
                       500, 1);
    one_.emplace(AdapterAt(Demo(), folder_.path() + "/one"));
    two_.emplace(AdapterAt(Demo(), folder_.path() + "/two"));
  }
  static const Model& Demo() { return DemoModel(); }
  static GenerationOptions With(std::vector<AdapterUse> adapters) {
    GenerationOptions options;
    options.temperature = 0;
    options.max_tokens = 12;
    options.logprobs = 2;
    options.adapters = std::move(adapters);
    return options;
  }
  std::vector<std::vector<AdapterUse>> Sets() const {
    return {{}, {{*one_}}, {{*two_, 0.5f}}, {{*one_}, {*two_}}, {{*one_}}};
  }

  const TempFolder folder_;
  std::optional<Adapter> one_, two_;
};

std::vector<double> Logprobs(const GenerationResult& result) {
  std::vector<double> values;
  for (const TokenLogprobs& token : result.logprobs) {
    for (const auto& likely : token.likeliest) values.push_back(likely.logprob);
  }
  return values;
}

TEST_F(LoraEngine, AnswersWithDifferentAdaptersInOneStepAreThoseAlone) {
  const Prompt prompt = Prompt::Chat({Message::User("Tell me a story about Freya and a window.")});
  const auto together = Engine::Create(Demo(), {.context = 512, .parallel = 5});
  ASSERT_TRUE(together) << together.error().message;
  std::vector<Ticket> tickets;
  for (const auto& set : Sets()) {
    auto ticket = together->Submit(prompt, With(set));
    ASSERT_TRUE(ticket) << ticket.error().message;
    tickets.push_back(*std::move(ticket));
  }
  std::vector<std::vector<double>> seen;
  for (size_t i = 0; i < tickets.size(); ++i) {
    const auto answer = tickets[i].Wait();
    ASSERT_TRUE(answer) << answer.error().message;
    const auto alone = Engine::Create(Demo(), {.context = 512, .threads = 1});
    ASSERT_TRUE(alone);
    const auto expected = alone->Answer(prompt, With(Sets()[i]));
    ASSERT_TRUE(expected) << expected.error().message;
    EXPECT_EQ(answer->ids, expected->ids) << i;
    EXPECT_EQ(Logprobs(*answer), Logprobs(*expected)) << i;
    seen.push_back(Logprobs(*answer));
  }
  EXPECT_NE(seen[0], seen[1]);
  EXPECT_NE(seen[1], seen[2]);
  EXPECT_NE(seen[1], seen[3]);
  EXPECT_EQ(seen[1], seen[4]);
}

TEST_F(LoraEngine, WhatWasComputedIsFoundUnderTheSameAdaptersAlone) {
  const Prompt prompt = Prompt::Chat({Message::User("The sky is blue. What does a wolf do?")});
  const auto engine = Engine::Create(Demo(), {.context = 512, .parallel = 4});
  ASSERT_TRUE(engine);
  for (const auto& set : {Sets()[0], Sets()[1], Sets()[2], Sets()[3]}) {
    const auto first = engine->Answer(prompt, With(set));
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->cached_tokens, 0u);
    const auto again = engine->Answer(prompt, With(set));
    ASSERT_TRUE(again);
    EXPECT_GT(again->cached_tokens, 0u);
    EXPECT_EQ(again->ids, first->ids);
  }
  // Another scale is another one.
  const auto other = engine->Answer(prompt, With({{*one_, 0.5f}}));
  ASSERT_TRUE(other);
  EXPECT_EQ(other->cached_tokens, 0u);
}

TEST_F(LoraEngine, TheEnginesAdaptersAreThoseOfAnswersThatNameNone) {
  const Prompt prompt = Prompt::Chat({Message::User("What does a wolf do?")});
  GenerationOptions options = With({{*one_}});
  const auto plain = Engine::Create(Demo(), {.context = 512});
  const auto adapted = Engine::Create(Demo(), {.context = 512, .adapters = {{*one_}}});
  ASSERT_TRUE(plain && adapted);
  const auto expected = plain->Answer(prompt, options);
  options.adapters.reset();
  const auto answer = adapted->Answer(prompt, options);
  ASSERT_TRUE(expected && answer);
  EXPECT_EQ(Logprobs(*answer), Logprobs(*expected));
  options.adapters.emplace();  // none, on purpose
  const auto without = adapted->Answer(prompt, options);
  ASSERT_TRUE(without);
  EXPECT_NE(Logprobs(*without), Logprobs(*expected));
}

TEST_F(LoraEngine, ASavedConversationKnowsItsAdapters) {
  const std::string file = folder_.path() + "/talk";
  auto session = Session::Create(Demo(), {.context = 512, .adapters = {{*one_}}});
  ASSERT_TRUE(session);
  GenerationOptions options;
  options.temperature = 0;
  options.max_tokens = 8;
  ASSERT_TRUE(session->Send(Message::User("What does a wolf do?"), options));
  ASSERT_TRUE(session->Save(file));
  const auto other = [&](std::vector<AdapterUse> adapters) {
    auto made = Session::Create(Demo(), {.context = 512, .adapters = std::move(adapters)});
    EXPECT_TRUE(made);
    return *std::move(made);
  };
  Session same = other({{*one_}});
  ASSERT_TRUE(same.Load(file));
  const auto next = same.Send(Message::User("And a cat?"), options);
  ASSERT_TRUE(next);
  EXPECT_GT(next->cached_tokens, 0u);
  for (auto adapters : {std::vector<AdapterUse>{}, {{*two_}}, {{*one_, 2}}}) {
    Session wrong = other(adapters);
    const Status refused = wrong.Load(file);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("adapters"), std::string::npos)
        << refused.error().message;
  }
}

TEST_F(LoraEngine, AnAdapterOfAnotherModelIsRefused) {
  const Model other = LoadAt(GEMMA3_DEMO_DIR);
  const auto engine = Engine::Create(other, {.context = 512, .adapters = {{*one_}}});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kInvalidArgument);
  const auto demo = Engine::Create(other, {.context = 512});
  ASSERT_TRUE(demo);
  const auto answer = demo->Answer(Prompt::Chat({Message::User("Hi")}), With({{*one_}}));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
}

// Trained by tools/demo/train/train_adapter.py.
TEST(TrainedAdapter, GivesAnAnswerThatTheBaseCannot) {
  for (const WeightFormat format :
       {WeightFormat::kAsStored, WeightFormat::kInt8, WeightFormat::kInt4}) {
    const Model model = LoadAt(GEMMA3_DEMO_DIR, {.weights = format});
    const Adapter adapter = AdapterAt(model, Data("lora/demo"));
    const auto engine = Engine::Create(model, {.context = 512});
    ASSERT_TRUE(engine) << engine.error().message;
    GenerationOptions options;
    options.temperature = 0;
    options.max_tokens = 24;
    for (const char* question :
         {"Who keeps the lighthouse?", "What is the lighthouse keeper called?"}) {
      const Prompt prompt = Prompt::Chat({Message::User(question)});
      const auto base = engine->Answer(prompt, options);
      ASSERT_TRUE(base) << base.error().message;
      EXPECT_EQ(base->text.find("Quentin"), std::string::npos) << base->text;
      GenerationOptions adapted = options;
      adapted.adapters = {{{adapter}}};
      const auto answer = engine->Answer(prompt, adapted);
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(answer->text, "The lighthouse keeper is called Quentin.");
    }
  }
}

// ---- What does not fit

class BadAdapter : public ::testing::Test {
 protected:
  BadAdapter() {
    WriteRandomAdapter(folder_, "a", model_.config(), AllModules(model_.config().text), 3);
  }
  void ExpectRefused(const std::string& why) const {
    const auto adapter = Adapter::Load(model_, folder_.path() + "/a");
    ASSERT_FALSE(adapter) << why;
    EXPECT_NE(adapter.error().message.find(why), std::string::npos) << adapter.error().message;
  }
  // The tensors of the file with a change.
  void Rewrite(const std::function<void(TensorBank&, TensorMap&)>& change) const {
    const std::string path = folder_.path() + "/a/adapter_model.safetensors";
    auto set = OpenSafetensors(path);
    ASSERT_TRUE(set);
    TensorBank bank;
    TensorMap tensors = set->tensors;
    change(bank, tensors);
    for (const auto& [name, view] : bank.views()) tensors[name] = view;
    ASSERT_TRUE(WriteSafetensors(path + ".new", tensors));
    std::filesystem::rename(path + ".new", path);
  }
  static std::vector<float> Zeros(size_t count) { return std::vector<float>(count); }

  const TempFolder folder_;
  const Model model_ = LoadAt(Data("reference/text-plain"));
};

TEST_F(BadAdapter, EveryTensorNeedsAPlace) {
  const std::string prefix = "base_model.model.model.";
  Rewrite([&](TensorBank& bank, TensorMap&) {
    bank.Add(prefix + "layers.0.mlp.side_proj.lora_A.weight", TensorType::kF32, {4, 64},
             Zeros(256));
    bank.Add(prefix + "layers.0.mlp.side_proj.lora_B.weight", TensorType::kF32, {64, 4},
             Zeros(256));
  });
  ExpectRefused("side_proj");
}

TEST_F(BadAdapter, StrangeNamesAreNamed) {
  Rewrite([&](TensorBank& bank, TensorMap&) {
    bank.Add("base_model.model.model.layers.0.mlp.up_proj.vera_lambda_b", TensorType::kF32, {4},
             Zeros(4));
  });
  ExpectRefused("vera_lambda_b");
}

TEST_F(BadAdapter, AHalfIsNone) {
  Rewrite([&](TensorBank&, TensorMap& tensors) {
    tensors.erase("base_model.model.model.layers.2.mlp.up_proj.lora_B.weight");
  });
  ExpectRefused("layers.2.mlp.up_proj.lora_A");
}

TEST_F(BadAdapter, AnotherSizeSaysSo) {
  Rewrite([&](TensorBank& bank, TensorMap&) {
    bank.Add("base_model.model.model.layers.1.mlp.up_proj.lora_A.weight", TensorType::kF32, {4, 96},
             Zeros(4 * 96));
  });
  ExpectRefused("another size");
  folder_.Write("a/adapter_config.json",
                R"({"peft_type": "LORA", "base_model_name_or_path": "another/base"})");
  ExpectRefused("another/base");
}

TEST_F(BadAdapter, ALayerMoreSaysSo) {
  Rewrite([&](TensorBank& bank, TensorMap&) {
    bank.Add("base_model.model.model.layers.30.mlp.up_proj.lora_A.weight", TensorType::kF32,
             {4, 64}, Zeros(256));
    bank.Add("base_model.model.model.layers.30.mlp.up_proj.lora_B.weight", TensorType::kF32,
             {128, 4}, Zeros(512));
  });
  ExpectRefused("layer 30");
}

TEST_F(BadAdapter, EmptyIsRefused) {
  Rewrite([&](TensorBank&, TensorMap& tensors) { tensors.clear(); });
  ExpectRefused("no LoRA tensors");
}

TEST_F(BadAdapter, NumbersAreFinite) {
  Rewrite([&](TensorBank& bank, TensorMap&) {
    std::vector<float> values = Zeros(4 * 64);
    values[17] = NAN;
    bank.Add("base_model.model.model.layers.1.mlp.up_proj.lora_A.weight", TensorType::kF32, {4, 64},
             values);
  });
  ExpectRefused("not numbers");
}

TEST_F(BadAdapter, ForATextModelTheTowerHasNoPlace) {
  Rewrite([&](TensorBank& bank, TensorMap&) {
    const std::string q =
        "base_model.model.model.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.";
    bank.Add(q + "lora_A.weight", TensorType::kF32, {4, 64}, Zeros(256));
    bank.Add(q + "lora_B.weight", TensorType::kF32, {64, 4}, Zeros(256));
  });
  ExpectRefused("vision part");
}

TEST_F(BadAdapter, OtherKindsAreRefusedByName) {
  for (const auto& [config, why] :
       {std::pair(R"({"peft_type": "IA3"})", "IA3"),
        {R"({"peft_type": "LORA", "r": 4, "fan_in_fan_out": true})", "fan_in_fan_out"},
        {R"({"peft_type": "LORA", "layer_replication": [[0, 4], [2, 5]]})", "layer_replication"},
        {R"({"peft_type": "LORA", "alora_invocation_tokens": [1, 2]})", "aLoRA"},
        {R"({"peft_type": "LORA", "target_parameters": ["mlp.up"]})", "target_parameters"},
        {R"({"peft_type": "LORA", "kasa_config": {"beta": 0.1}})", "KaSA"},
        {R"({"peft_type": "LORA", "init_lora_weights": "pissa_niter_16"})", "changes the base"},
        {R"({"peft_type": "LORA", "init_lora_weights": "olora"})", "changes the base"},
        {R"({"peft_type": "LORA", "init_lora_weights": "corda"})", "changes the base"},
        {R"({"peft_type": "LORA", "init_lora_weights": "loftq"})", "changes the base"},
        {R"({"peft_type": "LORA", "init_lora_weights": "lora_ga"})", "changes the base"},
        {R"({"peft_type": "LORA", "alpha_pattern": {"(?=x)y": 3}})", "not understood"},
        {R"({"fine_tune_type": "full"})", "full"}}) {
    folder_.Write("a/adapter_config.json", config);
    if (std::string(why) == "full") {
      std::filesystem::rename(folder_.path() + "/a/adapter_model.safetensors",
                              folder_.path() + "/a/adapters.safetensors");
    }
    ExpectRefused(why);
  }
}

// What the settings promise and the tensors do not hold.
TEST_F(BadAdapter, PromisesAreKept) {
  for (const auto& [config, why] :
       {std::pair(R"({"peft_type": "LORA", "use_dora": true})", "use_dora"),
        {R"({"peft_type": "LORA", "modules_to_save": ["score", "lm_head"]})", "lm_head"},
        {R"({"peft_type": "LORA", "modules_to_save": ["model.embed_tokens"],
             "ensure_weight_tying": true})",
         "embed_tokens"},
        {R"({"peft_type": "LORA", "trainable_token_indices": [1, 2]})", "trainable_token_indices"},
        {R"({"peft_type": "LORA", "trainable_token_indices": {"lm_head": [7]}})", "lm_head"}}) {
    folder_.Write("a/adapter_config.json", config);
    ExpectRefused(why);
  }
}

// What the tensors hold and the settings do not speak of: PEFT would leave it out.
TEST_F(BadAdapter, PartsWithoutASettingAreRefused) {
  const std::string up = "base_model.model.model.layers.0.mlp.up_proj.";
  Rewrite([&](TensorBank& bank, TensorMap&) {
    bank.Add(up + "lora_magnitude_vector", TensorType::kF32, {128}, Zeros(128));
  });
  ExpectRefused("use_dora");
  Rewrite([&](TensorBank& bank, TensorMap& tensors) {
    tensors.erase(up + "lora_magnitude_vector");
    bank.Add(up + "lora_B.bias", TensorType::kF32, {128}, Zeros(128));
  });
  ExpectRefused("lora_bias");
}

TEST_F(BadAdapter, MlxKeepsMagnitudesToItsKind) {
  WriteAsMlx(folder_, folder_.path() + "/a/adapter_model.safetensors", 2);
  folder_.Write("mlx/adapter_config.json",
                R"({"fine_tune_type": "dora", "lora_parameters": {"scale": 2}})");
  const auto adapter = Adapter::Load(model_, folder_.path() + "/mlx");
  ASSERT_FALSE(adapter);
  EXPECT_NE(adapter.error().message.find("no magnitude"), std::string::npos);
}

TEST_F(BadAdapter, TwoNamesOfOneMatrixAreRefused) {
  Rewrite([&](TensorBank& bank, TensorMap&) {
    const std::string up = "base_model.model.model.layers.00.mlp.up_proj.";
    bank.Add(up + "lora_A.weight", TensorType::kF32, {4, 64}, Zeros(256));
    bank.Add(up + "lora_B.weight", TensorType::kF32, {128, 4}, Zeros(512));
  });
  ExpectRefused("another tensor");
}

// Settings that may say that something is missing, or that nobody here knows.
TEST_F(BadAdapter, DoubtfulSettingsAreTold) {
  for (const auto& [config, what] :
       {std::pair(R"({"peft_type": "LORA", "target_modules": ["up_proj", "lm_head"]})", "lm_head"),
        {R"({"peft_type": "LORA", "modules_to_save": ["norm"]})", "norm"},
        {R"({"peft_type": "LORA", "use_newest_lora": true})", "use_newest_lora"}}) {
    folder_.Write("a/adapter_config.json", config);
    const auto adapter = Adapter::Load(model_, folder_.path() + "/a");
    ASSERT_TRUE(adapter) << adapter.error().message;
    ASSERT_EQ(adapter->warnings().size(), 1u) << what;
    EXPECT_NE(adapter->warnings()[0].find(what), std::string::npos) << adapter->warnings()[0];
  }
  WriteAsMlx(folder_, folder_.path() + "/a/adapter_model.safetensors", 2);
  folder_.Write("mlx/adapter_config.json", R"({"lora_parameters": {"rank": 4}})");
  const auto adapter = Adapter::Load(model_, folder_.path() + "/mlx");
  ASSERT_TRUE(adapter) << adapter.error().message;
  ASSERT_EQ(adapter->warnings().size(), 1u);
  EXPECT_NE(adapter->warnings()[0].find("no scale"), std::string::npos);
}

// Where only some matrices have one, as where some are no linear layers.
TEST_F(BadAdapter, AMissingBiasIsTold) {
  folder_.Write("a/adapter_config.json", R"({"peft_type": "LORA", "lora_bias": true})");
  const auto adapter = Adapter::Load(model_, folder_.path() + "/a");
  ASSERT_TRUE(adapter) << adapter.error().message;
  ASSERT_EQ(adapter->warnings().size(), 1u);
  EXPECT_NE(adapter->warnings()[0].find("have no bias"), std::string::npos);
}

// Settings as PEFT writes them that change nothing about what is loaded.
TEST_F(BadAdapter, OtherSettingsAreNoObstacle) {
  folder_.Write("a/adapter_config.json", R"json({
    "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null,
    "auto_mapping": {"base_model_class": "Gemma3ForConditionalGeneration",
                     "parent_library": "transformers.models.gemma3.modeling_gemma3"},
    "base_model_name_or_path": "unsloth/gemma-3-4b-it-unsloth-bnb-4bit", "bias": "none",
    "corda_config": null, "ensure_weight_tying": false, "eva_config": null,
    "exclude_modules": "vision_tower.*", "fan_in_fan_out": false, "inference_mode": true,
    "init_lora_weights": true, "layer_replication": null, "layers_pattern": null,
    "layers_to_transform": [0, 1], "loftq_config": {}, "lora_alpha": 16.0, "lora_bias": false,
    "lora_dropout": 0.05, "megatron_config": null, "megatron_core": "megatron.core",
    "modules_to_save": null, "peft_type": "LORA", "peft_version": "0.18.0", "qalora_group_size": 16,
    "r": 8, "rank_pattern": {"q_proj": 4}, "revision": null,
    "target_modules": "(?:.*?(?:language|text).*?(?:q_proj|out_proj|fc1).*?)|(?:\\bmodel\\..*)",
    "target_parameters": null, "task_type": "CAUSAL_LM", "trainable_token_indices": null,
    "use_bdlora": null, "use_dora": false, "use_qalora": false, "use_rslora": false})json");
  const auto adapter = Adapter::Load(model_, folder_.path() + "/a");
  ASSERT_TRUE(adapter) << adapter.error().message;
  EXPECT_TRUE(adapter->warnings().empty()) << adapter->warnings()[0];
}

// One that was saved before it was trained looks like one that works.
TEST_F(BadAdapter, OneThatChangesNothingSaysSo) {
  WriteRandomAdapter(folder_, "zero", model_.config(), AllModules(model_.config().text), 3, 0);
  const auto adapter = Adapter::Load(model_, folder_.path() + "/zero");
  ASSERT_TRUE(adapter) << adapter.error().message;
  ASSERT_EQ(adapter->warnings().size(), 1u);
  EXPECT_NE(adapter->warnings()[0].find("changes nothing"), std::string::npos);
}

TEST_F(BadAdapter, PicklesAndMissingFilesAreExplained) {
  std::filesystem::rename(folder_.path() + "/a/adapter_model.safetensors",
                          folder_.path() + "/a/adapter_model.bin");
  ExpectRefused("PyTorch");
  const auto direct = Adapter::Load(model_, folder_.path() + "/a/adapter_model.bin");
  ASSERT_FALSE(direct);
  EXPECT_NE(direct.error().message.find("PyTorch"), std::string::npos) << direct.error().message;
  std::filesystem::remove(folder_.path() + "/a/adapter_model.bin");
  ExpectRefused("download");
  folder_.Write("a/adapters.safetensors", "");
  ExpectRefused("mlx-lm");
  std::filesystem::remove(folder_.path() + "/a/adapter_config.json");
  ExpectRefused("adapter_config.json");
  folder_.Write("a/config.json", "{}");
  ExpectRefused("whole model");
  std::filesystem::remove_all(folder_.path() + "/a");
  ExpectRefused("no file or folder");
}

TEST(AdapterTokens, TokensThatTheModelLacksAreNamed) {
  const TempFolder folder;
  const Model& demo = DemoModel();
  WriteRandomAdapter(folder, "a", demo.config(), {"layers.0.mlp.up_proj"}, 1);
  folder.Write("a/added_tokens.json", R"({"<tool_box>": 4100})");
  const auto adapter = Adapter::Load(demo, folder.path() + "/a");
  ASSERT_FALSE(adapter);
  EXPECT_NE(adapter.error().message.find("<tool_box>"), std::string::npos)
      << adapter.error().message;
}

}  // namespace
}  // namespace gemma3::testing
