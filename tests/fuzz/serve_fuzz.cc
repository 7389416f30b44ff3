// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any bytes as the head of a request, and as the body of one to each API: refused with a status
// below 500, or read as something that can be asked.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/json.h"
#include "tools/base64.h"
#include "tools/serve/embeddings.h"
#include "tools/serve/google.h"
#include "tools/serve/http_head.h"
#include "tools/serve/ollama.h"
#include "tools/serve/openai_chat.h"
#include "tools/serve/openai_completions.h"
#include "tools/serve/openai_responses.h"
#include "tools/serve/picture_in.h"

namespace {

using namespace gemma3;
using namespace gemma3::serve;

void CheckHeads(std::string_view text) {
  const HeadLimits limits;
  const auto fault = CheckHead(text, limits);
  if (fault) {
    if (fault->status < 400 || fault->status > 599 || fault->message.empty()) std::abort();
    return;
  }
  // What passed has lines that every reader splits alike.
  for (size_t i = 0; i < text.size(); ++i) {
    const bool lone_cr = text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n');
    const bool lone_lf = text[i] == '\n' && (i == 0 || text[i - 1] != '\r');
    if (lone_cr || lone_lf || text[i] == '\0') std::abort();
  }
  if (text.size() > limits.bytes) std::abort();
}

void CheckAsk(Api<Ask> ask) {
  if (!ask) {
    if (ask.error().status != 400 || ask.error().message.empty()) std::abort();
    if (!JsonValue::Parse(ErrorBody(ask.error(), Wording::kOpenAi), "error")) std::abort();
    return;
  }
  if (ask->prompts.empty() || ask->n == 0 || !ask->telling) std::abort();
  GenerationResult result;
  result.text = "x";
  const std::vector<GenerationResult> results(ask->prompts.size() * ask->n, result);
  const auto whole = JsonValue::Parse(ask->telling->Whole(results), "whole", {.max_depth = 200});
  if (!whole) std::abort();
}

void CheckEmbed(const Api<EmbedAsk>& ask, bool may_be_empty) {
  if (!ask) {
    if (ask.error().status != 400 || ask.error().message.empty()) std::abort();
    return;
  }
  if (ask->texts.empty() && !may_be_empty) std::abort();
  for (const std::string& text : ask->texts) {
    if (text.empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckHeads(text);
  if (const auto bytes = cli::DecodeBase64(text)) {
    if (cli::DecodeBase64(cli::EncodeBase64(*bytes)) != bytes) std::abort();
  }
  const auto body = JsonIn::ParseObject(text);
  if (!body) return 0;
  const ModelView view{.id = "m", .end_tokens = {1, 106}, .context = 100, .has_vision = true};
  AskDefaults defaults;
  defaults.images.max_pixels = 1 << 16;
  CheckAsk(ReadChat(*body, view, defaults));
  CheckAsk(ReadCompletion(*body, view, defaults));
  CheckAsk(ReadResponses(*body, view, defaults));
  CheckAsk(ReadOllamaChat(*body, view, defaults));
  CheckAsk(ReadOllamaGenerate(*body, view, defaults));
  CheckAsk(ReadGoogle(*body, view, defaults, GoogleForm::kEvents));
  ModelView letters = view;  // a vocabulary of control tokens up to 9, and letters
  letters.decode = [](std::span<const TokenId> ids) {
    std::string decoded;
    for (const TokenId id : ids) {
      if (id > 9) decoded += static_cast<char>(id);
    }
    return decoded;
  };
  letters.encode = [](std::string_view of) { return std::vector<TokenId>(of.begin(), of.end()); };
  CheckEmbed(ReadEmbeddings(*body, letters), false);
  for (const bool old_form : {false, true}) CheckEmbed(ReadOllamaEmbed(*body, old_form), true);
  OnlyLoads(*body, true);
  WantsUnload(*body);
  return 0;
}
