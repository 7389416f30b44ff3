// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A session's messages and what each public call does to them. The work itself is the engine's: a
// session holds nothing that was computed, and finds it by its tokens.
#include "gemma3/session.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/chat/tool_prompt.h"
#include "src/engine/engine_state.h"
#include "src/engine/prompt_plan.h"
#include "src/engine/saved_state.h"

namespace gemma3 {

struct Session::Impl {
  explicit Impl(const Engine& engine) : engine(engine) {
    const std::string& system = engine.model().config().system;
    if (!system.empty()) messages = {Message::System(system)};
  }

  const Engine engine;
  std::vector<Message> messages;  // those of the model that were generated here have ids
  mutable TextMemo memo;
  // What the last answer was given with: the tools that the prompt offered, the salt under which it
  // was computed, and the adapters (none yet: the engine's).
  std::shared_ptr<const ToolSet> tools;
  std::string salt;
  std::optional<std::vector<AdapterUse>> adapters;
  // Shared with requests, which may live on for a step when their ticket is gone.
  const std::shared_ptr<std::atomic<bool>> cancel = std::make_shared<std::atomic<bool>>(false);

  const ResolvedOptions& options() const { return engine.state()->options; }
  const Model& model() const { return engine.model(); }

  Result<GenerationResult> Answer(PromptKind kind, PromptPlan prompt,
                                  const GenerationOptions& generation, const TextCallback& on_text,
                                  const ProgressCallback& on_progress);
  Result<GenerationResult> AnswerConversation(std::vector<Message> next,
                                              const GenerationOptions& generation,
                                              const TextCallback& on_text,
                                              const ProgressCallback& on_progress);
  std::vector<Message> Recall(std::span<const Message> given) const;
  Result<size_t> CountTokens(std::span<const Message> conversation) const;
  // While a prompt is laid out.
  StopCheck StopOf(const GenerationOptions& generation) const {
    return [this, &generation] {
      return *cancel || (generation.cancel && generation.cancel->cancelled());
    };
  }

  // Runs one public call that computes.
  template <class Fn>
  auto Call(const char* doing, const Fn& fn) -> decltype(fn()) {
    *cancel = false;
    return Guarded(doing, "", [&]() -> decltype(fn()) {
      GEMMA3_CHECK_OK(engine.state()->CheckFilesUnchanged());
      return fn();
    });
  }
};

// ---- Answers

// Takes messages from outside as a conversation; model turns that are the session's own, at the
// same place, keep their ids: encoding the text anew may split it otherwise, and what was computed
// would not be found.
std::vector<Message> Session::Impl::Recall(std::span<const Message> given) const {
  std::vector<Message> out(given.begin(), given.end());
  for (size_t i = 0; i < std::min(out.size(), messages.size()); ++i) {
    if (out[i].ids.empty() && SameModelTurn(out[i], messages[i])) out[i].ids = messages[i].ids;
  }
  return out;
}

// What every next prompt will begin with.
Result<size_t> Session::Impl::CountTokens(std::span<const Message> conversation) const {
  if (std::ranges::find(conversation, Role::kUser, &Message::role) == conversation.end()) return 0;
  GEMMA3_TRY(const PromptPlan plan,
             PlanChat(model(), options(), conversation, tools, /*to_be_answered=*/false, &memo));
  return plan.layout.ids.size();
}

Result<GenerationResult> Session::Impl::Answer(PromptKind kind, PromptPlan prompt,
                                               const GenerationOptions& generation,
                                               const TextCallback& on_text,
                                               const ProgressCallback& on_progress) {
  GEMMA3_TRY(Ticket ticket,
             EngineState::Submit(engine.state(), kind, std::move(prompt), generation, cancel));
  return ticket.Wait(on_text, on_progress);
}

Result<GenerationResult> Session::Impl::AnswerConversation(std::vector<Message> next,
                                                           const GenerationOptions& generation,
                                                           const TextCallback& on_text,
                                                           const ProgressCallback& on_progress) {
  if (!next.empty() && next.back().role == Role::kModel) {
    return Fail(ErrorCode::kInvalidArgument,
                "the conversation ends with the model's turn: there is no question to answer");
  }
  GEMMA3_TRY(const auto offered, ToolsOf(generation.tools));
  GEMMA3_TRY(PromptPlan plan, PlanChat(model(), options(), next, offered, /*to_be_answered=*/true,
                                       &memo, StopOf(generation)));
  GEMMA3_TRY(GenerationResult result,
             Answer(PromptKind::kChat, std::move(plan), generation, on_text, on_progress));
  next.push_back(Message::ModelCalls(result.text, result.calls));
  next.back().ids = result.ids;
  tools = offered;
  salt = generation.cache_salt;
  adapters = generation.adapters;
  messages = std::move(next);
  return result;
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::Create(const Engine& engine) {
  return Guarded("start the session", "",
                 [&]() -> Result<Session> { return Session(std::make_unique<Impl>(engine)); });
}

Result<Session> Session::Create(const Model& model, const SessionOptions& options,
                                const Model* draft) {
  GEMMA3_TRY(const Engine engine, Engine::Create(model, options, draft));
  return Create(engine);
}

Result<GenerationResult> Session::Send(const Message& message, const GenerationOptions& options,
                                       const TextCallback& on_text,
                                       const ProgressCallback& on_progress) {
  return impl_->Call("answer", [&] {
    std::vector<Message> next = impl_->messages;
    next.push_back(message);
    return impl_->AnswerConversation(std::move(next), options, on_text, on_progress);
  });
}

Result<GenerationResult> Session::Generate(std::span<const Message> messages,
                                           const GenerationOptions& options,
                                           const TextCallback& on_text,
                                           const ProgressCallback& on_progress) {
  return impl_->Call("answer", [&] {
    return impl_->AnswerConversation(impl_->Recall(messages), options, on_text, on_progress);
  });
}

Result<GenerationResult> Session::Complete(std::span<const Part> prompt,
                                           const GenerationOptions& options,
                                           const TextCallback& on_text,
                                           const ProgressCallback& on_progress) {
  return impl_->Call("continue the text", [&]() -> Result<GenerationResult> {
    if (!options.tools.tools.empty()) {
      return Fail(ErrorCode::kInvalidArgument, "raw text is continued without tools");
    }
    GEMMA3_TRY(PromptPlan plan,
               PlanRaw(impl_->model(), impl_->options(), prompt, impl_->StopOf(options)));
    return impl_->Answer(PromptKind::kRaw, std::move(plan), options, on_text, on_progress);
  });
}

Result<GenerationResult> Session::Complete(std::string_view prompt,
                                           const GenerationOptions& options,
                                           const TextCallback& on_text,
                                           const ProgressCallback& on_progress) {
  const auto parts =
      Guarded("continue the text", "", [&]() -> Result<Part> { return Part::Text(prompt); });
  if (!parts) return std::unexpected(parts.error());
  return Complete(std::span(&*parts, 1), options, on_text, on_progress);
}

// ---- The conversation

namespace {

// Index of the last user message, or the number of messages where there is none.
size_t LastUserMessage(std::span<const Message> messages) {
  for (size_t i = messages.size(); i-- > 0;) {
    if (messages[i].role == Role::kUser) return i;
  }
  return messages.size();
}

}  // namespace

Result<GenerationResult> Session::Regenerate(const GenerationOptions& options,
                                             const TextCallback& on_text,
                                             const ProgressCallback& on_progress) {
  return impl_->Call("answer", [&]() -> Result<GenerationResult> {
    std::vector<Message> next = impl_->messages;
    const size_t last = LastUserMessage(next);
    if (last == next.size()) {
      return Fail(ErrorCode::kInvalidArgument, "there is no question to answer anew");
    }
    next.resize(last + 1);
    return impl_->AnswerConversation(std::move(next), options, on_text, on_progress);
  });
}

bool Session::Undo() {
  std::vector<Message>& messages = impl_->messages;
  const size_t last = LastUserMessage(messages);
  if (last == messages.size()) return false;
  messages.resize(last);
  return true;
}

void Session::Clear() {
  std::vector<Message>& messages = impl_->messages;
  messages.resize(!messages.empty() && messages[0].role == Role::kSystem ? 1 : 0);
}

Status Session::SetSystem(std::string_view text) {
  return Guarded("set the system message", "", [&]() -> Status {
    std::vector<Message> next;
    if (!text.empty()) next.push_back(Message::System(text));
    impl_->messages = std::move(next);
    return {};
  });
}

namespace {

// The template says the rest. What has no user's message is not laid out at all.
Status CheckBegin(std::span<const Message> messages) {
  const size_t first = !messages.empty() && messages[0].role == Role::kSystem ? 1 : 0;
  if (messages.size() > first && messages[first].role != Role::kUser) {
    return Fail(ErrorCode::kInvalidArgument, "message ", first + 1,
                ": roles must alternate user, model, user, ... after an optional system message");
  }
  return {};
}

}  // namespace

Status Session::SetMessages(std::span<const Message> messages) {
  return Guarded("set the messages", "", [&]() -> Status {
    GEMMA3_CHECK_OK(CheckBegin(messages));
    std::vector<Message> next = impl_->Recall(messages);
    GEMMA3_TRY(const size_t tokens, impl_->CountTokens(next));
    if (tokens >= impl_->options().context) {
      return Fail(ErrorCode::kContextTooLong, "the conversation has ", tokens,
                  " tokens and does not fit a context of ", impl_->options().context,
                  "; use a larger context or fewer messages");
    }
    impl_->messages = std::move(next);
    return {};
  });
}

// ---- Files

Status Session::Save(const std::string& path, const ProgressCallback& on_progress) const {
  return Guarded("save the conversation to ", path, [&]() -> Status {
    PromptPlan plan;
    if (std::ranges::find(impl_->messages, Role::kUser, &Message::role) != impl_->messages.end()) {
      GEMMA3_TRY(plan, PlanChat(impl_->model(), impl_->options(), impl_->messages, impl_->tools,
                                /*to_be_answered=*/false, &impl_->memo));
    }
    EngineState& engine = *impl_->engine.state();
    GEMMA3_TRY(const auto adapters, engine.AdaptersOf(impl_->adapters));
    return SaveConversation(engine, impl_->messages, plan, impl_->salt, adapters.get(), path,
                            on_progress);
  });
}

Status Session::Load(const std::string& path) {
  return Guarded("load ", path, [&]() -> Status {
    EngineState& engine = *impl_->engine.state();
    GEMMA3_TRY(const auto adapters, engine.AdaptersOf(impl_->adapters));
    GEMMA3_TRY(const std::vector<Message> messages,
               LoadConversation(engine, path, impl_->salt, adapters.get()));
    return SetMessages(messages);
  });
}

Status Session::LoadMessages(const std::string& path) {
  return Guarded("load ", path, [&]() -> Status {
    GEMMA3_TRY(const std::vector<Message> messages, LoadMessagesOf(path));
    return SetMessages(messages);
  });
}

std::span<const Message> Session::messages() const { return impl_->messages; }

ContextUsage Session::usage() const {
  const size_t context = impl_->options().context;
  const auto tokens =
      Guarded("count the tokens", "", [&] { return impl_->CountTokens(impl_->messages); });
  // It was laid out before, so it can be now. The marks that end an answer may not fit any more.
  return {tokens ? std::min(*tokens, context) : 0, context};
}

const SessionOptions& Session::options() const { return impl_->options().session; }

const Model& Session::model() const { return impl_->model(); }

const Engine& Session::engine() const { return impl_->engine; }

void Session::Cancel() noexcept {
  if (impl_) impl_->cancel->store(true, std::memory_order_relaxed);
}

}  // namespace gemma3
