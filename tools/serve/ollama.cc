// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/ollama.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "src/base/ordered_json.h"
#include "tools/serve/conversation.h"
#include "tools/serve/openai_chat.h"
#include "tools/serve/openai_fields.h"
#include "tools/serve/times.h"
#include "tools/text.h"

namespace gemma3::serve {
namespace {

using Clock = std::chrono::steady_clock;

// Never 0, since clients divide by it.
int64_t Nanoseconds(double seconds) {
  return std::max<int64_t>(1, static_cast<int64_t>(seconds * 1e9));
}

class OllamaTelling : public Telling {
 public:
  OllamaTelling(const ModelView& model, bool chat, bool logprobs)
      : model_(model.asked.empty() ? model.id : model.asked),
        load_seconds_(model.load_seconds),
        chat_(chat),
        logprobs_(logprobs) {}

  std::string stream_type() const override { return "application/x-ndjson"; }
  std::string content_type() const override { return "application/json; charset=utf-8"; }
  std::string ping() const override { return {}; }  // clients complain of blank lines

  std::string Whole(std::span<const GenerationResult> results) override {
    const GenerationResult& result = results.front();
    return Object(result.text, &result, &result, SpelledLogprobs(result));
  }
  std::string Begin() override { return {}; }
  std::string Step(size_t, const AnswerStep& step) override {
    return Object(std::string(step.text), nullptr, nullptr, step.logprobs) + "\n";
  }
  // Calls come whole, before the last line.
  std::string Done(size_t, const GenerationResult& result) override {
    std::string lines;
    if (!result.calls.empty()) lines = Object("", &result, nullptr, {}) + "\n";
    return lines + Object("", nullptr, &result, {}) + "\n";
  }
  std::string End(std::span<const GenerationResult>) override { return {}; }
  std::string Failed(const ApiError& error) override {
    return ErrorBody(error, Wording::kOllama) + "\n";
  }

 private:
  // calls: whose calls are told; ended: whose end is.
  std::string Object(const std::string& text, const GenerationResult* calls,
                     const GenerationResult* ended, std::span<const TokenLogprobs> tokens) const {
    std::string json = Dump({{"model", model_}, {"created_at", TimeNow()}});
    if (chat_) {
      std::string message = Dump({{"role", "assistant"}, {"content", text}});
      if (calls != nullptr && !calls->thought.empty()) {
        message = WithMember(message, "thinking", Dump(calls->thought));
      }
      if (calls != nullptr && !calls->calls.empty()) {
        std::string list;
        for (size_t i = 0; i < calls->calls.size(); ++i) {
          const ToolCall& call = calls->calls[i];
          // Arguments as the model wrote them: reading numbers would change them.
          const std::string function =
              WithMember(Dump({{"index", i}, {"name", call.name}}), "arguments", call.arguments);
          if (i > 0) list += ',';
          list += WithMember(Dump({{"id", call.id}}), "function", function);
        }
        message = WithMember(message, "tool_calls", "[" + list + "]");
      }
      json = WithMember(json, "message", message);
    } else {
      json = WithMember(json, "response", Dump(text));
    }
    if (logprobs_ && !tokens.empty()) {
      json = WithMember(json, "logprobs", Dump(ChatLogprobs(tokens)));
    }
    if (ended == nullptr) return WithMember(json, "done", "false");
    Json end = {
        {"done", true},
        {"done_reason", std::string_view(FinishReason(*ended)) == "length" ? "length" : "stop"},
        {"total_duration",
         Nanoseconds(std::chrono::duration<double>(Clock::now() - begin_).count())},
        {"load_duration", Nanoseconds(load_seconds_)},
        {"prompt_eval_count", ended->prompt_tokens},
        {"prompt_eval_duration",
         Nanoseconds(ended->timings.prefill_seconds + ended->timings.image_seconds)},
        {"eval_count", ended->tokens},
        {"eval_duration", Nanoseconds(ended->timings.decode_seconds)}};
    json.back() = ',';
    return json + Dump(end).substr(1);
  }

  const std::string model_;  // as it was asked for
  const double load_seconds_;
  const bool chat_, logprobs_;
  const Clock::time_point begin_ = Clock::now();
};

// `options`, and the fields that both routes have.
Api<void> ReadCommon(const JsonIn& body, const ModelView& model, const AskDefaults& defaults,
                     Ask& ask, std::string* words) {
  ask.options = defaults.options;
  if (const auto options = body.Find("options")) {
    if (!options->IsObject()) return options->Wrong("expected an object");
    GEMMA3_CHECK_OK(ReadSampling(*options, model, ask.options));
    if (ask.options.seed == static_cast<uint64_t>(-1)) ask.options.seed.reset();  // any, there
    GEMMA3_TRY(
        const auto tokens,
        options->FindInteger("num_predict", std::numeric_limits<int32_t>::min(), JsonIn::kMost));
    if (tokens && *tokens > 0) LimitTokens(tokens, defaults, ask.options);
  }
  GEMMA3_TRY(ask.stream, body.FindBool("stream", true));
  GEMMA3_TRY(const bool logprobs, body.FindBool("logprobs", false));
  GEMMA3_TRY(const auto top, body.FindInteger("top_logprobs", 0, 20));
  if (logprobs) ask.options.logprobs = static_cast<size_t>(top.value_or(0));
  if (const auto think = body.Find("think")) {
    const bool off = think->IsBool() && !*think->Bool();
    if (!off) return think->Wrong("\"" + model.id + "\" does not support thinking");
  }
  if (const auto format = body.Find("format")) {
    if (format->IsString()) {
      GEMMA3_TRY(const std::string name, format->String());
      if (name == "json") {
        GEMMA3_TRY(ask.options.constraint, JsonSchema::AnyObject());
        if (defaults.schema_prompt) *words = kObjectWords;
      } else if (!name.empty()) {
        return format->Wrong("expected json or a JSON schema");
      }
    } else {
      GEMMA3_TRY(Constraint schema, CompileSchema(*format, /*strict=*/false));
      if (defaults.schema_prompt) *words = SchemaWords(schema);
      ask.options.constraint = std::move(schema);
    }
  }
  return {};
}

std::string ParameterSize(size_t parameters) {
  const auto count = static_cast<double>(parameters);
  return count >= 1e9 ? cli::Format("%.1fB", count / 1e9) : cli::Format("%.2fM", count / 1e6);
}

Json DetailsOf(const ListedModel& model) {
  return {{"parent_model", ""},
          {"format", model.path.ends_with(".gguf") ? "gguf" : "safetensors"},
          {"family", "gemma3"},
          {"families", Json::array({"gemma3"})},
          {"parameter_size", ParameterSize(model.parameters)},
          {"quantization_level", model.weights}};
}

Json CapabilitiesOf(const ListedModel& model) {
  if (model.config.embedding) return Json::array({"embedding"});
  Json list = Json::array({"completion", "tools"});
  if (model.config.has_vision) list.push_back("vision");
  return list;
}

// Names have a tag there.
std::string TaggedName(const ListedModel& model) {
  const size_t slash = model.id.rfind('/');
  const bool tagged =
      model.id.find(':', slash == std::string::npos ? 0 : slash) != std::string::npos;
  return tagged ? model.id : model.id + ":latest";
}

}  // namespace

Api<Ask> ReadOllamaChat(const JsonIn& body, const ModelView& model, const AskDefaults& defaults) {
  Ask ask;
  std::string words;
  GEMMA3_CHECK_OK(ReadCommon(body, model, defaults, ask, &words));
  GEMMA3_CHECK_OK(ReadTools(body, ask.options));
  if (!ask.options.constraint) words.clear();  // a call is asked for instead
  PictureReader pictures(defaults.images, defaults.pictures);
  Conversation conversation;
  GEMMA3_TRY(const JsonIn messages, body.Need("messages"));
  GEMMA3_CHECK_OK(ReadMessages(messages, pictures, conversation));
  GEMMA3_TRY(Prompt prompt, std::move(conversation).Finish(model.system, "messages"));
  if (!words.empty()) AddToLastUser(prompt, words);
  ask.prompts.push_back(std::move(prompt));
  ask.telling =
      std::make_unique<OllamaTelling>(model, /*chat=*/true, ask.options.logprobs.has_value());
  return ask;
}

Api<Ask> ReadOllamaGenerate(const JsonIn& body, const ModelView& model,
                            const AskDefaults& defaults) {
  Ask ask;
  std::string words;
  GEMMA3_CHECK_OK(ReadCommon(body, model, defaults, ask, &words));
  for (const auto& [name, why] :
       {std::pair("suffix", "Gemma 3 does not fill in"),
        std::pair("template", "the model's chat template is built in; use raw"),
        std::pair("context", "send the conversation to /api/chat instead")}) {
    const auto member = body.Find(name);
    const bool empty = !member || (member->IsArray() && member->size() == 0) ||
                       (member->IsString() && member->String()->empty());
    if (!empty) return member->Wrong(std::string("not supported: ") + why, "unsupported_value");
  }
  GEMMA3_TRY(const auto text, body.FindString("prompt"));
  GEMMA3_TRY(const auto system, body.FindString("system"));
  GEMMA3_TRY(const bool raw, body.FindBool("raw", false));
  PictureReader pictures(defaults.images, defaults.pictures);
  std::vector<Part> parts;
  if (const auto images = body.Find("images")) {
    if (!images->IsArray()) return images->Wrong("expected a list of base64 pictures");
    for (size_t i = 0; i < images->size(); ++i) {
      GEMMA3_TRY(const std::string base64, images->At(i).String());
      GEMMA3_TRY(Part picture, pictures.FromUrl(base64, images->At(i).path()));
      parts.push_back(std::move(picture));
    }
  }
  parts.push_back(Part::Text(text.value_or("")));
  if (raw) {
    ask.prompts.push_back(Prompt::Raw(std::move(parts)));
  } else {
    Conversation conversation;
    if (system) conversation.System(*system);
    conversation.User(std::move(parts));
    GEMMA3_TRY(Prompt prompt, std::move(conversation).Finish(model.system, "prompt"));
    if (!words.empty()) AddToLastUser(prompt, words);
    ask.prompts.push_back(std::move(prompt));
  }
  ask.telling =
      std::make_unique<OllamaTelling>(model, /*chat=*/false, ask.options.logprobs.has_value());
  return ask;
}

bool OnlyLoads(const JsonIn& body, bool chat) {
  if (chat) {
    const auto messages = body.Find("messages");
    return !messages || (messages->IsArray() && messages->size() == 0);
  }
  const auto prompt = body.Find("prompt");
  const auto images = body.Find("images");
  const bool pictures = images && images->size() > 0;
  return !pictures && (!prompt || (prompt->IsString() && prompt->String()->empty()));
}

bool WantsUnload(const JsonIn& body) {
  const auto keep = body.Find("keep_alive");
  if (!keep) return false;
  if (keep->IsString()) {
    // "0", "0s", "0m"
    const std::string text = *keep->String();
    return text.starts_with('0') && text.find_first_of("123456789") == std::string::npos;
  }
  const auto seconds = keep->Number(-1e18, 1e18);
  return seconds && *seconds == 0;
}

std::string LoadedJson(const std::string& model, bool chat, bool unloaded) {
  Json json = {{"model", model}, {"created_at", TimeNow()}};
  if (chat) {
    json["message"] = {{"role", "assistant"}, {"content", ""}};
  } else {
    json["response"] = "";
  }
  json["done"] = true;
  json["done_reason"] = unloaded ? "unload" : "load";
  return Dump(json);
}

Json OllamaTags(std::span<const ListedModel> models) {
  Json list = Json::array();
  for (const ListedModel& model : models) {
    const std::string name = TaggedName(model);
    list.push_back({{"name", name},
                    {"model", name},
                    {"modified_at", TimeText(model.modified)},
                    {"size", model.file_bytes},
                    {"digest", model.digest},
                    {"details", DetailsOf(model)},
                    {"capabilities", CapabilitiesOf(model)}});
  }
  return {{"models", std::move(list)}};
}

Json OllamaRunning(std::span<const ListedModel> models) {
  Json list = Json::array();
  for (const ListedModel& model : models) {
    if (!model.loaded) continue;
    const std::string name = TaggedName(model);
    list.push_back({{"name", name},
                    {"model", name},
                    {"size", model.file_bytes},
                    {"digest", model.digest},
                    {"details", DetailsOf(model)},
                    {"expires_at", "2318-01-01T00:00:00.000000+00:00"},
                    {"size_vram", 0},
                    {"context_length", model.context}});
  }
  return {{"models", std::move(list)}};
}

Json OllamaShow(const ListedModel& model) {
  const TextConfig& text = model.config.text;
  const GenerationDefaults& generation = model.config.generation;
  Json info = {{"general.architecture", "gemma3"},
               {"general.basename", model.config.name},
               {"general.parameter_count", model.parameters},
               {"gemma3.context_length", text.max_context},
               {"gemma3.embedding_length", text.hidden_size},
               {"gemma3.block_count", text.num_layers},
               {"gemma3.feed_forward_length", text.intermediate_size},
               {"gemma3.attention.head_count", text.num_heads},
               {"gemma3.attention.head_count_kv", text.num_kv_heads},
               {"gemma3.attention.key_length", text.head_dim},
               {"gemma3.attention.sliding_window", text.sliding_window},
               {"gemma3.vocab_size", text.vocab_size}};
  return {{"license", ""},
          {"modelfile", ""},
          {"parameters", cli::Format("temperature %g\ntop_k %d\ntop_p %g", generation.temperature,
                                     generation.top_k, generation.top_p)},
          {"template", "(built in: the turns of Gemma 3)"},
          {"system", model.config.system},
          {"details", DetailsOf(model)},
          {"model_info", std::move(info)},
          {"capabilities", CapabilitiesOf(model)},
          {"modified_at", TimeText(model.modified)}};
}

}  // namespace gemma3::serve
