// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Gemma 3's chat template: from messages to token ids.
#include "src/chat/template.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "src/base/status.h"
#include "src/chat/call_value.h"
#include "src/chat/languages.h"
#include "src/chat/marked_calls.h"
#include "src/chat/tool_prompt.h"
#include "src/chat/translation.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

Status CheckText(std::string_view text, const std::string& where) {
  const size_t at = FindInvalidUtf8(text);
  if (at == std::string_view::npos) return {};
  return Fail(ErrorCode::kInvalidArgument, where, " is not valid UTF-8 at byte ", at);
}

std::string Place(size_t message, size_t part) {
  return "message " + std::to_string(message + 1) + ", part " + std::to_string(part + 1);
}

// The text in front of the first turn, or nothing without a system message.
Result<std::string> SystemPrefix(const Message& message) {
  std::string prefix;
  for (size_t i = 0; i < message.parts.size(); ++i) {
    const Part& part = message.parts[i];
    if (part.image != nullptr) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the system message has a picture; pictures belong to user messages");
    }
    GEMMA3_CHECK_OK(CheckText(part.text, Place(0, i)));
    prefix.append(part.text);
  }
  prefix.append("\n\n");
  return prefix;
}

// Adds parts to a prompt and counts the pictures in it.
class PartWriter {
 public:
  PartWriter(PromptBuilder& builder, std::span<const size_t> crops)
      : builder_(builder), crops_(crops) {}

  Status Add(const Part& part, const std::string& where, bool trim) {
    if (part.image != nullptr) {
      const size_t crops = pictures_ < crops_.size() ? crops_[pictures_] : 0;
      ++pictures_;
      return builder_.Picture(crops);
    }
    GEMMA3_CHECK_OK(CheckText(part.text, where));
    builder_.Text(trim ? TrimUnicodeWhitespace(part.text) : std::string_view(part.text));
    return {};
  }

 private:
  PromptBuilder& builder_;
  std::span<const size_t> crops_;
  size_t pictures_ = 0;
};

// The words of a request in front of its part.
Result<std::string> BeforeTranslated(const Message& message, size_t index,
                                     const ModelConfig& config) {
  if (message.parts.size() != 1) {
    return Fail(ErrorCode::kInvalidArgument, "message ", index + 1, " has ", message.parts.size(),
                " parts; a translation request is one text or one picture");
  }
  const std::span<const Language> table = config.chat_template.languages;
  GEMMA3_TRY(const Language from,
             FindLanguage(message.translation->from, table, "source language"));
  GEMMA3_TRY(const Language to, FindLanguage(message.translation->to, table, "target language"));
  return message.parts[0].image ? BeforeTranslatedPicture(from, to)
                                : BeforeTranslatedText(from, to);
}

// What TranslateGemma's own template refuses.
Status CheckForTranslateGemma(std::span<const Message> messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role == Role::kSystem) {
      return Fail(ErrorCode::kInvalidArgument, "TranslateGemma takes no system message");
    }
    if (messages[i].role == Role::kUser && !messages[i].translation) {
      return Fail(ErrorCode::kInvalidArgument, "message ", i + 1,
                  " names no languages: TranslateGemma takes the codes of a source and a target "
                  "language with each text (the options from and to, e.g. de and en)");
    }
  }
  return {};
}

// Ids come from programs; they may hold no turn and no picture of their own.
Status CheckGenerated(std::span<const TokenId> ids, const ChatTokens& tokens,
                      const ModelConfig& config, size_t message) {
  for (const TokenId id : ids) {
    for (const TokenId mark : {tokens.bos, tokens.start_of_turn, tokens.end_of_turn}) {
      if (id == mark) {
        return Fail(ErrorCode::kInvalidArgument, "message ", message + 1, ": its ids hold ", id,
                    ", which marks turns");
      }
    }
    const bool of_pictures = id == config.tokens.image_soft_token ||
                             id == config.tokens.start_of_image || id == config.tokens.end_of_image;
    if (config.has_vision && of_pictures) {
      return Fail(ErrorCode::kInvalidArgument, "message ", message + 1, ": its ids hold ", id,
                  ", which marks pictures");
    }
  }
  return {};
}

// Writes the turns of a conversation.
class ChatWriter {
 public:
  ChatWriter(std::span<const Message> messages, const ChatTokens& tokens, PromptBuilder& builder,
             const ModelConfig& config, const TemplateOptions& options)
      : messages_(messages),
        tokens_(tokens),
        builder_(builder),
        config_(config),
        options_(options),
        parts_(builder, options.crops) {}

  // FunctionGemma's.
  void UseMarks(const CallMarks& marks) { marks_ = marks; }

  Status Write() {
    GEMMA3_CHECK_OK(builder_.Control(tokens_.bos));
    size_t i = 0;
    if (messages_[0].role == Role::kSystem) {
      GEMMA3_TRY(prefix_, SystemPrefix(messages_[0]));
      ++i;
    }
    if (marks_) {
      GEMMA3_CHECK_OK(Developer());
    } else if (HasTools()) {
      (prefix_ += ToolInstructions(*options_.tools)) += "\n\n";
    }
    while (i < messages_.size()) {
      GEMMA3_CHECK_OK(CheckRole(i));
      switch (messages_[i].role) {
        case Role::kModel:
          GEMMA3_CHECK_OK(Model(i));
          ++i;
          break;
        case Role::kTool: {
          size_t end = i;
          while (end < messages_.size() && messages_[end].role == Role::kTool) ++end;
          GEMMA3_CHECK_OK(Results(i, end));
          i = end;
          break;
        }
        default:
          GEMMA3_CHECK_OK(User(i));
          ++i;
      }
    }
    if (!options_.add_generation_prompt) return Close();
    if (open_ == kModelHead) return {};  // which goes on behind results
    GEMMA3_CHECK_OK(Close());
    GEMMA3_CHECK_OK(builder_.Control(tokens_.start_of_turn));
    builder_.Text(kModelHead);
    return {};
  }

 private:
  bool HasTools() const { return options_.tools != nullptr && !options_.tools->tools().empty(); }

  // Begins a turn, unless it is the one that is open: results of marked calls are part of the
  // model's turn, other results part of the user's.
  Status Open(std::string_view head) {
    if (head == open_) return {};
    GEMMA3_CHECK_OK(Close());
    GEMMA3_CHECK_OK(builder_.BeginTurn());
    GEMMA3_CHECK_OK(builder_.Control(tokens_.start_of_turn));
    builder_.Text(head);
    open_ = head;
    return {};
  }
  Status Close() {
    if (open_.empty()) return {};
    open_ = {};
    GEMMA3_CHECK_OK(builder_.Control(tokens_.end_of_turn));
    builder_.Text("\n");
    return {};
  }

  Status CheckRole(size_t i) const {
    const Role role = messages_[i].role;
    const bool first = i == 0 || messages_[i - 1].role == Role::kSystem;
    const Role before = first ? Role::kSystem : messages_[i - 1].role;
    const bool modelled = before == Role::kModel;
    if (role == Role::kTool && (first || messages_[i - 1].calls.empty())) {
      return Fail(ErrorCode::kInvalidArgument, "message ", i + 1,
                  " is the result of a call, but the message before it calls nothing");
    }
    const bool good = role == Role::kUser    ? first || modelled || before == Role::kTool
                      : role == Role::kModel ? !first && !modelled
                                             : role == Role::kTool && modelled;
    if (!good) {
      return Fail(ErrorCode::kInvalidArgument, "message ", i + 1, " should be the ",
                  first || modelled ? "user's" : "model's",
                  ": roles must alternate user, model, user, ... after an optional system message");
    }
    if (role != Role::kModel && !messages_[i].calls.empty()) {
      return Fail(ErrorCode::kInvalidArgument, "message ", i + 1,
                  " has calls, but only the model makes some");
    }
    return {};
  }

  Status Developer() {
    if (prefix_.empty() && !HasTools()) return {};
    GEMMA3_CHECK_OK(Open("developer\n"));
    const std::string_view system = TrimUnicodeWhitespace(prefix_);
    builder_.Text(system);
    if (HasTools()) {
      if (!system.contains(kCallsSentence)) {
        if (!system.empty()) builder_.Text("\n");
        builder_.Text(kCallsSentence);
      }
      for (const ToolSet::Entry& tool : options_.tools->tools()) {
        GEMMA3_CHECK_OK(WriteDeclaration(tool, *marks_, builder_));
      }
    }
    prefix_.clear();
    return {};
  }

  Status User(size_t i) {
    const Message& message = messages_[i];
    const bool behind_results = open_ == kUserHead;
    GEMMA3_CHECK_OK(Open(kUserHead));
    if (behind_results) builder_.Text("\n");
    builder_.Text(std::exchange(prefix_, {}));
    if (message.translation) {
      GEMMA3_TRY(const std::string words, BeforeTranslated(message, i, config_));
      builder_.Text(words);
    }
    for (size_t p = 0; p < message.parts.size(); ++p) {
      GEMMA3_CHECK_OK(parts_.Add(message.parts[p], Place(i, p), /*trim=*/true));
    }
    return Close();
  }

  Status Model(size_t i) {
    const Message& message = messages_[i];
    GEMMA3_CHECK_OK(Open(kModelHead));
    const size_t answer = answers_++;
    const bool given = answer < options_.answers.size() && !options_.answers[answer].empty();
    std::span<const TokenId> ids = given ? options_.answers[answer] : message.ids;
    if (!ids.empty()) {
      const TokenId last = ids.back();
      if (last == tokens_.end_of_turn || (marks_ && last == marks_->begin_response)) {
        ids = ids.first(ids.size() - 1);  // written by what follows
      }
      GEMMA3_CHECK_OK(CheckGenerated(ids, tokens_, config_, i));
      GEMMA3_CHECK_OK(builder_.Ids(ids));
    } else {
      bool any_text = false;
      for (size_t p = 0; p < message.parts.size(); ++p) {
        GEMMA3_CHECK_OK(parts_.Add(message.parts[p], Place(i, p), /*trim=*/true));
        any_text = any_text || !message.parts[p].text.empty();
      }
      GEMMA3_CHECK_OK(Calls(message, any_text));
    }
    const bool last = i + 1 == messages_.size();
    // A turn that is to be gone on with stays open, and so does one with results in it.
    const bool goes_on =
        last ? options_.continue_model_turn : marks_ && messages_[i + 1].role == Role::kTool;
    return goes_on ? Status() : Close();
  }

  // Calls whose ids are not known.
  Status Calls(const Message& message, bool behind_text) {
    if (message.calls.empty()) return {};
    for (const ToolCall& call : message.calls) {
      GEMMA3_CHECK_OK(CheckText(call.name, "the name of a call"));
      GEMMA3_CHECK_OK(CheckText(call.arguments, "the arguments of " + call.name));
      if (!marks_) continue;
      const std::optional<std::string> arguments = CompactJson(call.arguments);
      const bool object = arguments && arguments->starts_with('{');
      GEMMA3_CHECK_OK(WriteMarkedCall(call.name, object ? *arguments : "{}", *marks_, builder_));
    }
    if (marks_) return {};
    if (behind_text) builder_.Text("\n");
    builder_.Text(
        SpellCalls(message.calls, options_.tools ? options_.tools->style() : ToolStyle::kJson));
    return {};
  }

  // The results in messages begin to end - 1, in the order of their calls.
  Status Results(size_t begin, size_t end) {
    const std::span<const ToolCall> calls = messages_[begin - 1].calls;
    const std::span<const Message> results = messages_.subspan(begin, end - begin);
    GEMMA3_TRY(const std::vector<size_t> call_of, MatchResults(calls, results, begin));
    std::vector<size_t> order(results.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, {}, [&](size_t i) { return call_of[i]; });

    GEMMA3_CHECK_OK(Open(marks_ ? kModelHead : kUserHead));
    for (size_t n = 0; n < order.size(); ++n) {
      const size_t i = order[n];
      const std::string& name = calls[call_of[i]].name;
      std::string text;
      bool pictures = false;
      for (const Part& part : results[i].parts) {
        text += ValidUtf8(part.text);
        pictures = pictures || part.image != nullptr;
      }
      if (pictures && (marks_ || i != n)) {
        return Fail(ErrorCode::kInvalidArgument, "message ", begin + i + 1,
                    " is a result with a picture; ",
                    marks_ ? "this model takes results of text alone"
                           : "give such results in the order of the calls");
      }
      if (marks_) {
        GEMMA3_CHECK_OK(builder_.Control(marks_->begin_response));
        GEMMA3_CHECK_OK(WriteMarkedResult(name, text, *marks_, builder_));
        continue;
      }
      if (n > 0) builder_.Text("\n");
      builder_.Text(kBeforeResult);
      builder_.Text(ResultText(TrimUnicodeWhitespace(text), name, calls.size() > 1));
      for (const Part& part : results[i].parts) {
        if (part.image != nullptr) GEMMA3_CHECK_OK(parts_.Add(part, "", /*trim=*/true));
      }
      builder_.Text(kBehindResult);
    }
    return {};
  }

  static constexpr std::string_view kUserHead = "user\n", kModelHead = "model\n";

  const std::span<const Message> messages_;
  const ChatTokens tokens_;
  PromptBuilder& builder_;
  const ModelConfig& config_;
  const TemplateOptions& options_;
  PartWriter parts_;
  std::optional<CallMarks> marks_;
  std::string prefix_;     // what stands before the first user's text
  std::string_view open_;  // the head of the turn that is open
  size_t answers_ = 0;     // turns of the model so far
};

}  // namespace

Result<PromptLayout> LayOutChat(std::span<const Message> messages, const Tokenizer& tokenizer,
                                const ModelConfig& config, const TemplateOptions& options) {
  GEMMA3_TRY(const ChatTokens tokens, ChatTokens::Find(tokenizer));
  const ChatTemplateKind kind = config.chat_template.kind;
  if (kind == ChatTemplateKind::kTranslateGemma) {
    GEMMA3_CHECK_OK(CheckForTranslateGemma(messages));
    if (options.tools != nullptr && !options.tools->tools().empty()) {
      return Fail(ErrorCode::kUnsupported, "TranslateGemma translates and calls no tools");
    }
  }
  const size_t first = !messages.empty() && messages[0].role == Role::kSystem ? 1 : 0;
  if (messages.size() == first) {
    return Fail(ErrorCode::kInvalidArgument, "the conversation has no user message");
  }
  PromptBuilder builder(tokenizer, config, options.image_form, options.memo, options.limits);
  ChatWriter writer(messages, tokens, builder, config, options);
  if (kind == ChatTemplateKind::kFunctionGemma) {
    // A vocabulary that lost its marks is still good for a chat without tools.
    const Result<CallMarks> marks = CallMarks::Find(tokenizer);
    if (marks) {
      writer.UseMarks(*marks);
    } else if (options.tools != nullptr && !options.tools->tools().empty()) {
      return std::unexpected(marks.error());
    }
  }
  GEMMA3_CHECK_OK(writer.Write());
  return std::move(builder).Finish();
}

Result<PromptLayout> LayOutRaw(std::span<const Part> parts, const Tokenizer& tokenizer,
                               const ModelConfig& config, const TemplateOptions& options) {
  GEMMA3_TRY(const ChatTokens tokens, ChatTokens::Find(tokenizer));
  PromptBuilder builder(tokenizer, config, options.image_form, options.memo, options.limits);
  PartWriter writer(builder, options.crops);
  GEMMA3_CHECK_OK(builder.Control(tokens.bos));
  for (size_t i = 0; i < parts.size(); ++i) {
    GEMMA3_CHECK_OK(writer.Add(parts[i], "part " + std::to_string(i + 1), /*trim=*/false));
  }
  return std::move(builder).Finish();
}

}  // namespace gemma3
