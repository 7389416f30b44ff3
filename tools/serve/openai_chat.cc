// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/openai_chat.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "src/base/ascii.h"
#include "tools/serve/json_out.h"
#include "tools/serve/openai_fields.h"

namespace gemma3::serve {
namespace {

Api<Part> ReadPart(const JsonIn& part, PictureReader& pictures) {
  if (part.IsString()) {
    GEMMA3_TRY(const std::string text, part.String());
    return Part::Text(text);
  }
  if (!part.IsObject()) return part.Wrong("expected a part");
  GEMMA3_TRY(const JsonIn type_of, part.Need("type"));
  GEMMA3_TRY(const std::string type, type_of.String());
  if (type == "text" || type == "input_text" || type == "output_text") {
    GEMMA3_TRY(const JsonIn text, part.Need("text"));
    GEMMA3_TRY(const std::string value, text.String());
    return Part::Text(value);
  }
  if (type == "image_url" || type == "input_image") {
    GEMMA3_TRY(const JsonIn image, part.Need("image_url"));
    std::optional<JsonIn> url = image.IsObject() ? image.Find("url") : image;
    if (!url) return image.Wrong("url is missing", "missing_required_parameter");
    GEMMA3_TRY(const std::string text, url->String());
    return pictures.FromUrl(text, url->path());
  }
  return Refuse(400,
                part.path() + ": parts of type " + type.substr(0, 40) +
                    " are not supported; text and image_url are",
                part.path(), "unsupported_value");
}

Api<std::vector<Part>> ReadContent(const std::optional<JsonIn>& content, PictureReader& pictures) {
  std::vector<Part> parts;
  if (!content) return parts;
  if (content->IsString()) {
    GEMMA3_TRY(const std::string text, content->String());
    parts.push_back(Part::Text(text));
    return parts;
  }
  if (!content->IsArray()) return content->Wrong("expected a string or a list of parts");
  for (size_t i = 0; i < content->size(); ++i) {
    GEMMA3_TRY(Part part, ReadPart(content->At(i), pictures));
    parts.push_back(std::move(part));
  }
  return parts;
}

Api<std::vector<ToolCall>> ReadCalls(const JsonIn& message) {
  std::vector<ToolCall> calls;
  const auto list = message.Find("tool_calls");
  if (list) {
    if (!list->IsArray()) return list->Wrong("expected a list of calls");
    for (size_t i = 0; i < list->size(); ++i) {
      const JsonIn item = list->At(i);
      if (!item.IsObject()) return item.Wrong("expected a call");
      GEMMA3_TRY(const JsonIn function, item.Need("function"));
      if (!function.IsObject()) return function.Wrong("expected an object");
      ToolCall& call = calls.emplace_back();
      GEMMA3_TRY(const auto id, item.FindString("id"));
      call.id = id.value_or("");
      GEMMA3_TRY(const JsonIn name, function.Need("name"));
      GEMMA3_TRY(call.name, name.String());
      if (const auto arguments = function.Find("arguments")) {
        GEMMA3_TRY(call.arguments, ArgumentsOf(*arguments));
      }
    }
  } else if (const auto call_of = message.Find("function_call"); call_of && call_of->IsObject()) {
    ToolCall& call = calls.emplace_back();
    GEMMA3_TRY(const JsonIn name, call_of->Need("name"));
    GEMMA3_TRY(call.name, name.String());
    if (const auto arguments = call_of->Find("arguments")) {
      GEMMA3_TRY(call.arguments, ArgumentsOf(*arguments));
    }
  }
  return calls;
}

Api<void> ReadMessage(const JsonIn& message, PictureReader& pictures, Conversation& conversation) {
  if (!message.IsObject()) return message.Wrong("expected a message");
  GEMMA3_TRY(const JsonIn role_of, message.Need("role"));
  GEMMA3_TRY(const std::string as_sent, role_of.String());
  const std::string role = AsciiLower(as_sent);
  const auto content = message.Find("content");
  const bool shows = role == "user" || role == "tool" || role == "function";
  if (const auto images = message.Find("images"); images && !shows && images->size() > 0) {
    return images->Wrong("pictures stand in the user's messages", "unsupported_value");
  }
  if (role == "system" || role == "developer") {
    if (!content) return {};
    GEMMA3_TRY(const std::string text, TextOf(*content));
    conversation.System(text);
    return {};
  }
  if (role == "assistant" || role == "model") {
    std::vector<Part> parts;
    if (content) {
      GEMMA3_TRY(const std::string text, TextOf(*content));
      parts.push_back(Part::Text(text));
    }
    GEMMA3_TRY(std::vector<ToolCall> calls, ReadCalls(message));
    conversation.Model(std::move(parts), std::move(calls));
    return {};
  }
  if (shows) {
    GEMMA3_TRY(std::vector<Part> parts, ReadContent(content, pictures));
    if (const auto images = message.Find("images")) {
      if (!images->IsArray()) return images->Wrong("expected a list of base64 pictures");
      std::vector<Part> before;
      for (size_t i = 0; i < images->size(); ++i) {
        GEMMA3_TRY(const std::string text, images->At(i).String());
        GEMMA3_TRY(Part picture, pictures.FromUrl(text, images->At(i).path()));
        before.push_back(std::move(picture));
      }
      parts.insert(parts.begin(), std::make_move_iterator(before.begin()),
                   std::make_move_iterator(before.end()));
    }
    if (role == "user") {
      conversation.User(std::move(parts));
      return {};
    }
    GEMMA3_TRY(const auto id, message.FindString("tool_call_id"));
    std::optional<std::string> name;
    for (const char* key : {"name", "tool_name"}) {
      GEMMA3_TRY(auto given, message.FindString(key));
      if (given) name = std::move(given);
    }
    conversation.Result(id.value_or(""), name.value_or(""), std::move(parts));
    return {};
  }
  return role_of.Wrong("expected system, developer, user, assistant or tool, not \"" +
                       as_sent.substr(0, 40) + "\"");
}

// The answers' JSON.
class ChatTelling : public Telling {
 public:
  ChatTelling(std::string model, size_t n, bool usage, bool logprobs)
      : id_(NewId("chatcmpl-")),
        created_(Now()),
        model_(std::move(model)),
        n_(n),
        usage_(usage),
        logprobs_(logprobs) {}

  std::string Whole(std::span<const GenerationResult> results) override {
    Json choices = Json::array();
    for (size_t i = 0; i < results.size(); ++i) {
      const GenerationResult& result = results[i];
      Json message = {{"role", "assistant"}};
      message["content"] =
          result.text.empty() && !result.calls.empty() ? Json() : Json(result.text);
      message["refusal"] = nullptr;
      if (!result.thought.empty()) message["reasoning_content"] = result.thought;
      if (!result.calls.empty()) message["tool_calls"] = Calls(result, /*indexed=*/false);
      Json choice = {{"index", i}, {"message", std::move(message)}};
      choice["logprobs"] =
          logprobs_
              ? Json({{"content", ChatLogprobs(SpelledLogprobs(result))}, {"refusal", nullptr}})
              : Json();
      choice["finish_reason"] = FinishReason(result);
      choices.push_back(std::move(choice));
    }
    Json json = Frame("chat.completion");
    json["choices"] = std::move(choices);
    json["usage"] = UsageOf(results, n_);
    return Dump(json);
  }

  // One chunk for each choice, the lowest first, before any text.
  std::string Begin() override {
    std::string chunks;
    for (size_t i = 0; i < n_; ++i) {
      chunks += Chunk(i, {{"role", "assistant"}, {"content", ""}});
    }
    return chunks;
  }
  std::string Step(size_t answer, const AnswerStep& step) override {
    Json logprobs;
    if (logprobs_) logprobs = {{"content", ChatLogprobs(step.logprobs)}, {"refusal", nullptr}};
    return Chunk(answer, {{"content", step.text}}, std::move(logprobs));
  }
  std::string Done(size_t answer, const GenerationResult& result) override {
    std::string chunks;
    if (!result.calls.empty()) {
      const Json calls = Calls(result, /*indexed=*/true);
      for (const Json& call : calls) {
        Json head = call;
        head["function"]["arguments"] = "";
        chunks += Chunk(answer, {{"tool_calls", Json::array({head})}});
        chunks += Chunk(
            answer,
            {{"tool_calls",
              Json::array({{{"index", call["index"]},
                            {"function", {{"arguments", call["function"]["arguments"]}}}}})}});
      }
    }
    return chunks + Chunk(answer, Json::object(), {}, FinishReason(result));
  }
  std::string End(std::span<const GenerationResult> results) override {
    std::string chunks;
    if (usage_) {
      Json json = Frame("chat.completion.chunk");
      json["choices"] = Json::array();
      json["usage"] = UsageOf(results, n_);
      chunks += Event(Dump(json));
    }
    return chunks + "data: [DONE]\n\n";
  }
  std::string Failed(const ApiError& error) override {
    return Event(ErrorBody(error, Wording::kOpenAi));
  }

 private:
  Json Frame(const char* object) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", model_},
            {"system_fingerprint", "fp_gemma3cpp"}};
  }
  std::string Chunk(size_t index, Json delta, Json logprobs = {},
                    const char* reason = nullptr) const {
    Json choice = {{"index", index}, {"delta", std::move(delta)}};
    choice["logprobs"] = std::move(logprobs);
    choice["finish_reason"] = reason == nullptr ? Json() : Json(reason);
    Json json = Frame("chat.completion.chunk");
    json["choices"] = Json::array({std::move(choice)});
    if (usage_) json["usage"] = nullptr;
    return Event(Dump(json));
  }
  static Json Calls(const GenerationResult& result, bool indexed) {
    Json calls = Json::array();
    for (size_t i = 0; i < result.calls.size(); ++i) {
      const ToolCall& call = result.calls[i];
      Json json;
      if (indexed) json["index"] = i;
      json["id"] = call.id;
      json["type"] = "function";
      json["function"] = {{"name", call.name}, {"arguments", call.arguments}};
      calls.push_back(std::move(json));
    }
    return calls;
  }

  const std::string id_;
  const int64_t created_;
  const std::string model_;
  const size_t n_;
  const bool usage_, logprobs_;
};

}  // namespace

const char* FinishReason(const GenerationResult& result) {
  switch (result.stop_reason) {
    case StopReason::kMaxTokens:
    case StopReason::kContextFull:
    case StopReason::kDeadline:
    case StopReason::kCancelled:
      return "length";
    case StopReason::kEndOfTurn:
    case StopReason::kStopString:
      return result.calls.empty() ? "stop" : "tool_calls";
  }
  return "stop";
}

Json UsageOf(std::span<const GenerationResult> results, size_t n) {
  size_t prompt = 0, cached = 0, answer = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    answer += results[i].tokens;
    if (i % n != 0) continue;  // one prompt has n answers
    prompt += results[i].prompt_tokens;
    cached += results[i].cached_tokens;
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", answer},
          {"total_tokens", prompt + answer},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

Json ChatLogprobs(std::span<const TokenLogprobs> tokens) {
  const auto token_json = [](const TokenLogprobs::Token& token) {
    Json bytes = Json::array();
    for (const char c : token.bytes) bytes.push_back(static_cast<unsigned char>(c));
    return Json{{"token", token.bytes}, {"logprob", token.logprob}, {"bytes", std::move(bytes)}};
  };
  Json list = Json::array();
  for (const TokenLogprobs& token : tokens) {
    Json item = token_json(token.chosen);
    item["top_logprobs"] = Json::array();
    for (const auto& other : token.likeliest) item["top_logprobs"].push_back(token_json(other));
    list.push_back(std::move(item));
  }
  return list;
}

std::span<const TokenLogprobs> SpelledLogprobs(const GenerationResult& result) {
  std::span<const TokenLogprobs> all = result.logprobs;
  const bool ended = result.stop_reason == StopReason::kEndOfTurn && all.size() == result.tokens;
  if (ended && !all.empty()) return all.first(all.size() - 1);
  if (result.stop_reason != StopReason::kStopString || !result.calls.empty()) return all;
  // Not those of the text that ended it, which is not told either.
  size_t count = 0, bytes = 0;
  while (count < all.size() && bytes < result.text.size())
    bytes += all[count++].chosen.bytes.size();
  return all.first(count);
}

Api<void> ReadOneMessage(const JsonIn& message, PictureReader& pictures,
                         Conversation& conversation) {
  return ReadMessage(message, pictures, conversation);
}

Api<void> ReadMessages(const JsonIn& messages, PictureReader& pictures,
                       Conversation& conversation) {
  if (!messages.IsArray()) return messages.Wrong("expected a list of messages");
  if (messages.size() == 0) return messages.Wrong("it is empty");
  for (size_t i = 0; i < messages.size(); ++i) {
    GEMMA3_CHECK_OK(ReadMessage(messages.At(i), pictures, conversation));
  }
  return {};
}

Api<void> ReadTools(const JsonIn& body, GenerationOptions& options) {
  ToolOptions& out = options.tools;
  if (const auto tools = body.Find("tools")) {
    if (!tools->IsArray()) return tools->Wrong("expected a list of tools");
    for (size_t i = 0; i < tools->size(); ++i) {
      const JsonIn item = tools->At(i);
      if (!item.IsObject()) return item.Wrong("expected a tool");
      GEMMA3_TRY(const auto type, item.FindString("type"));
      if (type && *type != "function") {
        return item.Wrong("only tools of type function are supported", "unsupported_value");
      }
      GEMMA3_TRY(const JsonIn function, item.Need("function"));
      GEMMA3_TRY(Tool tool, ReadFunction(function));
      out.tools.push_back(std::move(tool));
    }
  } else if (const auto functions = body.Find("functions")) {
    if (!functions->IsArray()) return functions->Wrong("expected a list of functions");
    for (size_t i = 0; i < functions->size(); ++i) {
      GEMMA3_TRY(Tool tool, ReadFunction(functions->At(i)));
      out.tools.push_back(std::move(tool));
    }
  }
  if (const auto choice = body.Find("tool_choice")) {
    GEMMA3_TRY(out.choice, ReadToolChoice(*choice));
  } else if (const auto call = body.Find("function_call")) {
    if (call->IsObject()) {
      GEMMA3_TRY(const JsonIn name_of, call->Need("name"));
      GEMMA3_TRY(const std::string name, name_of.String());
      out.choice = ToolChoice::Named(name);
    } else {
      GEMMA3_TRY(out.choice, ReadToolChoice(*call));
    }
  }
  if (out.tools.empty()) {
    if (out.choice.mode == ToolChoice::Mode::kRequired) {
      return Refuse(400, "tool_choice asks for a call, and there are no tools", "tool_choice",
                    "invalid_value");
    }
    out.choice = {};
  }
  GEMMA3_TRY(out.parallel_tool_calls, body.FindBool("parallel_tool_calls", true));
  if (CallsOnly(options)) options.constraint.reset();  // a grammar's
  return {};
}

Api<Ask> ReadChat(const JsonIn& body, const ModelView& model, const AskDefaults& defaults) {
  Ask ask;
  ask.options = defaults.options;
  GEMMA3_CHECK_OK(ReadSampling(body, model, ask.options));
  GEMMA3_CHECK_OK(ReadTools(body, ask.options));

  std::optional<int64_t> tokens;
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    GEMMA3_TRY(const auto wanted, body.FindInteger(name, -1, JsonIn::kMost));
    if (wanted && *wanted == 0) {
      return Refuse(400, std::string(name) + " must be at least 1", name, "invalid_value");
    }
    if (wanted) tokens = wanted;
  }
  LimitTokens(tokens, defaults, ask.options);

  GEMMA3_TRY(const auto n, body.FindInteger("n", 1, static_cast<int64_t>(defaults.max_n)));
  ask.n = static_cast<size_t>(n.value_or(1));
  GEMMA3_TRY(ask.stream, body.FindBool("stream", false));
  bool usage = false;
  if (const auto stream_options = body.Find("stream_options")) {
    if (!stream_options->IsObject()) return stream_options->Wrong("expected an object");
    GEMMA3_TRY(usage, stream_options->FindBool("include_usage", false));
  }
  GEMMA3_TRY(const bool logprobs, body.FindBool("logprobs", false));
  GEMMA3_TRY(const auto top, body.FindInteger("top_logprobs", 0, 20));
  if (top && *top > 0 && !logprobs) {
    return Refuse(400, "top_logprobs needs logprobs to be true", "top_logprobs", "invalid_value");
  }
  if (logprobs) ask.options.logprobs = static_cast<size_t>(top.value_or(0));
  if (const auto modalities = body.Find("modalities"); modalities && modalities->IsArray()) {
    for (size_t i = 0; i < modalities->size(); ++i) {
      if (modalities->At(i).IsString() && *modalities->At(i).String() != "text") {
        return modalities->At(i).Wrong("answers are text here", "unsupported_value");
      }
    }
  }

  PictureReader pictures(defaults.images, defaults.pictures);
  Conversation conversation;
  GEMMA3_TRY(const JsonIn messages, body.Need("messages"));
  GEMMA3_CHECK_OK(ReadMessages(messages, pictures, conversation));
  GEMMA3_TRY(Prompt prompt, std::move(conversation).Finish(model.system, "messages"));
  if (const auto format = body.Find("response_format")) {
    if (!format->IsObject()) return format->Wrong("expected an object");
    std::string words;
    GEMMA3_CHECK_OK(ReadResponseFormat(*format, defaults.schema_prompt, ask.options, &words));
    if (!words.empty()) AddToLastUser(prompt, words);
  }
  ask.prompts.push_back(std::move(prompt));
  ask.telling = std::make_unique<ChatTelling>(model.id, ask.n, usage, logprobs);
  return ask;
}

}  // namespace gemma3::serve
