// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Answers for many callers at once, from one model, one set of threads and one memory for keys and
// values.
//
// Each step of computation takes the next token of every answer that is being written and a piece
// of a prompt that waits, so that all share the reading of the weights. An answer is the same, to
// the last bit, alone or among others, and whether its prompt was computed or found.
//
//   auto engine = gemma3::Engine::Create(*model, {.parallel = 4});
//   // on any thread:
//   auto answer = engine->Answer(gemma3::Prompt::Chat({gemma3::Message::User("Hello")}));
//
// Thread rule: any thread. An engine has helper threads but none that works by itself: whoever
// waits for an answer computes, for all that are unfinished, one thread at a time. So a program
// with one conversation computes on its own thread, and nothing happens while nobody waits. A
// progress callback may run in the middle of that: it may submit to its engine, cancel, and drop
// tickets, but what waits for the engine there is an error (kInvalidArgument).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/generation.h"
#include "gemma3/message.h"
#include "gemma3/model.h"
#include "gemma3/options.h"

namespace gemma3 {

// What is to be answered: a conversation, or raw text.
struct Prompt {
  std::vector<Message> messages = {};  // a chat; roles as Session::Generate demands
  std::vector<Part> raw = {};  // without chat template, BOS in front; used where no message is
  // Instead of `raw`: its tokens, none of them control. A BOS in front is taken as the one that is
  // put there.
  std::vector<TokenId> ids = {};
  // The last message is the model's, and the answer goes on with it: the result holds what is new.
  bool continues = false;

  static Prompt Chat(std::vector<Message> messages) { return {std::move(messages)}; }
  static Prompt Raw(std::vector<Part> parts) { return {{}, std::move(parts)}; }
  static Prompt Raw(std::string_view text) { return {{}, {Part::Text(text)}}; }
};

// What an engine is at.
struct EngineUsage {
  size_t waiting = 0;        // answers that wait for memory
  size_t running = 0;        // answers that are being computed, their prompts included
  size_t kv_bytes = 0;       // keys and values of those, and of what is kept for later
  size_t max_kv_bytes = 0;   // room for them
  size_t prompt_tokens = 0;  // since creation, computed
  size_t cached_tokens = 0;  // since creation, found instead
  size_t answer_tokens = 0;  // since creation
};

struct EngineState;  // internal

// An answer that was asked for. Waiting for it, on any one thread, computes it; destroying it
// before that gives it up. It keeps its engine alive.
class Ticket {
 public:
  Ticket(Ticket&&) noexcept;
  Ticket& operator=(Ticket&&) noexcept;
  ~Ticket();

  // Returns the answer. on_text and on_progress are called on this thread, while it waits. Once.
  // Errors: as for Session::Send.
  Result<GenerationResult> Wait(const TextCallback& on_text = {},
                                const ProgressCallback& on_progress = {});
  Result<GenerationResult> WaitSteps(const StepCallback& on_step,
                                     const ProgressCallback& on_progress = {});

  // Waits for several answers of one engine at once, until one of them is over, and says which. The
  // steps of all are told as they come; false gives that answer up. Tickets whose answers were
  // returned are passed over. Errors: as for Wait; kInvalidArgument, with tickets.size(), where
  // none is left or they are of different engines.
  struct Ended {
    size_t index;
    Result<GenerationResult> answer;
  };
  static Ended WaitAny(std::span<Ticket> tickets,
                       const std::function<bool(size_t index, const AnswerStep&)>& on_step);

 private:
  friend struct EngineState;
  struct Impl;
  explicit Ticket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A cheap handle; copies share one engine, which lives as long as one of them, of their sessions or
// of their tickets does.
class Engine {
 public:
  // Allocates scratch memory and starts threads. draft, if not null: a smaller model with the same
  // vocabulary that guesses ahead while one answer is written; the answer is the same, and arrives
  // sooner where the guesses are right. Errors: kInvalidArgument, also for a draft of another
  // vocabulary; kOutOfMemory with the plan.
  static Result<Engine> Create(const Model& model, const EngineOptions& options = {},
                               const Model* draft = nullptr);

  // Queues an answer. Everything that can be refused without computing is refused here. Errors: as
  // for Session::Send.
  Result<Ticket> Submit(const Prompt& prompt, const GenerationOptions& options = {}) const;
  // Several answers to one prompt, which is computed once: with the seeds options.seed,
  // options.seed + 1, ...
  Result<std::vector<Ticket>> Submit(const Prompt& prompt, const GenerationOptions& options,
                                     size_t count) const;
  // Both in one: asks and waits.
  Result<GenerationResult> Answer(const Prompt& prompt, const GenerationOptions& options = {},
                                  const TextCallback& on_text = {},
                                  const ProgressCallback& on_progress = {}) const;

  // Drops what is kept of finished answers; in a callback, when its step is over.
  void Forget() const;

  EngineUsage usage() const;
  // As they are used: what was left to the library (0, kAuto) is filled in.
  const EngineOptions& options() const;
  const Model& model() const;

  const std::shared_ptr<EngineState>& state() const { return state_; }  // internal

 private:
  explicit Engine(std::shared_ptr<EngineState> state) : state_(std::move(state)) {}
  std::shared_ptr<EngineState> state_;
};

}  // namespace gemma3
