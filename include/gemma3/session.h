// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One conversation with a model.
//
// Thread rule: one thread at a time, except Cancel, which any thread (or a signal handler) may
// call. Sessions of one engine may be used from as many threads as there are sessions.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gemma3/engine.h"
#include "gemma3/generation.h"
#include "gemma3/message.h"
#include "gemma3/model.h"

namespace gemma3 {

// How much room the conversation has left.
struct ContextUsage {
  size_t used_tokens = 0;     // what the next prompt begins with; at most the capacity
  size_t context_tokens = 0;  // capacity
};

class Session {
 public:
  // A conversation of an engine's. It is empty, but for a system message that the model's store may
  // want (ModelConfig::system). Errors: kOutOfMemory.
  static Result<Session> Create(const Engine& engine);
  // A conversation with an engine of its own. Errors: those of Engine::Create.
  static Result<Session> Create(const Model& model, const SessionOptions& options = {},
                                const Model* draft = nullptr);
  // A moved-from session can be destroyed and assigned to, and nothing else.
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Appends `message` to the conversation and answers it; the answer is appended as well. On any
  // error, and on cancellation before the first answer token, the conversation is as it was before.
  // Errors: kContextTooLong with the numbers; kInvalidArgument (bad option, roles out of order, not
  // UTF-8, a part with both text and picture); kUnsupported (a picture for a text-only model);
  // kCancelled; kInternal (logits that are not finite, from damaged weights or an overflow: the
  // same of every call that computes some).
  Result<GenerationResult> Send(const Message& message, const GenerationOptions& options = {},
                                const TextCallback& on_text = {},
                                const ProgressCallback& on_progress = {});

  // Answers `messages` as a whole conversation, replacing the session's own. What was computed of
  // it before is found again. Roles must alternate user/model after an optional system message, and
  // the last message be the user's.
  Result<GenerationResult> Generate(std::span<const Message> messages,
                                    const GenerationOptions& options = {},
                                    const TextCallback& on_text = {},
                                    const ProgressCallback& on_progress = {});

  // Continues raw text without chat template (BOS is put in front), for pretrained models. Pictures
  // may stand between texts. Leaves the conversation as it is.
  Result<GenerationResult> Complete(std::span<const Part> prompt,
                                    const GenerationOptions& options = {},
                                    const TextCallback& on_text = {},
                                    const ProgressCallback& on_progress = {});
  Result<GenerationResult> Complete(std::string_view prompt, const GenerationOptions& options = {},
                                    const TextCallback& on_text = {},
                                    const ProgressCallback& on_progress = {});

  // Answers the last user message anew: in other words, unless the options are greedy or their seed
  // is that of the answer. Errors: kInvalidArgument where there is none.
  Result<GenerationResult> Regenerate(const GenerationOptions& options = {},
                                      const TextCallback& on_text = {},
                                      const ProgressCallback& on_progress = {});

  // Removes the last user message and what followed. False where there is none.
  bool Undo();
  // Starts over; a system message stays.
  void Clear();
  // Sets, or with an empty text removes, the system message; clears the conversation. Errors:
  // kOutOfMemory; the conversation is then as it was.
  Status SetSystem(std::string_view text);

  // Valid until the next call that is not const.
  std::span<const Message> messages() const;
  // Of the conversation as it is now, whether it has been computed or not; a system message counts
  // together with the first user message. Texts that were encoded before are not encoded again.
  ContextUsage usage() const;
  // As they are used: what was left to the library (0, kAuto) is filled in.
  const SessionOptions& options() const;
  const Model& model() const;
  const Engine& engine() const;

  // Replaces the conversation without computing anything; what messages() returned is accepted.
  // Roles as for Generate, except that the last message may be the model's. On any error the
  // conversation is as it was before. Errors: kContextTooLong where the messages fill the context,
  // with the numbers; otherwise as for Send.
  Status SetMessages(std::span<const Message> messages);

  // Writes the conversation with what was computed of it to a file that a session of this kind of
  // model can go on from: messages, tokens, what the model saw of pictures, keys and values. Whole
  // or not at all, readable by its owner alone. Errors: kIo; kCancelled; kInvalidArgument where
  // `path` is a file of another kind, which stays.
  Status Save(const std::string& path, const ProgressCallback& on_progress = {}) const;
  // Takes the conversation of such a file in place of its own; nothing is computed. On any error
  // the conversation is as it was before. Errors: kIo; kBadModel for a damaged file; kUnsupported,
  // with what differs, for one of another model, cache type, SIMD target or version: LoadMessages
  // may take it; kContextTooLong.
  Status Load(const std::string& path);
  // The messages of such a file alone, from whatever model. Errors: as above; kUnsupported where
  // there are pictures among them.
  Status LoadMessages(const std::string& path);

  // Stops the running call behind the layer that it computes, of one batch of a prompt or one
  // token: at once on small models, within half a second on the largest. A no-op when none runs:
  // to stop a call that may not have begun, use GenerationOptions::cancel. Async-signal-safe.
  void Cancel() noexcept;

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gemma3
