// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/openai_responses.h"

#include <limits>
#include <utility>

#include "tools/serve/conversation.h"
#include "tools/serve/json_out.h"
#include "tools/serve/openai_chat.h"
#include "tools/serve/openai_fields.h"

namespace gemma3::serve {
namespace {

// What is echoed of a request, as JSON texts: a client may give very many members.
using Echo = std::vector<std::pair<const char*, std::string>>;

class ResponsesTelling : public Telling {
 public:
  ResponsesTelling(std::string model, Echo echo, bool logprobs)
      : id_(NewId("resp_")),
        message_id_(NewId("msg_")),
        created_(Now()),
        model_(std::move(model)),
        echo_(std::move(echo)),
        logprobs_(logprobs) {}

  std::string Whole(std::span<const GenerationResult> results) override {
    return Object(&results.front());
  }

  std::string Begin() override {
    std::string events = Emit("response.created", Object(nullptr));
    events += Emit("response.in_progress", Object(nullptr));
    return events;
  }
  std::string Step(size_t, const AnswerStep& step) override {
    std::string events = OpenMessage();
    Json delta = Place();
    delta["delta"] = step.text;
    delta["logprobs"] = logprobs_ ? ChatLogprobs(step.logprobs) : Json::array();
    return events + Emit("response.output_text.delta", std::move(delta));
  }
  std::string Done(size_t, const GenerationResult& result) override {
    std::string events;
    if (result.calls.empty()) events += OpenMessage();
    size_t index = 0;
    if (open_) {
      Json done = Place();
      done["text"] = result.text;
      done["logprobs"] = Json::array();
      events += Emit("response.output_text.done", std::move(done));
      Json part = Place();
      part["part"] = TextPart(result.text, nullptr);
      events += Emit("response.content_part.done", std::move(part));
      const char* const status = IsCut(result) ? "incomplete" : "completed";
      events += Emit("response.output_item.done",
                     {{"output_index", 0}, {"item", MessageItem(&result, status)}});
      ++index;
    }
    for (const ToolCall& call : result.calls) {
      const std::string item_id = ItemIdOf(call);
      Json begun = CallItem(call, "in_progress");
      begun["arguments"] = "";
      events +=
          Emit("response.output_item.added", {{"output_index", index}, {"item", std::move(begun)}});
      events += Emit("response.function_call_arguments.delta",
                     {{"item_id", item_id}, {"output_index", index}, {"delta", call.arguments}});
      events +=
          Emit("response.function_call_arguments.done",
               {{"item_id", item_id}, {"output_index", index}, {"arguments", call.arguments}});
      events += Emit("response.output_item.done",
                     {{"output_index", index}, {"item", CallItem(call, "completed")}});
      ++index;
    }
    return events;
  }
  std::string End(std::span<const GenerationResult> results) override {
    const bool cut = IsCut(results.front());
    return Emit(cut ? "response.incomplete" : "response.completed", Object(&results.front()));
  }
  std::string Failed(const ApiError& error) override {
    return Emit("response.failed", Object(nullptr, &error));
  }

 private:
  static bool IsCut(const GenerationResult& result) {
    return std::string_view(FinishReason(result)) == "length";
  }
  static std::string ItemIdOf(const ToolCall& call) {
    return call.id.starts_with("call_") ? "fc_" + call.id.substr(5) : "fc_" + call.id;
  }
  static Json CallItem(const ToolCall& call, const char* status) {
    return {{"id", ItemIdOf(call)}, {"type", "function_call"},     {"call_id", call.id},
            {"name", call.name},    {"arguments", call.arguments}, {"status", status}};
  }
  Json TextPart(const std::string& text, const GenerationResult* result) const {
    Json part = {{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}};
    part["logprobs"] =
        logprobs_ && result != nullptr ? ChatLogprobs(SpelledLogprobs(*result)) : Json::array();
    return part;
  }
  Json MessageItem(const GenerationResult* result, const char* status) const {
    Json item = {{"id", message_id_}, {"type", "message"}, {"role", "assistant"}};
    item["status"] = status;
    item["content"] = Json::array();
    if (result != nullptr) item["content"].push_back(TextPart(result->text, result));
    return item;
  }
  Json Place() const {
    return {{"item_id", message_id_}, {"output_index", 0}, {"content_index", 0}};
  }
  std::string OpenMessage() {
    if (std::exchange(open_, true)) return {};
    std::string events = Emit("response.output_item.added",
                              {{"output_index", 0}, {"item", MessageItem(nullptr, "in_progress")}});
    Json part = Place();
    part["part"] = TextPart("", nullptr);
    return events + Emit("response.content_part.added", std::move(part));
  }
  // result: null while there is none.
  std::string Object(const GenerationResult* result, const ApiError* error = nullptr) const {
    const bool cut = result != nullptr && IsCut(*result);
    Json json = {{"id", id_},
                 {"object", "response"},
                 {"created_at", created_},
                 {"status", error != nullptr    ? "failed"
                            : result == nullptr ? "in_progress"
                            : cut               ? "incomplete"
                                                : "completed"},
                 {"background", false},
                 {"error", nullptr}};
    if (error != nullptr) {
      json["error"] = {{"code", error->code.empty() ? "server_error" : error->code},
                       {"message", error->message}};
    }
    json["incomplete_details"] = cut ? Json({{"reason", "max_output_tokens"}}) : Json();
    json["model"] = model_;
    json["output"] = Json::array();
    if (result != nullptr) {
      if (!result->text.empty() || result->calls.empty()) {
        json["output"].push_back(MessageItem(result, cut ? "incomplete" : "completed"));
      }
      for (const ToolCall& call : result->calls) {
        json["output"].push_back(CallItem(call, "completed"));
      }
    }
    json["previous_response_id"] = nullptr;
    json["store"] = false;
    json["truncation"] = "disabled";
    json["usage"] = nullptr;
    if (result != nullptr) {
      json["usage"] = {{"input_tokens", result->prompt_tokens},
                       {"input_tokens_details", {{"cached_tokens", result->cached_tokens}}},
                       {"output_tokens", result->tokens},
                       {"output_tokens_details", {{"reasoning_tokens", 0}}},
                       {"total_tokens", result->prompt_tokens + result->tokens}};
    }
    std::string text = Dump(json);
    for (const auto& [name, value] : echo_) text = WithMember(std::move(text), name, value);
    return text;
  }
  std::string Emit(const char* name, Json members) {
    Json json = {{"type", name}, {"sequence_number", sequence_++}};
    json.update(members);
    return std::string("event: ") + name + "\n" + Event(Dump(json));
  }
  std::string Emit(const char* name, const std::string& response) {
    const Json json = {{"type", name}, {"sequence_number", sequence_++}};
    return std::string("event: ") + name + "\n" +
           Event(WithMember(Dump(json), "response", response));
  }

  const std::string id_, message_id_;
  const int64_t created_;
  const std::string model_;
  const Echo echo_;
  const bool logprobs_;
  size_t sequence_ = 0;
  bool open_ = false;
};

// An item of `input`; calls of one turn come as items of their own.
Api<void> ReadItem(const JsonIn& item, PictureReader& pictures, Conversation& conversation,
                   std::vector<ToolCall>& calls, std::vector<Part>& before_calls) {
  const auto flush = [&] {
    if (calls.empty() && before_calls.empty()) return;
    conversation.Model(std::exchange(before_calls, {}), std::exchange(calls, {}));
  };
  if (!item.IsObject()) return item.Wrong("expected an item");
  GEMMA3_TRY(const auto type_of, item.FindString("type"));
  const std::string type = type_of.value_or("message");
  if (type == "function_call") {
    ToolCall& call = calls.emplace_back();
    GEMMA3_TRY(const JsonIn id, item.Need("call_id"));
    GEMMA3_TRY(call.id, id.String());
    GEMMA3_TRY(const JsonIn name, item.Need("name"));
    GEMMA3_TRY(call.name, name.String());
    if (const auto arguments = item.Find("arguments")) {
      GEMMA3_TRY(call.arguments, ArgumentsOf(*arguments));
    }
    return {};
  }
  if (type == "function_call_output") {
    flush();
    GEMMA3_TRY(const JsonIn id_of, item.Need("call_id"));
    GEMMA3_TRY(const std::string id, id_of.String());
    GEMMA3_TRY(const JsonIn output, item.Need("output"));
    GEMMA3_TRY(const std::string text, TextOf(output));
    conversation.Result(id, "", {Part::Text(text)});
    return {};
  }
  if (type == "reasoning") return {};  // of other models
  if (type != "message") {
    return item.Wrong("items of type " + type.substr(0, 40) + " are not supported",
                      "unsupported_value");
  }
  GEMMA3_TRY(const JsonIn role_of, item.Need("role"));
  GEMMA3_TRY(const std::string role, role_of.String());
  if (role == "assistant") {
    flush();
    if (const auto content = item.Find("content")) {
      GEMMA3_TRY(const std::string text, TextOf(*content));
      before_calls.push_back(Part::Text(text));
    }
    return {};
  }
  flush();
  return ReadOneMessage(item, pictures, conversation);
}

Api<void> ReadInput(const JsonIn& body, PictureReader& pictures, Conversation& conversation) {
  GEMMA3_TRY(const auto instructions, body.FindString("instructions"));
  if (instructions) conversation.System(*instructions);
  GEMMA3_TRY(const JsonIn input, body.Need("input"));
  if (input.IsString()) {
    GEMMA3_TRY(const std::string text, input.String());
    conversation.User({Part::Text(text)});
    return {};
  }
  if (!input.IsArray() || input.size() == 0) return input.Wrong("expected a string or items");
  std::vector<ToolCall> calls;
  std::vector<Part> before_calls;
  for (size_t i = 0; i < input.size(); ++i) {
    GEMMA3_CHECK_OK(ReadItem(input.At(i), pictures, conversation, calls, before_calls));
  }
  if (!calls.empty() || !before_calls.empty()) {
    conversation.Model(std::move(before_calls), std::move(calls));
  }
  return {};
}

}  // namespace

Api<Ask> ReadResponses(const JsonIn& body, const ModelView& model, const AskDefaults& defaults) {
  Ask ask;
  ask.options = defaults.options;
  GEMMA3_CHECK_OK(ReadSampling(body, model, ask.options));
  for (const char* name : {"previous_response_id", "conversation", "prompt"}) {
    if (const auto stored = body.Find(name)) {
      return stored->Wrong("nothing is stored here: send the whole conversation as input",
                           "unsupported_value");
    }
  }
  GEMMA3_TRY(const bool background, body.FindBool("background", false));
  if (background) {
    return Refuse(400, "background is not supported", "background", "unsupported_value");
  }
  GEMMA3_TRY(const auto tokens, body.FindInteger("max_output_tokens", 1, JsonIn::kMost));
  LimitTokens(tokens, defaults, ask.options);
  GEMMA3_TRY(ask.stream, body.FindBool("stream", false));

  if (const auto tools = body.Find("tools")) {
    if (!tools->IsArray()) return tools->Wrong("expected a list of tools");
    for (size_t i = 0; i < tools->size(); ++i) {
      const JsonIn tool = tools->At(i);
      if (!tool.IsObject()) return tool.Wrong("expected a tool");
      GEMMA3_TRY(const auto type, tool.FindString("type"));
      if (type && *type != "function") continue;  // those of OpenAI's own servers
      GEMMA3_TRY(Tool read, ReadFunction(tool));
      ask.options.tools.tools.push_back(std::move(read));
    }
  }
  if (const auto choice = body.Find("tool_choice")) {
    const bool none = ask.options.tools.tools.empty();
    auto read = ReadToolChoice(*choice);
    // With none but OpenAI's own, the choice of one of these is no choice.
    if (!read && !none) return std::unexpected(read.error());
    if (none && read && read->mode == ToolChoice::Mode::kRequired) {
      return choice->Wrong("it asks for a call, and there are no tools of type function");
    }
    if (!none) ask.options.tools.choice = *std::move(read);
  }
  GEMMA3_TRY(ask.options.tools.parallel_tool_calls, body.FindBool("parallel_tool_calls", true));
  if (CallsOnly(ask.options)) ask.options.constraint.reset();  // a grammar's

  bool logprobs = false;
  if (const auto include = body.Find("include")) {
    if (!include->IsArray()) return include->Wrong("expected a list");
    for (size_t i = 0; i < include->size(); ++i) {
      logprobs = logprobs || (include->At(i).IsString() &&
                              *include->At(i).String() == "message.output_text.logprobs");
    }
  }
  GEMMA3_TRY(const auto top, body.FindInteger("top_logprobs", 0, 20));
  if (logprobs) ask.options.logprobs = static_cast<size_t>(top.value_or(0));

  PictureReader pictures(defaults.images, defaults.pictures);
  Conversation conversation;
  GEMMA3_CHECK_OK(ReadInput(body, pictures, conversation));
  GEMMA3_TRY(Prompt prompt, std::move(conversation).Finish(model.system, "input"));
  if (const auto text = body.Find("text")) {
    if (!text->IsObject()) return text->Wrong("expected an object");
    if (const auto format = text->Find("format")) {
      if (!format->IsObject()) return format->Wrong("expected an object");
      std::string words;
      GEMMA3_CHECK_OK(ReadResponseFormat(*format, defaults.schema_prompt, ask.options, &words));
      if (!words.empty()) AddToLastUser(prompt, words);
    }
  }
  ask.prompts.push_back(std::move(prompt));
  const std::pair<const char*, const char*> echoed[] = {{"instructions", "null"},
                                                        {"max_output_tokens", "null"},
                                                        {"metadata", "{}"},
                                                        {"parallel_tool_calls", "true"},
                                                        {"temperature", "null"},
                                                        {"text", R"({"format":{"type":"text"}})"},
                                                        {"tool_choice", "\"auto\""},
                                                        {"tools", "[]"},
                                                        {"top_p", "null"}};
  Echo echo;
  for (const auto& [name, otherwise] : echoed) {
    const auto value = body.Find(name);
    echo.emplace_back(name, value ? value->Text() : otherwise);
  }
  ask.telling = std::make_unique<ResponsesTelling>(model.id, std::move(echo), logprobs);
  return ask;
}

}  // namespace gemma3::serve
