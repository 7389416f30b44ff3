// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/stores/ollama.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

struct Read {
  StoreDefaults defaults;
  Remarks remarks;
};

Read Parameters(const std::string& json) {
  Read read;
  const Status status = ReadOllamaParameters(json, "p", &read.defaults, &read.remarks);
  EXPECT_TRUE(status) << status.error().message;
  return read;
}

TEST(ReadOllamaParameters, HaveTheirMeaning) {
  const auto [defaults, remarks] = Parameters(
      R"({"temperature":0.25,"top_k":5,"top_p":0.5,"min_p":0.125,"repeat_penalty":1.5,
          "repeat_last_n":32,"num_ctx":4096,"stop":["END","<end_of_turn>"],"num_predict":-1})");
  EXPECT_EQ(defaults.temperature, 0.25f);
  EXPECT_EQ(defaults.top_k, 5);
  EXPECT_EQ(defaults.top_p, 0.5f);
  EXPECT_EQ(defaults.min_p, 0.125f);
  EXPECT_EQ(defaults.repeat_penalty, 1.5f);
  EXPECT_EQ(defaults.repeat_last_n, 32u);
  EXPECT_EQ(defaults.context, 4096u);
  EXPECT_EQ(defaults.stop, (std::vector<std::string>{"END", "<end_of_turn>"}));
  EXPECT_FALSE(defaults.system);
  EXPECT_TRUE(remarks.warnings.empty()) << remarks.warnings.front();
  EXPECT_TRUE(remarks.notes.empty());
}

TEST(ReadOllamaParameters, EdgesOfTheRanges) {
  const auto [defaults, remarks] = Parameters(
      R"({"temperature":0,"top_k":-1,"top_p":7,"repeat_last_n":-1,"stop":"END","seed":null})");
  EXPECT_EQ(defaults.temperature, 0.0f);
  EXPECT_EQ(defaults.top_k, 0);
  EXPECT_EQ(defaults.top_p, 1.0f);
  EXPECT_EQ(defaults.repeat_last_n, std::numeric_limits<size_t>::max());
  EXPECT_EQ(defaults.stop, (std::vector<std::string>{"END"}));
  EXPECT_TRUE(remarks.warnings.empty()) << remarks.warnings.front();
}

// One bad or unknown parameter never keeps a model from being used, and none goes in silence.
TEST(ReadOllamaParameters, WhatIsNotUsedIsNamed) {
  const struct {
    const char *json, *named;
  } kCases[] = {
      {R"({"temperature":-1})", "temperature"},
      {R"({"temperature":"hot"})", "temperature"},
      {R"({"top_k":[1]})", "top_k"},
      {R"({"min_p":2})", "min_p"},
      {R"({"repeat_penalty":0})", "repeat_penalty"},
      {R"({"num_ctx":0})", "num_ctx"},
      {R"({"stop":[1]})", "stop"},
      {R"({"stop":[""]})", "stop"},
      {R"({"mirostat":2})", "mirostat"},
      {R"({"num_predict":10})", "num_predict"},
      {R"({"typical_p":0.5,"presence_penalty":1})", "presence_penalty, typical_p"},
  };
  for (const auto& [json, named] : kCases) {
    const auto [defaults, remarks] = Parameters(json);
    ASSERT_EQ(remarks.warnings.size(), 1u) << json;
    EXPECT_NE(remarks.warnings[0].find(named), std::string::npos) << remarks.warnings[0];
    EXPECT_FALSE(defaults.temperature || defaults.top_k || defaults.min_p || defaults.context);
    EXPECT_TRUE(defaults.stop.empty());
  }
  const auto [defaults, remarks] = Parameters(R"({"num_gpu":1,"use_mmap":true})");
  EXPECT_TRUE(remarks.warnings.empty());
  ASSERT_EQ(remarks.notes.size(), 1u);
  EXPECT_NE(remarks.notes[0].find("num_gpu, use_mmap"), std::string::npos) << remarks.notes[0];

  StoreDefaults none;
  Remarks nothing;
  EXPECT_FALSE(ReadOllamaParameters("[1]", "p", &none, &nothing));
  EXPECT_FALSE(ReadOllamaParameters("{", "p", &none, &nothing));
}

TEST(FindInOllama, ReadsTheLayersBesideTheWeights) {
  const testing::TempFolder folder;
  std::string layers;
  char digit = '0';
  const auto add = [&](const std::string& type, const std::string& content) {
    const std::string hex(64, digit++);
    folder.Write("blobs/sha256-" + hex, content);
    layers += (layers.empty() ? "" : ",") +
              ("{\"mediaType\":\"" + type + "\",\"digest\":\"sha256:") + hex +
              "\",\"size\":" + std::to_string(content.size()) + "}";
  };
  const std::string image = "application/vnd.ollama.image.";
  add(image + "model", "GGUF");
  add(image + "system", "Speak like a pirate.\n");
  add(image + "template", "{{ .Prompt }}");
  add(image + "params", R"({"stop":["END"],"temperature":0,"mirostat":1})");
  add(image + "messages", "[]");
  add(image + "license", "free");
  folder.Write("manifests/registry.ollama.ai/library/pirate/latest",
               "{\"layers\":[" + layers + "]}");
  const auto found = FindInOllama({"pirate"}, "", folder.path());
  ASSERT_TRUE(found && *found);
  const FoundModel& model = **found;
  EXPECT_EQ(model.name, "pirate:latest");
  EXPECT_EQ(model.path, folder.path() + "/blobs/sha256-" + std::string(64, '0'));
  EXPECT_EQ(model.defaults.system, "Speak like a pirate.\n");
  EXPECT_EQ(model.chat_template, "{{ .Prompt }}");
  EXPECT_EQ(model.defaults.temperature, 0.0f);
  EXPECT_EQ(model.defaults.stop, (std::vector<std::string>{"END"}));
  ASSERT_EQ(model.remarks.warnings.size(), 2u);
  EXPECT_NE(model.remarks.warnings[0].find("mirostat"), std::string::npos);
  EXPECT_NE(model.remarks.warnings[1].find("MESSAGE"), std::string::npos);

  add("application/something.new", "x");
  folder.Write("manifests/registry.ollama.ai/library/pirate/latest",
               "{\"layers\":[" + layers + "]}");
  const auto newer = FindInOllama({"pirate"}, "latest", folder.path());
  ASSERT_TRUE(newer && *newer);
  EXPECT_NE((*newer)->remarks.warnings.back().find("application/something.new"), std::string::npos);
  EXPECT_FALSE(*FindInOllama({"pirate"}, "other", folder.path()));
}

}  // namespace
}  // namespace gemma3
