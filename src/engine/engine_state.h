// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the handles of an engine share, and how threads take turns with it.
//
// The thread that waits for an answer steps the scheduler, unless another one does already; it then
// sleeps until that one's step is over, and looks again. So there is always somebody who computes
// as long as somebody waits, and nobody else has to.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "gemma3/engine.h"
#include "gemma3/model.h"
#include "src/base/status.h"
#include "src/constrain/token_trie.h"
#include "src/engine/adapters.h"
#include "src/engine/loaded_model.h"
#include "src/engine/resolve.h"
#include "src/generate/machine.h"
#include "src/generate/scheduler.h"
#include "src/model/state_file.h"

namespace gemma3 {

struct EngineState {
  // draft: a smaller model that guesses, if not null.
  EngineState(const Model& model, const ResolvedOptions& options, const Model* draft_model)
      : model(model),
        draft_model(draft_model ? std::optional(*draft_model) : std::nullopt),
        options(options),
        machine(model.config(), model.impl().weights, MachineOptionsOf(options)),
        draft(draft_model ? std::make_unique<ModelDraft>(
                                draft_model->config(), draft_model->impl().weights, options.compute,
                                options.kv, options.context, options.max_batch, machine.workspace)
                          : nullptr),
        scheduler(
            machine,
            {options.session.parallel, options.checkpoint_bytes, options.session.prompt_piece},
            draft.get()) {}

  const Model model;
  const std::optional<Model> draft_model;
  const ResolvedOptions options;

  Status CheckFilesUnchanged() const {
    GEMMA3_CHECK_OK(model.impl().CheckFilesUnchanged());
    return draft_model ? draft_model->impl().CheckFilesUnchanged() : Status();
  }

  // What states of this engine depend on. Looks at the weights when it is first asked for.
  const StateIdentity& Identity();
  // The same with adapters; null: without.
  StateIdentity IdentityWith(const AdapterSet* adapters);
  // The set that a call with these options computes with; null: none. Errors: those of
  // MakeAdapterSet.
  Result<std::shared_ptr<const AdapterSet>> AdaptersOf(
      const std::optional<std::vector<AdapterUse>>& uses) {
    return adapter_sets.Get(model, uses ? std::span(*uses) : std::span(options.session.adapters));
  }

  // Makes a request of a prompt and queues it. also_stop, if not null, stops it when set.
  static Result<Ticket> Submit(const std::shared_ptr<EngineState>& engine, PromptKind kind,
                               PromptPlan prompt, const GenerationOptions& options,
                               std::shared_ptr<const std::atomic<bool>> also_stop);

  // Takes one step, or sleeps through another thread's; returns at once where `has_news` says so.
  // on_tick: as for Scheduler::Step, where this thread steps.
  void StepOrWait(const std::function<bool()>& has_news, const std::function<void()>& on_tick);
  // Lets go of requests that nobody waits for any more; where a thread has its turn, it does so
  // when that ends.
  void Reap();
  EngineUsage usage();

  // Whether this is a callback of an answer, in the middle of a step: who waits for the step's end
  // here waits for ever.
  bool InCallback() const { return stepper.load() == std::this_thread::get_id(); }
  Status CheckNotInCallback() const;

  // Calls fn(machine, scheduler) while nobody steps. Not in a callback.
  template <class Fn>
  auto Exclusively(const Fn& fn) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return !stepping; });
    const Turn turn(*this);
    lock.unlock();
    return fn(machine, scheduler);
  }
  // Drops what is kept for later; in a callback, when the step is over.
  void Forget();

 private:
  // The turn of a thread, until it ends. Begins with the mutex held.
  struct Turn {
    explicit Turn(EngineState& engine);
    ~Turn();
    EngineState& engine;
  };
  // Takes what has arrived and steps, or without on_tick only ends what was stopped. To be called
  // with the mutex held; lets go of it.
  void Run(std::unique_lock<std::mutex> lock, const std::function<void()>* on_tick);

  // Owned by the thread whose turn it is.
  Machine machine;
  const std::unique_ptr<ModelDraft> draft;
  Scheduler scheduler;

  // What calls of these tools have to meet. Latest first.
  std::shared_ptr<const CallConstraints> CallsOf(const std::shared_ptr<const ToolSet>& tools);
  AdapterSets adapter_sets;
  const LazyConstraintVocabulary vocabulary;
  std::mutex calls_mutex;
  std::vector<std::shared_ptr<const CallConstraints>> calls;
  std::once_flag identified;
  StateIdentity identity;

  std::mutex mutex;
  std::condition_variable changed;
  bool stepping = false;
  std::atomic<std::thread::id> stepper;  // whose turn it is, if anybody's
  std::atomic<bool> forget_later = false;
  bool reap_later = false;
  size_t sleeping = 0;  // threads
  std::vector<std::shared_ptr<Request>> inbox;
  Scheduler::Counts counts;
};

struct Ticket::Impl {
  std::shared_ptr<EngineState> engine;
  std::shared_ptr<Request> request;
  std::string salt;   // joined with the adapters
  PromptPlan prompt;  // where a prompt cache may want it behind the answer
  // What its reader has said to what came so far.
  bool refused = false, read = false;  // of progress; a piece, at least
  std::optional<AnswerPiece> last;     // that was wanted
  std::optional<Result<GenerationResult>> result;

  void Deliver(const StepCallback& on_step, const ProgressCallback& on_progress);
  Result<GenerationResult> Finish();
  // Until one of them has a result: which. on_step: for the steps of each.
  static Impl* Wait(std::span<Impl* const> tickets, std::span<const StepCallback> on_step,
                    const ProgressCallback& on_progress);
};

}  // namespace gemma3
