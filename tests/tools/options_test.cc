// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/options.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace gemma3::cli {
namespace {

Settings With(std::string_view name, std::string_view value) {
  Settings settings;
  const Status status = ApplySetting(settings, name, value, true);
  EXPECT_TRUE(status) << name << " " << value << ": "
                      << (status ? std::string() : status.error().message);
  return settings;
}

TEST(Settings, NamesAreUniqueLowerCaseAndFound) {
  std::set<std::string> names;
  for (const Setting& setting : AllSettings()) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_EQ(setting.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string::npos);
    EXPECT_EQ(FindSetting(setting.name), &setting);
    EXPECT_EQ(FindSetting("--" + setting.name), &setting);
  }
  EXPECT_EQ(FindSetting("max_tokens"), FindSetting("max-tokens"));
}

TEST(Settings, HasTheFlagsThatScriptsRelyOn) {
  for (const char* name :
       {"temperature",  "top-k",      "top-p",         "min-p",   "repeat-penalty", "repeat-last-n",
        "seed",         "max-tokens", "stop",          "system",  "context",        "threads",
        "compute",      "kv",         "prefill-batch", "weights", "mmproj",         "max-memory",
        "pan-and-scan", "alpha",      "from",          "to"}) {
    EXPECT_NE(FindSetting(name), nullptr) << name;
  }
}

TEST(Settings, ReachTheFieldOfTheirName) {
  EXPECT_EQ(With("temperature", "0.5").generation.temperature, 0.5f);
  EXPECT_EQ(With("top-k", "40").generation.top_k, 40);
  EXPECT_EQ(With("top_p", "0.9").generation.top_p, 0.9f);
  EXPECT_EQ(With("min-p", "0.05").generation.min_p, 0.05f);
  EXPECT_EQ(With("repeat-penalty", "1.1").generation.repeat_penalty, 1.1f);
  EXPECT_EQ(With("repeat-last-n", "0").generation.repeat_last_n, 0u);
  EXPECT_EQ(With("seed", "18446744073709551615").generation.seed, UINT64_MAX);
  EXPECT_FALSE(With("seed", "random").generation.seed);
  EXPECT_EQ(With("max-tokens", "7").generation.max_tokens, 7u);
  EXPECT_EQ(With("stop", "\n").generation.stop, std::vector<std::string>{"\n"});
  EXPECT_EQ(With("system", "Be brief.").system, "Be brief.");
  EXPECT_EQ(With("system", "").system, "");
  EXPECT_EQ(With("from", "de").from, "de");
  EXPECT_EQ(With("to", "en-GB").to, "en-GB");
  EXPECT_EQ(With("context", "8K").session.context, 8192u);
  EXPECT_EQ(With("threads", "2").session.threads, 2u);
  EXPECT_EQ(With("threads", "2").load.threads, 2u);
  EXPECT_EQ(With("compute", "f32").session.compute, ComputeMode::kExact);
  EXPECT_EQ(With("kv", "int8").session.kv, KvCacheType::kInt8);
  EXPECT_EQ(With("prefill-batch", "1").session.prefill_batch, 1u);
  EXPECT_EQ(With("max-memory", "6G").session.max_memory_bytes, size_t{6} << 30);
  EXPECT_EQ(With("max-memory", "6G").load.max_memory_bytes, size_t{6} << 30);
  EXPECT_EQ(With("alpha", "white").images.alpha, Alpha::kWhite);
  EXPECT_EQ(With("image-cache", "1M").session.image_cache_bytes, size_t{1} << 20);
  EXPECT_EQ(With("pan-and-scan", "on").session.pan_and_scan, PanAndScan::kOn);
  EXPECT_EQ(With("image-newlines", "merged").session.image_newlines, ImageNewlines::kMerged);
  EXPECT_EQ(With("weights", "int4").load.weights, WeightFormat::kInt4);
  EXPECT_EQ(With("mmproj", "a.gguf").load.mmproj, "a.gguf");
}

TEST(Settings, ToolChoiceIsAWordOrNames) {
  const auto choice = [](std::string_view text) {
    return With("tool-choice", text).generation.tools.choice;
  };
  EXPECT_EQ(choice("auto"), ToolChoice::Auto());
  EXPECT_EQ(choice("none"), ToolChoice::None());
  EXPECT_EQ(choice("required"), ToolChoice::Required());
  EXPECT_EQ(choice("get_weather"), ToolChoice::Named("get_weather"));
  const ToolChoice two = ToolChoice::Subset({"a", "b.c"}, ToolChoice::Mode::kRequired);
  EXPECT_EQ(choice("a, b.c"), two);
  EXPECT_EQ(choice("default"), ToolChoice::Auto());
  for (const char* text : {"auto", "none", "required", "a,b.c"}) {
    EXPECT_EQ(FindSetting("tool-choice")->get(With("tool_choice", text)), text);
  }
  Settings settings;
  for (const char* bad : {"", ",", "a,", ",a", "a,,b"}) {
    EXPECT_FALSE(ApplySetting(settings, "tool-choice", bad, true)) << bad;
  }
  EXPECT_EQ(With("tool-style", "python").generation.tools.style, ToolStyle::kPython);
  EXPECT_FALSE(ApplySetting(settings, "tool-style", "xml", true));
}

TEST(Settings, AcceptTheEndsOfTheirRange) {
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"temperature", "0"},
                                                                  {"top-k", "0"},
                                                                  {"top-k", "2147483647"},
                                                                  {"top-p", "1"},
                                                                  {"top-p", "0"},
                                                                  {"min-p", "0"},
                                                                  {"min-p", "1"},
                                                                  {"threads", "0"},
                                                                  {"seed", "0"},
                                                                  {"seed", "random"}}) {
    With(name, value);
  }
}

TEST(Settings, RefuseWhatIsOutOfRangeAndChangeNothing) {
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"temperature", "-0.1"}, {"temperature", "nan"},
           {"temperature", "1e39"}, {"temperature", ""},
           {"top-k", "-1"},         {"top-k", "2147483648"},
           {"top-k", "1.5"},        {"top-p", "-0.1"},
           {"top-p", "1.01"},       {"min-p", "-0.1"},
           {"min-p", "1.1"},        {"repeat-penalty", "0"},
           {"seed", "-1"},          {"seed", "18446744073709551616"},
           {"max-tokens", "-5"},    {"stop", ""},
           {"context", "many"},     {"threads", "1025"},
           {"compute", "bf16"},     {"kv", "int4"},
           {"prefill-batch", "0"},  {"weights", "int2"},
           {"max-memory", "6X"},    {"pan-and-scan", "maybe"}}) {
    Settings settings;
    const Status status = ApplySetting(settings, name, value, true);
    ASSERT_FALSE(status) << name << " " << value;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(status.error().message.find(name), std::string::npos);
    const Setting& setting = *FindSetting(name);
    EXPECT_NE(status.error().message.find(setting.range), std::string::npos);
    EXPECT_EQ(setting.get(settings), setting.get(Settings{})) << name << " " << value;
  }
}

TEST(Settings, ShowWhatWasSetAndReturnToTheDefault) {
  const std::pair<const char*, const char*> kChanges[] = {
      {"temperature", "0.25"}, {"top-k", "3"},     {"seed", "9"},         {"system", "x"},
      {"kv", "f32"},           {"context", "100"}, {"max-memory", "123"}, {"weights", "int8"},
      {"threads", "3"},        {"alpha", "black"}};
  for (const auto& [name, value] : kChanges) {
    Settings settings = With(name, value);
    const Setting& setting = *FindSetting(name);
    EXPECT_EQ(setting.get(settings), value);
    ASSERT_TRUE(ApplySetting(settings, name, "default", true));
    EXPECT_EQ(setting.get(settings), setting.get(Settings{})) << name;
  }
}

TEST(Settings, StopAddsUpAndDefaultIsTextOnTheCommandLine) {
  Settings settings;
  ASSERT_TRUE(ApplySetting(settings, "stop", "END", false));
  ASSERT_TRUE(ApplySetting(settings, "stop", "default", false));
  EXPECT_EQ(settings.generation.stop, (std::vector<std::string>{"END", "default"}));
  ASSERT_TRUE(ApplySetting(settings, "stop", "default", true));
  EXPECT_TRUE(settings.generation.stop.empty());
}

TEST(Settings, UnknownNameNamesTheNearest) {
  Settings settings;
  const Status status = ApplySetting(settings, "temprature", "1", true);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("did you mean temperature?"), std::string::npos);
}

TEST(WithModelDefaults, FillsOnlyWhatWasLeftOpen) {
  Settings settings = With("top-k", "5");
  ModelConfig config;
  config.generation = {.temperature = 0.7f,
                       .top_k = 9,
                       .top_p = 0.8f,
                       .min_p = 0.1f,
                       .repeat_penalty = 1.3f,
                       .stop = {"END"}};
  config.system = "Be brief.";
  config.default_context = 100;
  Settings resolved = WithModelDefaults(settings, config);
  EXPECT_EQ(resolved.generation.temperature, 0.7f);
  EXPECT_EQ(resolved.generation.top_k, 5);
  EXPECT_EQ(resolved.generation.top_p, 0.8f);
  EXPECT_EQ(resolved.generation.min_p, 0.1f);
  EXPECT_EQ(resolved.generation.repeat_penalty, 1.3f);
  EXPECT_EQ(resolved.generation.stop, (std::vector<std::string>{"END"}));
  EXPECT_EQ(resolved.system, "Be brief.");
  EXPECT_EQ(resolved.session.context, 100u);
  settings.system = "";  // none, not even the model's
  settings.generation.stop = {"x"};
  settings.session.context = 50;
  resolved = WithModelDefaults(settings, config);
  EXPECT_EQ(resolved.system, "");
  EXPECT_EQ(resolved.generation.stop, (std::vector<std::string>{"x"}));
  EXPECT_EQ(resolved.session.context, 50u);
}

}  // namespace
}  // namespace gemma3::cli
