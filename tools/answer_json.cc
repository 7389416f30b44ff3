// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/answer_json.h"

#include "tools/stats.h"
#include "tools/tool_round.h"

namespace gemma3::cli {
namespace {

using Json = nlohmann::ordered_json;

Json TokenJson(const TokenLogprobs::Token& token) {
  Json json = {{"id", token.id}, {"text", token.bytes}, {"logprob", token.logprob}};
  // A piece of a character has no text of its own.
  json["bytes"] = Json::array();
  for (const char c : token.bytes) json["bytes"].push_back(static_cast<unsigned char>(c));
  return json;
}

}  // namespace

Json AnswerJson(const GenerationResult& result, const OpenedModel& opened) {
  Json json;
  json["text"] = result.text;
  if (!result.thought.empty()) json["thought"] = result.thought;
  json["finish_reason"] = StopReasonName(result.stop_reason);
  json["prompt_tokens"] = result.prompt_tokens;
  json["cached_tokens"] = result.cached_tokens;
  json["tokens"] = result.tokens;
  json["images"] = result.images_encoded;
  json["seed"] = result.seed;
  json["model"] = opened.model.config().name;
  if (result.drafted_tokens > 0) {
    json["drafted_tokens"] = result.drafted_tokens;
    json["accepted_tokens"] = result.accepted_tokens;
  }
  if (!result.logprobs.empty()) {
    Json& list = json["logprobs"] = Json::array();
    for (const TokenLogprobs& token : result.logprobs) {
      Json item = TokenJson(token.chosen);
      item["likeliest"] = Json::array();
      for (const auto& other : token.likeliest) item["likeliest"].push_back(TokenJson(other));
      list.push_back(std::move(item));
    }
  }
  json["timings"] = {
      {"load_ms", 1000 * opened.seconds},
      {"image_ms", 1000 * result.timings.image_seconds},
      {"prefill_ms", 1000 * result.timings.prefill_seconds},
      {"decode_ms", 1000 * result.timings.decode_seconds},
      {"prefill_tokens_per_second", PrefillRate(result)},
      {"decode_tokens_per_second", DecodeRate(result)},
  };
  return json;
}

std::string JsonLine(const Json& json, std::span<const ToolCall> calls) {
  std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (!calls.empty()) {
    line.back() = ',';  // in place of the object's end
    line += "\"calls\":[";
    for (const ToolCall& call : calls) line += CallJson(call) + ",";
    line.back() = ']';
    line += '}';
  }
  return line + "\n";
}

}  // namespace gemma3::cli
