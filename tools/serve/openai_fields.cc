// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/openai_fields.h"

#include <charconv>
#include <limits>
#include <utility>

namespace gemma3::serve {
namespace {

constexpr size_t kMaxStops = 64;
constexpr size_t kMaxStopBytes = 1024;
constexpr size_t kMaxSaltBytes = 256;
constexpr size_t kMaxBiases = 1024;

Api<void> ReadBias(const JsonIn& body, GenerationOptions& options) {
  const auto bias = body.Find("logit_bias");
  if (!bias) return {};
  if (!bias->IsObject()) return bias->Wrong("expected an object of token ids and numbers");
  if (bias->size() > kMaxBiases) {
    return bias->Wrong("at most " + std::to_string(kMaxBiases) + " tokens");
  }
  for (size_t i = 0; i < bias->size(); ++i) {
    const std::string& key = bias->Key(i);
    TokenId id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0) {
      return bias->Wrong(key.substr(0, 40) + " is no token id");
    }
    GEMMA3_TRY(const double value, bias->At(i).Number(-100, 100));
    options.logit_bias.emplace_back(
        id, value <= -100 ? -std::numeric_limits<float>::infinity() : static_cast<float>(value));
  }
  return {};
}

Api<void> ReadPenalties(const JsonIn& body, GenerationOptions& options) {
  GEMMA3_TRY(const auto frequency, body.FindNumber("frequency_penalty", -2, 2));
  if (frequency) options.frequency_penalty = static_cast<float>(*frequency);
  GEMMA3_TRY(const auto presence, body.FindNumber("presence_penalty", -2, 2));
  if (presence) options.presence_penalty = static_cast<float>(*presence);
  for (const char* name : {"repetition_penalty", "repeat_penalty"}) {
    GEMMA3_TRY(const auto penalty, body.FindNumber(name, 1e-3, 1e3));
    if (penalty) options.repeat_penalty = static_cast<float>(*penalty);
  }
  GEMMA3_TRY(const auto last, body.FindInteger("repeat_last_n", -1, JsonIn::kMost));
  if (last) {
    options.repeat_last_n =
        *last < 0 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(*last);
  }
  return {};
}

}  // namespace

Api<void> ReadStops(const JsonIn& body, std::string_view name, GenerationOptions& options) {
  const auto stop = body.Find(name);
  if (!stop) return {};
  std::vector<std::string> texts;
  const auto add = [&](const JsonIn& one) -> Api<void> {
    GEMMA3_TRY(std::string text, one.String());
    if (text.size() > kMaxStopBytes) {
      return one.Wrong("at most " + std::to_string(kMaxStopBytes) + " bytes");
    }
    if (!text.empty()) texts.push_back(std::move(text));
    return {};
  };
  if (!stop->IsArray()) {
    GEMMA3_CHECK_OK(add(*stop));
  } else if (stop->size() > kMaxStops) {
    return stop->Wrong("at most " + std::to_string(kMaxStops) + " stop strings");
  }
  for (size_t i = 0; stop->IsArray() && i < stop->size(); ++i) {
    GEMMA3_CHECK_OK(add(stop->At(i)));
  }
  if (!texts.empty()) options.stop = std::move(texts);
  return {};
}

Api<void> ReadSampling(const JsonIn& body, const ModelView& model, GenerationOptions& options) {
  GEMMA3_TRY(const auto temperature, body.FindNumber("temperature", 0, 2));
  if (temperature) options.temperature = static_cast<float>(*temperature);
  GEMMA3_TRY(const auto top_p, body.FindNumber("top_p", 0, 1));
  if (top_p) options.top_p = static_cast<float>(*top_p);
  GEMMA3_TRY(const auto min_p, body.FindNumber("min_p", 0, 1));
  if (min_p) options.min_p = static_cast<float>(*min_p);
  GEMMA3_TRY(const auto top_k, body.FindInteger("top_k", -1, std::numeric_limits<int>::max()));
  if (top_k) options.top_k = static_cast<int>(*top_k < 0 ? 0 : *top_k);
  GEMMA3_TRY(const auto seed,
             body.FindInteger("seed", std::numeric_limits<int64_t>::min(), JsonIn::kMost));
  if (seed) options.seed = static_cast<uint64_t>(*seed);
  GEMMA3_CHECK_OK(ReadPenalties(body, options));
  GEMMA3_CHECK_OK(ReadStops(body, "stop", options));
  GEMMA3_CHECK_OK(ReadBias(body, options));
  if (const auto ids = body.Find("stop_token_ids")) {
    if (!ids->IsArray() || ids->size() > kMaxStops) return ids->Wrong("expected a few token ids");
    GEMMA3_TRY(const std::vector<TokenId> stops, ReadTokens(*ids));
    options.stop_tokens.insert(options.stop_tokens.end(), stops.begin(), stops.end());
  }
  GEMMA3_TRY(const bool ignore_eos, body.FindBool("ignore_eos", false));
  if (ignore_eos) {
    for (const TokenId id : model.end_tokens) {
      std::erase_if(options.logit_bias, [id](const auto& bias) { return bias.first == id; });
      options.logit_bias.emplace_back(id, -std::numeric_limits<float>::infinity());
    }
  }
  GEMMA3_TRY(const auto min_tokens, body.FindInteger("min_tokens", 0, JsonIn::kMost));
  if (min_tokens && *min_tokens > 0) {
    return Refuse(400, "min_tokens is not supported here", "min_tokens", "unsupported_value");
  }
  GEMMA3_TRY(const auto grammar, body.FindString("grammar"));
  if (grammar && !grammar->empty()) {
    auto parsed = Grammar::Parse(*grammar);
    if (!parsed) return body.Find("grammar")->Wrong(parsed.error().message);
    options.constraint = *std::move(parsed);
  }
  GEMMA3_TRY(const auto salt, body.FindString("cache_salt"));
  if (salt && salt->size() > kMaxSaltBytes) {
    return body.Find("cache_salt")
        ->Wrong("at most " + std::to_string(kMaxSaltBytes) + " bytes, for it is kept");
  }
  if (salt) options.cache_salt = *salt;
  return {};
}

void LimitTokens(std::optional<int64_t> tokens, const AskDefaults& defaults,
                 GenerationOptions& options) {
  const size_t most = defaults.options.max_tokens;
  if (!tokens || *tokens < 0) return;
  const auto wanted = static_cast<size_t>(*tokens);
  options.max_tokens = most == 0 ? wanted : std::min(most, wanted);
}

bool CallsOnly(const GenerationOptions& options) {
  return options.tools.choice.mode == ToolChoice::Mode::kRequired;
}

Api<Constraint> CompileSchema(const JsonIn& schema, bool strict) {
  if (!schema.IsObject() && !schema.IsBool()) return schema.Wrong("expected a JSON Schema");
  auto compiled = JsonSchema::Compile(schema.Text());
  if (!compiled && compiled.error().code == ErrorCode::kUnsupported && !strict) {
    compiled = JsonSchema::Compile(schema.Text(), {.lenient = true});
  }
  if (!compiled) {
    ApiError error = compiled.error();
    return schema.Wrong(error.message, error.code);
  }
  return *std::move(compiled);
}

std::string SchemaWords(const Constraint& constraint) {
  return "Answer with JSON that is valid by this schema and nothing else:\n" + constraint.source();
}

Api<void> ReadResponseFormat(const JsonIn& format, bool schema_prompt, GenerationOptions& options,
                             std::string* words) {
  GEMMA3_TRY(const JsonIn type_of, format.Need("type"));
  GEMMA3_TRY(const std::string type, type_of.String());
  if (type == "text") return {};
  std::optional<JsonIn> schema = format.Find("schema");
  bool strict = false;
  if (type == "json_schema") {
    // {"json_schema": {"name", "schema", "strict"}}; Responses and others have them flat.
    const std::optional<JsonIn> nested = format.Find("json_schema");
    const JsonIn& holder = nested ? *nested : format;
    if (const auto inner = holder.Find("schema")) schema = inner;
    if (!schema) return holder.Wrong("schema is missing", "missing_required_parameter");
    GEMMA3_TRY(strict, holder.FindBool("strict", false));
  } else if (type != "json_object") {
    return type_of.Wrong("expected text, json_object or json_schema", "unsupported_value");
  }
  if (options.constraint) return format.Wrong("it and a grammar exclude each other");
  if (schema) {
    GEMMA3_TRY(Constraint constraint, CompileSchema(*schema, strict));
    if (CallsOnly(options)) return {};
    if (schema_prompt) *words = SchemaWords(constraint);
    options.constraint = std::move(constraint);
    return {};
  }
  if (CallsOnly(options)) return {};
  GEMMA3_TRY(options.constraint, JsonSchema::AnyObject());
  if (schema_prompt) *words = kObjectWords;
  return {};
}

Api<Tool> ReadFunction(const JsonIn& function) {
  if (!function.IsObject()) return function.Wrong("expected an object");
  Tool tool;
  GEMMA3_TRY(const JsonIn name, function.Need("name"));
  GEMMA3_TRY(tool.name, name.String());
  GEMMA3_TRY(const auto description, function.FindString("description"));
  tool.description = description.value_or("");
  for (const char* key : {"parameters", "parametersJsonSchema"}) {
    const auto parameters = function.Find(key);
    if (!parameters) continue;
    if (!parameters->IsObject()) return parameters->Wrong("expected a JSON Schema");
    if (parameters->size() > 0) tool.parameters = parameters->Text();
  }
  return tool;
}

Api<ToolChoice> ReadToolChoice(const JsonIn& choice) {
  if (choice.IsString()) {
    GEMMA3_TRY(const std::string mode, choice.String());
    if (mode == "auto") return ToolChoice::Auto();
    if (mode == "none") return ToolChoice::None();
    if (mode == "required" || mode == "any") return ToolChoice::Required();
    return choice.Wrong("expected none, auto, required, or an object that names a function");
  }
  if (!choice.IsObject()) return choice.Wrong("expected a string or an object");
  GEMMA3_TRY(const auto type, choice.FindString("type"));
  if (type == "function") {
    // Responses have the name flat.
    const std::optional<JsonIn> nested = choice.Find("function");
    GEMMA3_TRY(const JsonIn name_of, (nested ? *nested : choice).Need("name"));
    GEMMA3_TRY(const std::string name, name_of.String());
    return ToolChoice::Named(name);
  }
  if (type != "allowed_tools") {
    return choice.Wrong("only the types function and allowed_tools are known", "unsupported_value");
  }
  const std::optional<JsonIn> nested = choice.Find("allowed_tools");
  const JsonIn& allowed = nested && nested->IsObject() ? *nested : choice;
  GEMMA3_TRY(const auto mode, allowed.FindString("mode"));
  if (mode && *mode != "auto" && *mode != "required") {
    return allowed.Find("mode")->Wrong("expected auto or required");
  }
  GEMMA3_TRY(const JsonIn tools, allowed.Need("tools"));
  if (!tools.IsArray()) return tools.Wrong("expected a list");
  std::vector<std::string> names;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::optional<JsonIn> function = tools.At(i).Find("function");
    GEMMA3_TRY(const JsonIn name_of, (function ? *function : tools.At(i)).Need("name"));
    GEMMA3_TRY(std::string name, name_of.String());
    names.push_back(std::move(name));
  }
  if (names.empty() && mode == "required") return tools.Wrong("a call of none is required");
  if (names.empty()) return ToolChoice::None();
  return ToolChoice::Subset(
      std::move(names), mode == "required" ? ToolChoice::Mode::kRequired : ToolChoice::Mode::kAuto);
}

Api<std::string> TextOf(const JsonIn& content) {
  if (content.IsString()) return content.String();
  if (!content.IsArray()) return content.Wrong("expected a string or a list of text parts");
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const JsonIn part = content.At(i);
    if (part.IsString()) {
      GEMMA3_TRY(const std::string piece, part.String());
      text += piece;
      continue;
    }
    std::optional<JsonIn> inner;
    for (const char* key : {"text", "refusal"}) {
      if (!inner && part.IsObject()) inner = part.Find(key);
    }
    if (!inner) return part.Wrong("expected a text part", "unsupported_value");
    GEMMA3_TRY(const std::string piece, inner->String());
    text += piece;
  }
  return text;
}

Api<std::string> ArgumentsOf(const JsonIn& value) {
  if (value.IsString()) {
    GEMMA3_TRY(std::string text, value.String());
    return text.empty() ? std::string("{}") : text;
  }
  if (value.IsObject()) return value.Text();
  return value.Wrong("expected an object, or a string with one");
}

bool AreTokens(const JsonIn& value) {
  return value.IsArray() && value.size() > 0 && value.At(0).IsNumber();
}

Api<std::vector<TokenId>> ReadTokens(const JsonIn& value) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < value.size(); ++i) {
    GEMMA3_TRY(const int64_t id, value.At(i).Integer(0, std::numeric_limits<TokenId>::max()));
    ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

}  // namespace gemma3::serve
