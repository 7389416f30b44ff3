// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/google.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <utility>

#include "src/base/ascii.h"
#include "tools/serve/conversation.h"
#include "tools/serve/openai_chat.h"
#include "tools/serve/openai_fields.h"

namespace gemma3::serve {
namespace {

// Members have names in two spellings.
std::optional<JsonIn> Find(const JsonIn& object, std::string_view camel, std::string_view snake) {
  auto found = object.Find(camel);
  return found ? found : object.Find(snake);
}

// Which of them this one has.
std::string NameIn(const JsonIn& object, std::string_view camel) {
  std::string snake;
  for (const char c : camel) {
    if (c >= 'A' && c <= 'Z') snake += '_';
    snake += ToLower(c);
  }
  return object.Find(camel) || !object.Find(snake) ? std::string(camel) : snake;
}

class GoogleTelling : public Telling {
 public:
  GoogleTelling(std::string model, GoogleForm form, bool logprobs)
      : id_(NewId("")), model_(std::move(model)), form_(form), logprobs_(logprobs) {}

  std::string stream_type() const override {
    return form_ == GoogleForm::kEvents ? "text/event-stream; charset=utf-8"
                                        : "application/json; charset=utf-8";
  }
  std::string ping() const override { return form_ == GoogleForm::kEvents ? ": ping\r\n\r\n" : ""; }

  std::string Whole(std::span<const GenerationResult> results) override {
    std::string candidates;
    for (size_t i = 0; i < results.size(); ++i) {
      if (i > 0) candidates += ',';
      candidates += Candidate(i, results[i].text, &results[i], SpelledLogprobs(results[i]));
    }
    return Object(candidates, results);
  }
  std::string Begin() override { return form_ == GoogleForm::kList ? "[" : ""; }
  std::string Step(size_t answer, const AnswerStep& step) override {
    return Piece(Object(Candidate(answer, std::string(step.text), nullptr, step.logprobs), {}));
  }
  std::string Done(size_t answer, const GenerationResult& result) override {
    return Piece(Object(Candidate(answer, "", &result, {}), std::span(&result, 1)));
  }
  std::string End(std::span<const GenerationResult>) override {
    return form_ == GoogleForm::kList ? "]" : "";
  }
  std::string Failed(const ApiError& error) override {
    return Piece(ErrorBody(error, Wording::kGoogle)) + End({});
  }

 private:
  std::string Piece(const std::string& json) {
    if (form_ == GoogleForm::kEvents) return "data: " + json + "\r\n\r\n";
    return std::exchange(first_, false) ? json : ",\r\n" + json;
  }
  // ended: whose calls and end are told.
  std::string Candidate(size_t index, const std::string& text, const GenerationResult* ended,
                        std::span<const TokenLogprobs> tokens) const {
    std::string parts;
    const bool calls = ended != nullptr && !ended->calls.empty();
    if (!text.empty() || !calls) parts = Dump({{"text", text}});
    if (calls) {
      for (const ToolCall& call : ended->calls) {
        const std::string one =
            WithMember(Dump({{"id", call.id}, {"name", call.name}}), "args", call.arguments);
        if (!parts.empty()) parts += ',';
        parts += WithMember("{}", "functionCall", one);
      }
    }
    std::string json = "{\"content\":{\"parts\":[" + parts +
                       "],\"role\":\"model\"},\"index\":" + std::to_string(index) + "}";
    if (ended != nullptr) {
      const bool cut = std::string_view(FinishReason(*ended)) == "length";
      json = WithMember(json, "finishReason", cut ? "\"MAX_TOKENS\"" : "\"STOP\"");
    }
    if (logprobs_ && !tokens.empty()) {
      Json chosen = Json::array(), top = Json::array();
      const auto one = [](const TokenLogprobs::Token& token) {
        return Json{
            {"token", token.bytes}, {"tokenId", token.id}, {"logProbability", token.logprob}};
      };
      for (const TokenLogprobs& token : tokens) {
        chosen.push_back(one(token.chosen));
        Json list = Json::array();
        for (const auto& other : token.likeliest) list.push_back(one(other));
        top.push_back({{"candidates", std::move(list)}});
      }
      json = WithMember(
          json, "logprobsResult",
          Dump({{"topCandidates", std::move(top)}, {"chosenCandidates", std::move(chosen)}}));
    }
    return json;
  }
  std::string Object(const std::string& candidates,
                     std::span<const GenerationResult> results) const {
    std::string json = "{\"candidates\":[" + candidates + "]}";
    if (!results.empty()) {
      size_t tokens = 0;
      for (const GenerationResult& result : results) tokens += result.tokens;
      const GenerationResult& first = results.front();
      Json usage = {{"promptTokenCount", first.prompt_tokens},
                    {"candidatesTokenCount", tokens},
                    {"totalTokenCount", first.prompt_tokens + tokens}};
      if (first.cached_tokens > 0) usage["cachedContentTokenCount"] = first.cached_tokens;
      json = WithMember(json, "usageMetadata", Dump(usage));
    }
    json = WithMember(json, "modelVersion", Dump(model_));
    return WithMember(json, "responseId", Dump(id_));
  }

  const std::string id_, model_;
  const GoogleForm form_;
  const bool logprobs_;
  bool first_ = true;
};

// Reads the parts of one content into a turn.
Api<void> ReadContent(const JsonIn& content, PictureReader& pictures, Conversation& conversation) {
  if (content.IsString()) {
    GEMMA3_TRY(const std::string text, content.String());
    conversation.User({Part::Text(text)});
    return {};
  }
  if (!content.IsObject()) return content.Wrong("expected a content");
  GEMMA3_TRY(const auto role_of, content.FindString("role"));
  const std::string role = role_of.value_or("user");
  if (role != "user" && role != "model" && role != "function") {
    return content.Wrong("the role must be user or model");
  }
  std::vector<Part> parts;
  std::vector<ToolCall> calls;
  bool results = false;
  const auto list = content.Find("parts");
  if (list && !list->IsArray()) return list->Wrong("expected a list of parts");
  for (size_t i = 0; list && i < list->size(); ++i) {
    const JsonIn part = list->At(i);
    if (!part.IsObject()) return part.Wrong("expected a part");
    GEMMA3_TRY(const bool thought, part.FindBool("thought", false));
    if (thought) continue;
    if (const auto text = part.Find("text")) {
      GEMMA3_TRY(const std::string value, text->String());
      parts.push_back(Part::Text(value));
    } else if (const auto data = serve::Find(part, "inlineData", "inline_data")) {
      if (!data->IsObject()) return data->Wrong("expected an object");
      GEMMA3_TRY(const JsonIn base64, data->Need("data"));
      GEMMA3_TRY(const std::string value, base64.String());
      GEMMA3_TRY(Part picture, pictures.FromBase64(value, base64.path()));
      parts.push_back(std::move(picture));
    } else if (const auto call_of = serve::Find(part, "functionCall", "function_call")) {
      if (!call_of->IsObject()) return call_of->Wrong("expected an object");
      ToolCall& call = calls.emplace_back();
      GEMMA3_TRY(const JsonIn name, call_of->Need("name"));
      GEMMA3_TRY(call.name, name.String());
      GEMMA3_TRY(const auto id, call_of->FindString("id"));
      call.id = id.value_or("");
      if (const auto args = call_of->Find("args")) {
        GEMMA3_TRY(call.arguments, ArgumentsOf(*args));
      }
    } else if (const auto result = serve::Find(part, "functionResponse", "function_response")) {
      if (!result->IsObject()) return result->Wrong("expected an object");
      GEMMA3_TRY(const auto id, result->FindString("id"));
      GEMMA3_TRY(const auto name, result->FindString("name"));
      const auto response = result->Find("response");
      conversation.Result(id.value_or(""), name.value_or(""),
                          {Part::Text(response ? response->Text() : "{}")});
      results = true;
    } else {
      return part.Wrong("only text, inlineData, functionCall and functionResponse are supported",
                        "unsupported_value");
    }
  }
  if (role == "model") {
    conversation.Model(std::move(parts), std::move(calls));
  } else if (!parts.empty() || !results) {
    conversation.User(std::move(parts));
  }
  return {};
}

Api<void> ReadGoogleTools(const JsonIn& body, GenerationOptions& options) {
  if (const auto tools = body.Find("tools")) {
    if (!tools->IsArray()) return tools->Wrong("expected a list of tools");
    for (size_t i = 0; i < tools->size(); ++i) {
      const JsonIn tool = tools->At(i);
      if (!tool.IsObject()) return tool.Wrong("expected a tool");
      const auto functions = Find(tool, "functionDeclarations", "function_declarations");
      if (!functions || !functions->IsArray()) {
        return tool.Wrong("only functionDeclarations are supported", "unsupported_value");
      }
      for (size_t k = 0; k < functions->size(); ++k) {
        const JsonIn function = functions->At(k);
        GEMMA3_TRY(Tool read, ReadFunction(function));
        if (const auto schema = function.Find("parameters")) {
          read.parameters = JsonSchemaOf(*schema);
        }
        options.tools.tools.push_back(std::move(read));
      }
    }
  }
  const auto config = Find(body, "toolConfig", "tool_config");
  if (!config || options.tools.tools.empty()) return {};
  if (!config->IsObject()) return config->Wrong("expected an object");
  const auto calling = Find(*config, "functionCallingConfig", "function_calling_config");
  if (!calling || !calling->IsObject()) return {};
  GEMMA3_TRY(const auto mode_of, calling->FindString("mode"));
  const std::string mode = mode_of.value_or("AUTO");
  ToolChoice& choice = options.tools.choice;
  if (mode == "NONE") {
    choice = ToolChoice::None();
  } else if (mode == "ANY" || mode == "VALIDATED") {
    choice = mode == "ANY" ? ToolChoice::Required() : ToolChoice::Auto();
    if (const auto names = Find(*calling, "allowedFunctionNames", "allowed_function_names")) {
      if (!names->IsArray()) return names->Wrong("expected a list of names");
      for (size_t i = 0; i < names->size(); ++i) {
        GEMMA3_TRY(std::string name, names->At(i).String());
        choice.names.push_back(std::move(name));
      }
    }
  } else if (mode != "AUTO" && mode != "MODE_UNSPECIFIED") {
    return calling->Wrong("the mode must be AUTO, ANY or NONE");
  }
  return {};
}

// One of the texts of a schema's enum, without quotes.
Api<void> ReadEnum(const JsonIn& config, const std::optional<JsonIn>& schema,
                   GenerationOptions& options, std::string* words) {
  const auto values = schema && schema->IsObject() ? schema->Find("enum") : std::nullopt;
  if (!values || !values->IsArray() || values->size() == 0) {
    return config.Wrong("text/x.enum needs a responseSchema with an enum");
  }
  std::string grammar = "root ::= ", list;
  for (size_t i = 0; i < values->size(); ++i) {
    GEMMA3_TRY(const std::string value, values->At(i).String());
    if (i > 0) grammar += " | ", list += ", ";
    grammar += Dump(Json(value));
    list += value;
  }
  auto parsed = Grammar::Parse(grammar);
  if (!parsed) return values->Wrong(parsed.error().message);
  if (CallsOnly(options)) return {};
  *words = "Answer with one of these and nothing else: " + list;
  options.constraint = *std::move(parsed);
  return {};
}

Api<void> ReadConfig(const JsonIn& config, const AskDefaults& defaults, Ask& ask,
                     std::string* words) {
  GenerationOptions& options = ask.options;
  if (!config.IsObject()) return config.Wrong("expected an object");
  const auto named = [&config](std::string_view camel) { return NameIn(config, camel); };
  GEMMA3_TRY(const auto temperature, config.FindNumber("temperature", 0, 2));
  if (temperature) options.temperature = static_cast<float>(*temperature);
  GEMMA3_TRY(const auto top_p, config.FindNumber(named("topP"), 0, 1));
  if (top_p) options.top_p = static_cast<float>(*top_p);
  GEMMA3_TRY(const auto top_k,
             config.FindInteger(named("topK"), 0, std::numeric_limits<int>::max()));
  if (top_k) options.top_k = static_cast<int>(*top_k);
  GEMMA3_TRY(const auto seed,
             config.FindInteger("seed", std::numeric_limits<int64_t>::min(), JsonIn::kMost));
  if (seed) options.seed = static_cast<uint64_t>(*seed);
  GEMMA3_TRY(const auto presence, config.FindNumber(named("presencePenalty"), -2, 2));
  if (presence) options.presence_penalty = static_cast<float>(*presence);
  GEMMA3_TRY(const auto frequency, config.FindNumber(named("frequencyPenalty"), -2, 2));
  if (frequency) options.frequency_penalty = static_cast<float>(*frequency);
  GEMMA3_TRY(const auto tokens, config.FindInteger(named("maxOutputTokens"), 1, JsonIn::kMost));
  LimitTokens(tokens, defaults, options);
  GEMMA3_TRY(const auto n,
             config.FindInteger(named("candidateCount"), 1, static_cast<int64_t>(defaults.max_n)));
  ask.n = static_cast<size_t>(n.value_or(1));
  GEMMA3_CHECK_OK(ReadStops(config, named("stopSequences"), options));
  GEMMA3_TRY(const bool logprobs, config.FindBool(named("responseLogprobs"), false));
  GEMMA3_TRY(const auto top, config.FindInteger("logprobs", 0, 20));
  if (logprobs) options.logprobs = static_cast<size_t>(top.value_or(0));
  if (const auto modalities = config.Find(named("responseModalities"));
      modalities && modalities->IsArray()) {
    for (size_t i = 0; i < modalities->size(); ++i) {
      const JsonIn one = modalities->At(i);
      if (one.IsString() && AsciiLower(*one.String()) != "text") {
        return one.Wrong("answers are text here", "unsupported_value");
      }
    }
  }
  GEMMA3_TRY(const auto type, config.FindString(named("responseMimeType")));
  const auto own = config.Find(named("responseSchema"));
  const auto standard = config.Find(named("responseJsonSchema"));
  if (type == "text/x.enum") {
    GEMMA3_CHECK_OK(ReadEnum(config, own ? own : standard, options, words));
  } else if (own || standard) {
    // In Google's form an object has the members that are named, and no others.
    auto compiled =
        own ? JsonSchema::Compile(JsonSchemaOf(*own), {.closed_objects = true, .lenient = true})
            : JsonSchema::Compile(standard->Text(), {.lenient = true});
    if (!compiled) return (own ? *own : *standard).Wrong(compiled.error().message);
    if (CallsOnly(options)) return {};
    if (defaults.schema_prompt) *words = SchemaWords(*compiled);
    options.constraint = *std::move(compiled);
  } else if (type == "application/json" && !CallsOnly(options)) {
    GEMMA3_TRY(options.constraint, JsonSchema::AnyObject());
    if (defaults.schema_prompt) *words = kObjectWords;
  } else if (type && *type != "text/plain" && *type != "application/json") {
    return config.Find(named("responseMimeType"))
        ->Wrong("expected text/plain, application/json or text/x.enum", "unsupported_value");
  }
  return {};
}

std::string Converted(const JsonIn& schema);

std::string Quoted(const std::string& text) { return Dump(Json(text)); }

// Those that `propertyOrdering` names first.
std::string ConvertedProperties(const JsonIn& properties, const std::optional<JsonIn>& ordering) {
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < properties.size(); ++i) places.emplace(properties.Key(i), i);
  std::vector<size_t> order;
  for (size_t i = 0; ordering && ordering->IsArray() && i < ordering->size(); ++i) {
    if (!ordering->At(i).IsString()) continue;
    const auto named = places.find(*ordering->At(i).String());
    if (named == places.end()) continue;
    order.push_back(named->second);
    places.erase(named);
  }
  for (size_t i = 0; i < properties.size(); ++i) {
    if (places.contains(properties.Key(i))) order.push_back(i);
  }
  std::string json = "{";
  for (const size_t i : order) {
    if (json.size() > 1) json += ',';
    json += Quoted(properties.Key(i)) + ':' + Converted(properties.At(i));
  }
  return json += '}';
}

std::string WithElement(std::string list, std::string_view element) {
  list.pop_back();
  if (list.size() > 1) list += ',';
  list += element;
  return list += ']';
}

// As text: a schema that a client gives may have very many members.
std::string Converted(const JsonIn& schema) {
  if (!schema.IsObject()) return schema.Text();
  std::vector<std::pair<std::string, std::string>> members;
  bool nullable = false;
  for (size_t i = 0; i < schema.size(); ++i) {
    const std::string& key = schema.Key(i);
    const JsonIn value = schema.At(i);
    if (value.IsNull()) continue;
    if (key == "type" && value.IsString()) {
      members.emplace_back(key, Quoted(AsciiLower(*value.String())));
    } else if (key == "nullable") {
      nullable = value.IsBool() && *value.Bool();
    } else if (key == "properties" && value.IsObject()) {
      members.emplace_back(key, ConvertedProperties(value, schema.Find("propertyOrdering")));
    } else if (key == "items" || key == "additionalProperties") {
      members.emplace_back(key, Converted(value));
    } else if (key == "anyOf" && value.IsArray()) {
      std::string list = "[]";
      for (size_t k = 0; k < value.size(); ++k) list = WithElement(list, Converted(value.At(k)));
      members.emplace_back(key, std::move(list));
    } else if (key == "format") {
      // Those of numbers, and "enum", say nothing more.
      if (value.IsString() && (*value.String() == "date-time" || *value.String() == "date" ||
                               *value.String() == "time")) {
        members.emplace_back(key, value.Text());
      }
    } else if ((key.starts_with("min") || key.starts_with("max")) && value.IsString()) {
      int64_t number = 0;
      const std::string text = *value.String();
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error == std::errc() && end == text.data() + text.size()) {
        members.emplace_back(key, std::to_string(number));
      }
    } else if (key != "propertyOrdering" && key != "example") {
      members.emplace_back(key, value.Text());
    }
  }
  const auto named = [&members](std::string_view name) {
    return std::ranges::find(members, name, &std::pair<std::string, std::string>::first);
  };
  if (const auto type = named("type"); nullable && type != members.end()) {
    if (type->second.starts_with('"')) {
      type->second = "[" + type->second + ",\"null\"]";
      const auto values = named("enum");
      if (values != members.end() && values->second.ends_with(']')) {
        values->second = WithElement(values->second, "null");
      }
    }
  } else if (const auto any = named("anyOf"); nullable && any != members.end()) {
    if (any->second.ends_with(']')) any->second = WithElement(any->second, R"({"type":"null"})");
  }
  std::string json = "{";
  for (const auto& [key, text] : members) {
    if (json.size() > 1) json += ',';
    json += Quoted(key) + ':' + text;
  }
  return json += '}';
}

}  // namespace

std::string JsonSchemaOf(const JsonIn& schema) { return Converted(schema); }

Api<Ask> ReadGoogle(const JsonIn& body, const ModelView& model, const AskDefaults& defaults,
                    GoogleForm form) {
  Ask ask;
  ask.options = defaults.options;
  ask.stream = form != GoogleForm::kWhole;
  GEMMA3_CHECK_OK(ReadGoogleTools(body, ask.options));
  if (const auto cached = Find(body, "cachedContent", "cached_content")) {
    return cached->Wrong("nothing is stored here", "unsupported_value");
  }
  std::string words;
  if (const auto config = Find(body, "generationConfig", "generation_config")) {
    GEMMA3_CHECK_OK(ReadConfig(*config, defaults, ask, &words));
  }
  PictureReader pictures(defaults.images, defaults.pictures);
  Conversation conversation;
  if (const auto system = Find(body, "systemInstruction", "system_instruction")) {
    const auto parts = system->IsObject() ? system->Find("parts") : *system;
    if (!parts) return system->Wrong("expected parts");
    if (parts->IsObject()) {  // one part alone
      GEMMA3_TRY(const auto text, parts->FindString("text"));
      conversation.System(text.value_or(""));
    } else {
      GEMMA3_TRY(const std::string text, TextOf(*parts));
      conversation.System(text);
    }
  }
  GEMMA3_TRY(const JsonIn contents, body.Need("contents"));
  if (contents.IsArray()) {
    if (contents.size() == 0) return contents.Wrong("it is empty");
    for (size_t i = 0; i < contents.size(); ++i) {
      GEMMA3_CHECK_OK(ReadContent(contents.At(i), pictures, conversation));
    }
  } else {
    GEMMA3_CHECK_OK(ReadContent(contents, pictures, conversation));
  }
  GEMMA3_TRY(Prompt prompt, std::move(conversation).Finish(model.system, "contents"));
  if (!words.empty()) AddToLastUser(prompt, words);
  ask.prompts.push_back(std::move(prompt));
  ask.telling = std::make_unique<GoogleTelling>(model.id, form, ask.options.logprobs.has_value());
  return ask;
}

Json GoogleModel(const ListedModel& model) {
  Json methods = Json::array();
  if (!model.config.embedding) methods = {"generateContent", "streamGenerateContent"};
  return {{"name", "models/" + model.id},
          {"displayName", model.id},
          {"inputTokenLimit", model.context},
          {"outputTokenLimit", model.context},
          {"supportedGenerationMethods", std::move(methods)}};
}

Json GoogleModels(std::span<const ListedModel> models) {
  Json list = Json::array();
  for (const ListedModel& model : models) list.push_back(GoogleModel(model));
  return {{"models", std::move(list)}};
}

}  // namespace gemma3::serve
