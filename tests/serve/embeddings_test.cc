// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Requests for vectors, and how vectors are told.
#include "tools/serve/embeddings.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/serve/request_parts.h"
#include "tools/serve/json_out.h"

namespace gemma3::serve {
namespace {

EmbedAsk EmbedOf(const Json& body) {
  auto ask = ReadEmbeddings(In(body), View());
  EXPECT_TRUE(ask) << ask.error().message;
  return ask ? *std::move(ask) : EmbedAsk();
}

TEST(EmbeddingRequests, TextsAndTheirForms) {
  EXPECT_EQ(EmbedOf({{"input", "a"}}).texts, (std::vector<std::string>{"a"}));
  const EmbedAsk ask = EmbedOf({{"input", {"a", "b"}},
                                {"encoding_format", "base64"},
                                {"dimensions", 256},
                                {"input_type", "query"}});
  EXPECT_EQ(ask.texts, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(ask.base64);
  EXPECT_EQ(ask.options.dimensions, 256u);
  EXPECT_EQ(ask.options.prompt, "query");
  EXPECT_FALSE(ask.options.truncate);
}

TEST(EmbeddingRequests, WhatIsWrongIsNamed) {
  const std::vector<std::pair<Json, const char*>> cases = {
      {{{"model", "tiny"}}, "input"},
      {{{"input", ""}}, "input"},
      {{{"input", Json::array()}}, "input"},
      {{{"input", {"a", ""}}}, "input[1]"},
      {{{"input", {"a", 5}}}, "input[1]"},
      {{{"input", {{"a", 1}}}}, "input"},
      {{{"input", "a"}, {"encoding_format", "binary"}}, "encoding_format"},
      {{{"input", "a"}, {"dimensions", 0}}, "dimensions"},
      {{{"input", std::vector<std::string>(2049, "a")}}, "input"},
  };
  for (const auto& [body, param] : cases) {
    const auto ask = ReadEmbeddings(In(body), View());
    ASSERT_FALSE(ask) << body.dump().substr(0, 100);
    EXPECT_EQ(ask.error().status, 400);
    EXPECT_EQ(ask.error().param, param) << body.dump().substr(0, 100);
  }
}

// Ids of another vocabulary are ids of this one, too: only how a text is spelled tells them apart.
TEST(EmbeddingRequests, TokensMustBeThoseOfAText) {
  ModelView view = View();
  // Letters from 10, "ab" in one token, 2 and 1 around a text.
  view.decode = [](std::span<const TokenId> ids) {
    std::string text;
    for (const TokenId id : ids) {
      if (id == 99) text += "ab";
      if (id >= 10 && id < 36) text += static_cast<char>('a' + id - 10);
    }
    return text;
  };
  view.encode = [](std::string_view text) {
    std::vector<TokenId> ids;
    for (size_t i = 0; i < text.size(); ++i) {
      const bool pair = text.substr(i, 2) == "ab";
      ids.push_back(pair ? 99 : text[i] - 'a' + 10);
      if (pair) ++i;
    }
    return ids;
  };
  const auto texts = [&](const Json& input) {
    const auto ask = ReadEmbeddings(In({{"input", input}}), view);
    return ask ? ask->texts : std::vector<std::string>{"error: " + ask.error().param};
  };
  EXPECT_EQ(texts({12, 99}), (std::vector<std::string>{"cab"}));
  EXPECT_EQ(texts({2, 12, 99, 1}), (std::vector<std::string>{"cab"}));
  EXPECT_EQ(texts({{12}, {99, 13}}), (std::vector<std::string>{"c", "abd"}));
  EXPECT_EQ(texts({12, 10, 11}), (std::vector<std::string>{"error: input"}));  // "ab" is one
  EXPECT_EQ(texts({12, 2, 13}), (std::vector<std::string>{"error: input"}));
  EXPECT_EQ(texts({2, 1}), (std::vector<std::string>{"error: input"}));
  EXPECT_EQ(texts({{12}, {11, 10, 11, 2, 3}}), (std::vector<std::string>{"error: input[1]"}));
}

TEST(EmbeddingRequests, VectorsAreToldExactly) {
  Embeddings embeddings;
  embeddings.dimensions = 4;
  embeddings.values = {0.25f, -0.5f, 1.0f / 3, 1};
  embeddings.tokens = {8};
  const Json told = Json::parse(EmbeddingsJson({}, embeddings, "tiny"));
  EXPECT_EQ(told["data"][0]["embedding"].get<std::vector<float>>(), embeddings.values);
  EXPECT_EQ(told["usage"]["total_tokens"], 8);
  EXPECT_EQ(told["model"], "tiny");
  const Json coded = Json::parse(EmbeddingsJson({.base64 = true}, embeddings, "tiny"));
  EXPECT_EQ(coded["data"][0]["embedding"], "AACAPgAAAL+rqqo+AACAPw==");
}

TEST(EmbeddingRequests, OllamasForms) {
  const auto ask = ReadOllamaEmbed(In({{"model", "tiny"}, {"input", {"a", "b"}}}), false);
  ASSERT_TRUE(ask);
  EXPECT_EQ(ask->texts.size(), 2u);
  EXPECT_TRUE(ask->options.truncate);
  EXPECT_TRUE(ReadOllamaEmbed(In({{"input", ""}}), false)->texts.empty());
  EXPECT_FALSE(ReadOllamaEmbed(In({{"input", "a"}, {"truncate", false}}), false)->options.truncate);
  Embeddings none;
  EXPECT_EQ(Json::parse(OllamaEmbedJson(*ask, none, "tiny", 1))["embeddings"], Json::array());
  Embeddings one;
  one.dimensions = 2;
  one.values = {0.6f, 0.8f};
  one.tokens = {3};
  const auto old = ReadOllamaEmbed(In({{"prompt", "a"}}), true);
  ASSERT_TRUE(old);
  EXPECT_EQ(Json::parse(OllamaEmbedJson(*old, one, "tiny", 1))["embedding"].size(), 2u);
  EXPECT_EQ(Json::parse(OllamaEmbedJson(*ask, one, "tiny", 1))["prompt_eval_count"], 3);
}

}  // namespace
}  // namespace gemma3::serve
