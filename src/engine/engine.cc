// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "gemma3/engine.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include "src/base/bytes_text.h"
#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/engine/engine_state.h"
#include "src/engine/memory_plan.h"
#include "src/engine/prompt_cache.h"
#include "src/engine/prompt_plan.h"
#include "src/engine/state_identity.h"
#include "src/generate/call_constraint.h"

namespace gemma3 {

// ---- Threads that take turns

namespace {

constexpr std::chrono::milliseconds kWakeEvery(50);

}  // namespace

EngineState::Turn::Turn(EngineState& engine) : engine(engine) {
  engine.stepping = true;
  engine.stepper = std::this_thread::get_id();
}

EngineState::Turn::~Turn() {
  if (engine.forget_later.exchange(false)) engine.scheduler.store().Clear();
  {
    const std::scoped_lock lock(engine.mutex);
    engine.counts = engine.scheduler.counts();
    engine.stepper = std::thread::id();
    engine.stepping = false;
    engine.changed.notify_all();
    if (!std::exchange(engine.reap_later, false)) return;
  }
  // Perhaps nobody waits for an answer any more, so that no step follows that would see to it.
  engine.Reap();
}

Status EngineState::CheckNotInCallback() const {
  if (!InCallback()) return {};
  return Fail(
      ErrorCode::kInvalidArgument,
      "a callback cannot wait for its own engine: call this when the answer is there, or on "
      "another thread");
}

void EngineState::Forget() {
  if (InCallback()) {
    forget_later = true;
  } else {
    Exclusively([](Machine&, Scheduler& scheduler) { scheduler.store().Clear(); });
  }
}

Result<Ticket> EngineState::Submit(const std::shared_ptr<EngineState>& engine, PromptKind kind,
                                   PromptPlan prompt, const GenerationOptions& options,
                                   std::shared_ptr<const std::atomic<bool>> also_stop) {
  GEMMA3_TRY(const Tokenizer* tokenizer, engine->model.tokenizer());
  GenerationOptions own = options;
  std::shared_ptr<const CallConstraints> calls;
  GEMMA3_TRY(const std::shared_ptr<const AdapterSet> adapters,
             engine->AdaptersOf(options.adapters));
  own.cache_salt = JoinSalt(options.cache_salt, adapters.get());
  const ToolChoice::Mode mode = options.tools.choice.mode;
  // A call that is required comes before what an answer in words has to be.
  if (prompt.tools && (!own.constraint || mode == ToolChoice::Mode::kRequired)) {
    const bool marked =
        engine->model.config().chat_template.kind == ChatTemplateKind::kFunctionGemma;
    if (mode == ToolChoice::Mode::kRequired && marked) {
      return Fail(ErrorCode::kUnsupported,
                  "FunctionGemma writes calls with marks that are no text: it cannot be made to "
                  "call, only asked to (tool choice auto)");
    }
    if (!marked && mode != ToolChoice::Mode::kNone) calls = engine->CallsOf(prompt.tools);
    if (mode == ToolChoice::Mode::kRequired) {
      GEMMA3_TRY(own.constraint, calls->Required());
    }
  }
  PromptPlan kept;
  if (!engine->options.session.prompt_cache_folder.empty()) kept = prompt;
  GEMMA3_TRY(std::shared_ptr<Request> request,
             Request::Create(engine->model.config(), *tokenizer, own, kind, std::move(prompt),
                             engine->options.context, engine->vocabulary, std::move(calls),
                             std::move(also_stop)));
  request->adapters = adapters;
  if (!engine->InCallback()) {
    FindInPromptCache(*engine, kept, own.cache_salt, adapters.get());
  }
  auto impl = std::make_unique<Ticket::Impl>(engine, request, own.cache_salt, std::move(kept));
  const std::scoped_lock lock(engine->mutex);
  engine->inbox.push_back(std::move(request));
  return Ticket(std::move(impl));
}

std::shared_ptr<const CallConstraints> EngineState::CallsOf(
    const std::shared_ptr<const ToolSet>& tools) {
  constexpr size_t kMost = 4;
  const std::scoped_lock lock(calls_mutex);
  auto known = std::ranges::find_if(calls, [&](const auto& some) { return some->AreOf(*tools); });
  if (known == calls.end()) {
    if (calls.size() == kMost) calls.pop_back();
    known = calls.insert(calls.end(), std::make_shared<const CallConstraints>(tools));
  }
  std::rotate(calls.begin(), known, known + 1);
  return calls.front();
}

const StateIdentity& EngineState::Identity() {
  std::call_once(identified, [this] { identity = IdentityOf(model.impl(), options); });
  return identity;
}

StateIdentity EngineState::IdentityWith(const AdapterSet* adapters) {
  StateIdentity with = Identity();
  if (adapters) with.fields.emplace_back("the adapters", adapters->identity());
  return with;
}

void EngineState::Run(std::unique_lock<std::mutex> lock, const std::function<void()>* on_tick) {
  const Turn turn(*this);
  reap_later = false;  // done by what follows
  const auto arrived = std::exchange(inbox, {});
  lock.unlock();
  const Status status = Guarded("answer", "", [&]() -> Status {
    for (const auto& request : arrived) scheduler.Add(request);
    if (on_tick) {
      scheduler.Step(*on_tick);
    } else {
      scheduler.EndStopped();
    }
    return {};
  });
  if (!status) scheduler.EndAll(status.error(), arrived);
}

void EngineState::StepOrWait(const std::function<bool()>& has_news,
                             const std::function<void()>& on_tick) {
  std::unique_lock lock(mutex);
  if (has_news()) return;
  if (!stepping) {
    auto woken = std::chrono::steady_clock::now();
    const std::function<void()> tick = [&] {
      on_tick();
      // Others may have news of this step, too; but waking them takes time from it.
      const auto now = std::chrono::steady_clock::now();
      if (now - woken < kWakeEvery) return;
      woken = now;
      const std::scoped_lock held(mutex);
      if (sleeping > 0) changed.notify_all();
    };
    return Run(std::move(lock), &tick);
  }
  ++sleeping;
  changed.wait(lock);
  --sleeping;
}

void EngineState::Reap() {
  std::unique_lock lock(mutex);
  if (stepping) {
    reap_later = true;
  } else {
    Run(std::move(lock), nullptr);
  }
}

EngineUsage EngineState::usage() {
  const std::scoped_lock lock(mutex);
  return {.waiting = counts.waiting + inbox.size(),
          .running = counts.running,
          .kv_bytes = counts.kv_bytes,
          .max_kv_bytes = options.kv_bytes,
          .prompt_tokens = counts.prompt_tokens,
          .cached_tokens = counts.cached_tokens,
          .answer_tokens = counts.answer_tokens};
}

// ---- Tickets

namespace {

// Ends an answer with the piece at which its reader did not want more.
void CutBehind(const AnswerPiece& piece, GenerationResult& result) {
  const size_t spelled = result.tokens - (result.stop_reason == StopReason::kEndOfTurn ? 1 : 0);
  const size_t thought = spelled - result.ids.size();
  result.ids.resize(piece.whole && piece.tokens > thought ? piece.tokens - thought : 0);
  result.text.resize(piece.text_bytes);
  result.tokens = piece.tokens;
  if (result.logprobs.size() > result.tokens) result.logprobs.resize(result.tokens);
  result.stop_reason = StopReason::kCancelled;
}

}  // namespace

void Ticket::Impl::Deliver(const StepCallback& on_step, const ProgressCallback& on_progress) {
  Outbox::News news = request->outbox.Take();
  if (news.result) result = std::move(news.result);
  if (news.progress && on_progress && !refused && !on_progress(*news.progress)) {
    refused = true;
    request->Stop();
  }
  for (AnswerPiece& piece : news.pieces) {
    if (refused || last || !on_step) continue;
    read = true;
    if (on_step({piece.text, piece.tokens, piece.logprobs})) continue;
    last = std::move(piece);
    request->Stop();
  }
}

Ticket::Impl* Ticket::Impl::Wait(std::span<Impl* const> tickets,
                                 std::span<const StepCallback> on_step,
                                 const ProgressCallback& on_progress) {
  const auto deliver = [&] {
    for (size_t i = 0; i < tickets.size(); ++i) tickets[i]->Deliver(on_step[i], on_progress);
  };
  std::exception_ptr thrown;  // by a callback
  const std::function<void()> on_tick = [&] {
    try {
      deliver();
    } catch (...) {
      thrown = std::current_exception();
      for (Impl* const ticket : tickets) ticket->request->Stop();
    }
  };
  const std::function<bool()> has_news = [&] {
    return std::ranges::any_of(tickets, [](Impl* one) { return !one->request->outbox.empty(); });
  };
  for (;;) {
    if (thrown) std::rethrow_exception(thrown);
    deliver();
    for (Impl* const ticket : tickets) {
      if (ticket->result) return ticket;
    }
    tickets.front()->engine->StepOrWait(has_news, on_tick);
  }
}

Result<GenerationResult> Ticket::Impl::Finish() {
  if (!*result) return *std::move(result);
  // A token that nobody saw was computed together with the end of the prompt.
  if (refused && !read) return Fail(ErrorCode::kCancelled, "cancelled by the caller");
  if (last && !last->last) CutBehind(*last, **result);
  KeepInPromptCache(*engine, prompt, salt, (*result)->prompt_tokens - (*result)->cached_tokens,
                    request->adapters.get());
  return *std::move(result);
}

Ticket::Ticket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ticket::Ticket(Ticket&&) noexcept = default;
Ticket& Ticket::operator=(Ticket&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}
Ticket::~Ticket() {
  if (!impl_) return;
  impl_->request->Stop();
  impl_->engine->Reap();
}

Result<GenerationResult> Ticket::Wait(const TextCallback& on_text,
                                      const ProgressCallback& on_progress) {
  if (!on_text) return WaitSteps({}, on_progress);
  return WaitSteps([&on_text](const AnswerStep& step) { return on_text(step.text); }, on_progress);
}

Result<GenerationResult> Ticket::WaitSteps(const StepCallback& on_step,
                                           const ProgressCallback& on_progress) {
  return Guarded("answer", "", [&]() -> Result<GenerationResult> {
    if (!impl_) return Fail(ErrorCode::kInvalidArgument, "this ticket was waited for already");
    GEMMA3_CHECK_OK(impl_->engine->CheckNotInCallback());
    Impl* const waiting[] = {impl_.get()};
    auto result = Impl::Wait(waiting, {&on_step, 1}, on_progress)->Finish();
    impl_.reset();
    return result;
  });
}

Ticket::Ended Ticket::WaitAny(std::span<Ticket> tickets,
                              const std::function<bool(size_t index, const AnswerStep&)>& on_step) {
  size_t ended = tickets.size();
  auto answer = Guarded("answer", "", [&]() -> Result<GenerationResult> {
    std::vector<Impl*> waiting;
    std::vector<size_t> places;
    std::vector<StepCallback> steps;
    for (size_t i = 0; i < tickets.size(); ++i) {
      if (!tickets[i].impl_) continue;
      waiting.push_back(tickets[i].impl_.get());
      places.push_back(i);
      StepCallback step;
      if (on_step) step = [&on_step, i](const AnswerStep& one) { return on_step(i, one); };
      steps.push_back(std::move(step));
      if (waiting.back()->engine != waiting.front()->engine) {
        return Fail(ErrorCode::kInvalidArgument, "these tickets are of different engines");
      }
    }
    if (waiting.empty()) {
      return Fail(ErrorCode::kInvalidArgument, "these tickets were waited for already");
    }
    GEMMA3_CHECK_OK(waiting.front()->engine->CheckNotInCallback());
    Impl* const first = Impl::Wait(waiting, steps, {});
    ended = places[static_cast<size_t>(std::ranges::find(waiting, first) - waiting.begin())];
    auto result = first->Finish();
    tickets[ended].impl_.reset();
    return result;
  });
  return {ended, std::move(answer)};
}

// ---- Engines

namespace {

// By content: files name end tokens and sizes differently for one vocabulary, and tables are
// padded.
Status CheckSameVocabulary(const Model& model, const Model& draft) {
  GEMMA3_TRY(const Tokenizer* own, model.tokenizer());
  GEMMA3_TRY(const Tokenizer* other, draft.tokenizer());
  const size_t size = std::min(own->vocab_size(), other->vocab_size());
  size_t same = 0;
  while (same < size && own->TokenBytes(static_cast<TokenId>(same)) ==
                            other->TokenBytes(static_cast<TokenId>(same))) {
    ++same;
  }
  constexpr size_t kMostMissing = 128;  // padding
  if (same == size && std::max(own->vocab_size(), other->vocab_size()) - size <= kMostMissing) {
    return {};
  }
  return Fail(ErrorCode::kInvalidArgument, draft.path(), " has another vocabulary than ",
              model.path(), " (they differ from token ", same,
              " on): a draft must speak the same tokens");
}

}  // namespace

Result<Engine> Engine::Create(const Model& model, const EngineOptions& options,
                              const Model* draft) {
  return Guarded("start the engine", "", [&]() -> Result<Engine> {
    GEMMA3_CHECK_OK(CheckGenerates(model.config()));
    if (draft) GEMMA3_CHECK_OK(CheckGenerates(draft->config()));
    GEMMA3_TRY(const ResolvedOptions resolved, Resolve(model.config(), options));
    GEMMA3_CHECK_OK(MakeAdapterSet(model, resolved.session.adapters));
    GEMMA3_TRY(MemoryPlan plan, PlanMemory(model.config(), model.impl().sizes(), resolved));
    if (draft) {
      GEMMA3_CHECK_OK(CheckSameVocabulary(model, *draft));
      plan.weights += draft->impl().sizes().weights;
      plan.kv_cache += KvCache::MostBytes(
          draft->config().text, resolved.kv,
          std::min(resolved.context, draft->config().text.max_context), resolved.max_batch);
      const size_t limit = resolved.session.max_memory_bytes;
      if (limit != 0 && plan.total() > limit) {
        return Fail(ErrorCode::kOutOfMemory, "with the draft model this needs ", DescribePlan(plan),
                    ", more than the limit of ", BytesText(limit));
      }
    }
    try {
      return Engine(std::make_shared<EngineState>(model, resolved, draft));
    } catch (const std::bad_alloc&) {
      return Fail(ErrorCode::kOutOfMemory,
                  "not enough memory for this engine: ", DescribePlan(plan),
                  "; use a smaller context (now ", resolved.context, " tokens)");
    }
  });
}

Result<std::vector<Ticket>> Engine::Submit(const Prompt& prompt, const GenerationOptions& options,
                                           size_t count) const {
  return Guarded("answer", "", [&]() -> Result<std::vector<Ticket>> {
    GEMMA3_CHECK_OK(state_->CheckFilesUnchanged());
    const bool chat = !prompt.messages.empty();
    const bool ends_with_model = chat && prompt.messages.back().role == Role::kModel;
    if (ends_with_model && !prompt.continues) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the conversation ends with the model's turn: there is no question to answer");
    }
    if (prompt.continues && (!ends_with_model || !prompt.messages.back().calls.empty())) {
      return Fail(ErrorCode::kInvalidArgument,
                  "there is no text of the model's at the end of the conversation to go on with");
    }
    GEMMA3_TRY(std::shared_ptr<const ToolSet> tools, ToolsOf(options.tools));
    if (tools && !chat) {
      return Fail(ErrorCode::kInvalidArgument, "raw text is continued without tools");
    }
    const StopCheck stop = [&options] { return options.cancel && options.cancel->cancelled(); };
    GEMMA3_TRY(const PromptPlan plan,
               chat ? PlanChat(state_->model, state_->options, prompt.messages, std::move(tools),
                               /*to_be_answered=*/true, nullptr, stop)
               : prompt.ids.empty() ? PlanRaw(state_->model, state_->options, prompt.raw, stop)
                                    : PlanIds(state_->model, prompt.ids));
    std::vector<Ticket> tickets;
    GenerationOptions own = options;
    for (size_t i = 0; i < count; ++i) {
      if (options.seed) own.seed = *options.seed + i;
      GEMMA3_TRY(Ticket ticket,
                 EngineState::Submit(state_, chat ? PromptKind::kChat : PromptKind::kRaw, plan, own,
                                     nullptr));
      tickets.push_back(std::move(ticket));
    }
    return tickets;
  });
}

Result<Ticket> Engine::Submit(const Prompt& prompt, const GenerationOptions& options) const {
  GEMMA3_TRY(std::vector<Ticket> tickets, Submit(prompt, options, 1));
  return std::move(tickets.front());
}

Result<GenerationResult> Engine::Answer(const Prompt& prompt, const GenerationOptions& options,
                                        const TextCallback& on_text,
                                        const ProgressCallback& on_progress) const {
  GEMMA3_TRY(Ticket ticket, Submit(prompt, options));
  return ticket.Wait(on_text, on_progress);
}

void Engine::Forget() const { state_->Forget(); }
EngineUsage Engine::usage() const { return state_->usage(); }
const EngineOptions& Engine::options() const { return state_->options.session; }
const Model& Engine::model() const { return state_->model; }

}  // namespace gemma3
