// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/embeddings.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>
#include <utility>

#include "tools/base64.h"
#include "tools/serve/json_out.h"
#include "tools/serve/openai_fields.h"
#include "tools/vector_json.h"

namespace gemma3::serve {
namespace {

constexpr size_t kMaxTexts = 2048;
constexpr int64_t kMostDimensions = 1 << 20;  // the model says what it has

Api<std::string> ReadText(const JsonIn& value, const ModelView& model) {
  if (AreTokens(value)) {
    GEMMA3_TRY(const std::vector<TokenId> ids, ReadTokens(value));
    // Control tokens decode to nothing: those that tokenizers put around a text are left out.
    std::span<const TokenId> inner = ids;
    while (!inner.empty() && model.decode && model.decode(inner.first(1)).empty()) {
      inner = inner.subspan(1);
    }
    while (!inner.empty() && model.decode && model.decode(inner.last(1)).empty()) {
      inner = inner.first(inner.size() - 1);
    }
    const std::string text = model.decode ? model.decode(inner) : "";
    // Ids of another vocabulary are ids of this one as well, but hardly as it spells a text.
    if (text.empty() || !model.encode || !std::ranges::equal(model.encode(text), inner)) {
      return value.Wrong(
          "these are not the tokens of a text in the vocabulary of this model; send the text "
          "itself");
    }
    return text;
  }
  GEMMA3_TRY(std::string text, value.String());
  if (text.empty()) return value.Wrong("a text must not be empty");
  return text;
}

Api<std::vector<std::string>> ReadTexts(const JsonIn& input, const ModelView& model) {
  std::vector<std::string> texts;
  if (!input.IsArray() || AreTokens(input)) {
    GEMMA3_TRY(std::string text, ReadText(input, model));
    texts.push_back(std::move(text));
    return texts;
  }
  if (input.size() == 0) return input.Wrong("expected at least one text");
  if (input.size() > kMaxTexts) {
    return input.Wrong("at most " + std::to_string(kMaxTexts) + " texts at a time");
  }
  for (size_t i = 0; i < input.size(); ++i) {
    GEMMA3_TRY(std::string text, ReadText(input.At(i), model));
    texts.push_back(std::move(text));
  }
  return texts;
}

Api<void> ReadDimensions(const JsonIn& body, EmbedOptions& options) {
  GEMMA3_TRY(const auto dimensions, body.FindInteger("dimensions", 1, kMostDimensions));
  if (dimensions) options.dimensions = static_cast<size_t>(*dimensions);
  return {};
}

size_t TokensOf(const Embeddings& embeddings) {
  return std::accumulate(embeddings.tokens.begin(), embeddings.tokens.end(), size_t{0});
}

}  // namespace

Api<EmbedAsk> ReadEmbeddings(const JsonIn& body, const ModelView& model) {
  EmbedAsk ask;
  GEMMA3_TRY(const JsonIn input, body.Need("input"));
  GEMMA3_TRY(ask.texts, ReadTexts(input, model));
  GEMMA3_TRY(const auto format, body.FindString("encoding_format"));
  if (format && *format != "float" && *format != "base64") {
    return body.Find("encoding_format")->Wrong("expected float or base64");
  }
  ask.base64 = format == "base64";
  GEMMA3_CHECK_OK(ReadDimensions(body, ask.options));
  for (const char* key : {"input_type", "prompt_name"}) {
    GEMMA3_TRY(const auto prompt, body.FindString(key));
    if (prompt) ask.options.prompt = *prompt;
  }
  return ask;
}

Api<EmbedAsk> ReadOllamaEmbed(const JsonIn& body, bool old_form) {
  EmbedAsk ask;
  ask.single = old_form;
  GEMMA3_TRY(ask.options.truncate, body.FindBool("truncate", true));
  GEMMA3_CHECK_OK(ReadDimensions(body, ask.options));
  const auto input = body.Find(old_form ? "prompt" : "input");
  if (!input) return ask;  // only loads the model
  if (input->IsArray() && input->size() == 0) return ask;
  if (input->IsString()) {
    GEMMA3_TRY(const std::string text, input->String());
    if (text.empty()) return ask;
  }
  GEMMA3_TRY(ask.texts, ReadTexts(*input, {}));
  return ask;
}

std::string EmbeddingsJson(const EmbedAsk& ask, const Embeddings& embeddings,
                           const std::string& model) {
  static_assert(std::endian::native == std::endian::little);  // as base64 has them
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < embeddings.size(); ++i) {
    if (i > 0) out += ',';
    out += R"({"object":"embedding","index":)" + std::to_string(i) + R"(,"embedding":)";
    const std::span<const float> vector = embeddings.vector(i);
    if (ask.base64) {
      const std::string_view bytes(reinterpret_cast<const char*>(vector.data()),
                                   vector.size_bytes());
      out += '"' + cli::EncodeBase64(bytes) + '"';
    } else {
      out += cli::VectorJson(vector);
    }
    out += '}';
  }
  const std::string tokens = std::to_string(TokensOf(embeddings));
  return out + R"(],"model":)" + Dump(model) + R"(,"usage":{"prompt_tokens":)" + tokens +
         R"(,"total_tokens":)" + tokens + "}}";
}

std::string OllamaEmbedJson(const EmbedAsk& ask, const Embeddings& embeddings,
                            const std::string& model, double seconds) {
  std::string out;
  if (ask.single) {
    out = R"({"embedding":)";
    out += cli::VectorJson(embeddings.size() > 0 ? embeddings.vector(0) : std::span<const float>());
    return out + "}";
  }
  out = R"({"model":)" + Dump(model) + R"(,"embeddings":[)";
  for (size_t i = 0; i < embeddings.size(); ++i) {
    if (i > 0) out += ',';
    out += cli::VectorJson(embeddings.vector(i));
  }
  return out + R"(],"total_duration":)" + std::to_string(static_cast<int64_t>(seconds * 1e9) + 1) +
         R"(,"load_duration":1,"prompt_eval_count":)" + std::to_string(TokensOf(embeddings)) + "}";
}

}  // namespace gemma3::serve
