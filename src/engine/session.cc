// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A session's messages and what each public call does to them. The work itself is in runner.cc
// (tokens), image_encoder.cc (pictures) and answer.cc (sampling and text).
#include "gemma3/session.h"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/chat/template.h"
#include "src/engine/answer.h"
#include "src/engine/classify.h"
#include "src/engine/compare.h"
#include "src/engine/image_encoder.h"
#include "src/engine/loaded_model.h"
#include "src/engine/measure.h"
#include "src/engine/memory_plan.h"
#include "src/engine/resolve.h"
#include "src/engine/runner.h"
#include "src/image/preprocess.h"

namespace gemma3 {
namespace {

ImageForm ImageFormOf(const ResolvedOptions& options) {
  return options.session.image_newlines == ImageNewlines::kIds ? ImageForm::kIds
                                                               : ImageForm::kMerged;
}

}  // namespace

struct Session::Impl {
  Impl(const Model& model, const ResolvedOptions& options)
      : model(model), options(options), runner(model.impl(), options) {
    const ModelConfig& config = model.config();
    if (config.has_vision) encoder.emplace(model.impl(), options, runner.workspace());
    if (!config.system.empty()) conversation.messages = {Message::System(config.system)};
  }

  // A conversation; model turns that were generated here keep their token ids, because encoding the
  // text again may split it differently, and then the cache would not match.
  struct Conversation {
    std::vector<Message> messages;
    std::vector<std::vector<TokenId>> answers;  // of each model turn, in order; empty: encode it

    // Keeps the first `count` messages.
    void Truncate(size_t count) {
      messages.resize(count);
      answers.resize(std::ranges::count(messages, Role::kModel, &Message::role));
    }
  };

  const Model model;
  const ResolvedOptions options;
  Runner runner;
  std::optional<ImageEncoder> encoder;
  Conversation conversation;

  // A prompt whose pictures are known but not yet encoded.
  struct Layout {
    PromptLayout prompt;
    std::vector<std::shared_ptr<const Image>> pictures;
    std::vector<std::vector<CropBox>> views;  // [pictures]: the whole picture, then its crops
    std::vector<size_t> num_crops;            // [pictures]
  };

  Status FindPictures(std::span<const Part> parts, Layout& layout) const;
  Result<Layout> LayOut(const Conversation& conversation, bool to_be_answered = true) const;
  Result<Layout> LayOut(std::span<const Part> parts) const;
  Result<TokenSequence> EncodePictures(Layout layout, const ProgressCallback& on_progress,
                                       GenerationResult& result);
  Result<GenerationResult> Answer(Result<Layout> layout, const GenerationOptions& generation,
                                  const TextCallback& on_text, const ProgressCallback& on_progress,
                                  std::vector<TokenId>* answer_ids);
  Result<GenerationResult> AnswerConversation(Conversation next,
                                              const GenerationOptions& generation,
                                              const TextCallback& on_text,
                                              const ProgressCallback& on_progress);
  Result<TokenSequence> Sequence(const TokenInput& input);
  Conversation Recall(std::span<const Message> messages) const;
  Result<size_t> CountTokens(const Conversation& conversation) const;

  // Runs one public call that computes.
  template <class Fn>
  auto Call(const char* doing, const Fn& fn) -> decltype(fn()) {
    runner.cancel = false;
    return Guarded(doing, "", [&]() -> decltype(fn()) {
      GEMMA3_CHECK_OK(model.impl().CheckFilesUnchanged());
      return fn();
    });
  }

  // Published embedding tables are padded with rows that stand for no token.
  size_t TokensKnown(const Tokenizer& tokenizer) const {
    return std::min(model.config().text.vocab_size, tokenizer.vocab_size());
  }
  void Forget() {
    conversation = {};
    runner.Clear();
  }
};

// ---- Prompts
// -------------------------------------------------------------------------------------

Status Session::Impl::FindPictures(std::span<const Part> parts, Layout& layout) const {
  const ModelConfig& config = model.config();
  for (const Part& part : parts) {
    if (!part.image) continue;
    if (!part.text.empty()) {
      return Fail(
          ErrorCode::kInvalidArgument,
          "a part has text and a picture; make it two parts, in the order in which the model "
          "is to see them");
    }
    if (!encoder) {
      return Fail(ErrorCode::kUnsupported, model.path(),
                  " is a text-only model and cannot look at pictures; use a model with a vision "
                  "tower (4B, 12B or 27B)");
    }
    const bool crop = options.session.pan_and_scan == PanAndScan::kOn;
    GEMMA3_TRY(auto views, PlanViews(*part.image, crop ? &config.pan_and_scan : nullptr));
    layout.pictures.push_back(part.image);
    layout.num_crops.push_back(views.size() - 1);
    layout.views.push_back(std::move(views));
  }
  return {};
}

Result<Session::Impl::Layout> Session::Impl::LayOut(const Conversation& conversation,
                                                    bool to_be_answered) const {
  GEMMA3_TRY(const Tokenizer* tokenizer, model.tokenizer());
  Layout layout;
  for (const Message& message : conversation.messages) {
    GEMMA3_CHECK_OK(FindPictures(message.parts, layout));
  }
  GEMMA3_TRY(layout.prompt, LayOutChat(conversation.messages, *tokenizer, model.config(),
                                       {.add_generation_prompt = to_be_answered,
                                        .image_form = ImageFormOf(options),
                                        .crops = layout.num_crops,
                                        .answers = conversation.answers}));
  return layout;
}

Result<Session::Impl::Layout> Session::Impl::LayOut(std::span<const Part> parts) const {
  GEMMA3_TRY(const Tokenizer* tokenizer, model.tokenizer());
  Layout layout;
  GEMMA3_CHECK_OK(FindPictures(parts, layout));
  GEMMA3_TRY(layout.prompt,
             LayOutRaw(parts, *tokenizer, model.config(),
                       {.image_form = ImageFormOf(options), .crops = layout.num_crops}));
  return layout;
}

Result<TokenSequence> Session::Impl::EncodePictures(Layout layout,
                                                    const ProgressCallback& on_progress,
                                                    GenerationResult& result) {
  TokenSequence sequence{std::move(layout.prompt.ids), {}, std::move(layout.prompt.turn_begin)};
  if (layout.pictures.empty()) return sequence;
  Progress progress{Progress::Stage::kImage, 0, 0};
  for (const auto& views : layout.views) {
    progress.total += views.size() * model.config().vision.num_layers;
  }
  ImageEncoder::Report report;
  const ProgressCallback watch = [&](const Progress& p) {
    return !runner.cancel && (!on_progress || on_progress(p));
  };
  std::vector<std::vector<SoftTokenRows>> encoded;  // as layout.views
  for (size_t i = 0; i < layout.pictures.size(); ++i) {
    GEMMA3_TRY(auto rows,
               encoder->Encode(*layout.pictures[i], layout.views[i], progress, watch, report));
    encoded.push_back(std::move(rows));
  }
  for (const ImageSpan& span : layout.prompt.images) {
    sequence.images.push_back({span.begin, span.count, encoded[span.picture][span.view]});
  }
  result.images_encoded = report.encoded;
  result.timings.image_seconds = report.seconds;
  return sequence;
}

// ---- Answers
// -------------------------------------------------------------------------------------

// Takes messages from outside as a conversation; model turns that are the session's own, at the
// same place, keep their ids.
Session::Impl::Conversation Session::Impl::Recall(std::span<const Message> messages) const {
  Conversation out;
  for (size_t i = 0; i < messages.size(); ++i) {
    out.messages.push_back(messages[i]);
    if (messages[i].role != Role::kModel) continue;
    const size_t turn = out.answers.size();
    const bool own = i < conversation.messages.size() && turn < conversation.answers.size() &&
                     conversation.messages[i].role == Role::kModel &&
                     !conversation.answers[turn].empty() && messages[i].parts.size() == 1 &&
                     !messages[i].parts[0].image &&
                     messages[i].parts[0].text == conversation.messages[i].parts[0].text;
    out.answers.push_back(own ? conversation.answers[turn] : std::vector<TokenId>());
  }
  return out;
}

// What every next prompt will begin with.
Result<size_t> Session::Impl::CountTokens(const Conversation& conversation) const {
  if (std::ranges::find(conversation.messages, Role::kUser, &Message::role) ==
      conversation.messages.end()) {
    return 0;
  }
  GEMMA3_TRY(const Layout layout, LayOut(conversation, /*to_be_answered=*/false));
  return layout.prompt.ids.size();
}

Result<GenerationResult> Session::Impl::Answer(Result<Layout> layout,
                                               const GenerationOptions& generation,
                                               const TextCallback& on_text,
                                               const ProgressCallback& on_progress,
                                               std::vector<TokenId>* answer_ids) {
  if (!layout) return std::unexpected(layout.error());
  // Everything that can be refused is refused before the expensive work.
  const size_t prompt_tokens = layout->prompt.ids.size();
  if (prompt_tokens >= runner.context()) {
    return Fail(ErrorCode::kContextTooLong, "the prompt has ", prompt_tokens,
                " tokens and the context holds ", runner.context(),
                ", the answer included; shorten the prompt or use a context of at least ",
                prompt_tokens + 1, " (the model was trained for ", model.config().text.max_context,
                ")");
  }
  // Only a chat asks for the answer's ids.
  GEMMA3_TRY(AnswerLoop loop,
             AnswerLoop::Create(model, generation,
                                answer_ids ? AnswerLoop::Prompt::kChat : AnswerLoop::Prompt::kRaw));
  GenerationResult result;
  GEMMA3_TRY(const TokenSequence sequence, EncodePictures(*std::move(layout), on_progress, result));
  return loop.Run(runner, sequence, on_text, on_progress, std::move(result), answer_ids);
}

Result<GenerationResult> Session::Impl::AnswerConversation(Conversation next,
                                                           const GenerationOptions& generation,
                                                           const TextCallback& on_text,
                                                           const ProgressCallback& on_progress) {
  if (!next.messages.empty() && next.messages.back().role == Role::kModel) {
    return Fail(ErrorCode::kInvalidArgument,
                "the conversation ends with the model's turn: there is no question to answer");
  }
  std::vector<TokenId> answer_ids;
  runner.Begin();
  auto answered = Answer(LayOut(next), generation, on_text, on_progress, &answer_ids);
  if (!answered) {
    runner.RollBack(answered.error().code == ErrorCode::kCancelled);
    return answered;
  }
  runner.Commit();
  GenerationResult& result = *answered;
  next.messages.push_back(Message::Model(result.text));
  next.answers.push_back(std::move(answer_ids));
  conversation = std::move(next);
  return answered;
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::Create(const Model& model, const SessionOptions& options) {
  return Guarded("start the session", "", [&]() -> Result<Session> {
    GEMMA3_TRY(const ResolvedOptions resolved, Resolve(model.config(), options));
    GEMMA3_TRY(const MemoryPlan plan, PlanMemory(model.config(), model.impl().sizes(), resolved));
    try {
      return Session(std::make_unique<Impl>(model, resolved));
    } catch (const std::bad_alloc&) {
      return Fail(ErrorCode::kOutOfMemory,
                  "not enough memory for this session: ", DescribePlan(plan),
                  "; use a smaller context (now ", resolved.context, " tokens)");
    }
  });
}

Result<GenerationResult> Session::Send(const Message& message, const GenerationOptions& options,
                                       const TextCallback& on_text,
                                       const ProgressCallback& on_progress) {
  return impl_->Call("answer", [&] {
    Impl::Conversation next = impl_->conversation;
    next.messages.push_back(message);
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
  return impl_->Call("continue the text", [&] {
    impl_->conversation = {};
    return impl_->Answer(impl_->LayOut(prompt), options, on_text, on_progress, nullptr);
  });
}

// ---- The conversation
// ----------------------------------------------------------------------------

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
    Impl::Conversation next = impl_->conversation;
    const size_t last = LastUserMessage(next.messages);
    if (last == next.messages.size()) {
      return Fail(ErrorCode::kInvalidArgument, "there is no question to answer anew");
    }
    next.Truncate(last + 1);
    return impl_->AnswerConversation(std::move(next), options, on_text, on_progress);
  });
}

bool Session::Undo() {
  Impl::Conversation& conversation = impl_->conversation;
  const size_t last = LastUserMessage(conversation.messages);
  if (last == conversation.messages.size()) return false;
  conversation.Truncate(last);
  return true;
}

void Session::Clear() {
  Impl::Conversation& conversation = impl_->conversation;
  const bool system =
      !conversation.messages.empty() && conversation.messages[0].role == Role::kSystem;
  conversation.Truncate(system ? 1 : 0);
}

Status Session::SetSystem(std::string_view text) {
  return Guarded("set the system message", "", [&]() -> Status {
    Impl::Conversation next;
    if (!text.empty()) next.messages.push_back(Message::System(text));
    impl_->conversation = std::move(next);
    return {};
  });
}

namespace {

// As the template demands of a prompt, except that the last turn may be the model's.
Status CheckRoles(std::span<const Message> messages) {
  const size_t first = !messages.empty() && messages[0].role == Role::kSystem ? 1 : 0;
  for (size_t i = first; i < messages.size(); ++i) {
    if (messages[i].role != ((i - first) % 2 == 0 ? Role::kUser : Role::kModel)) {
      return Fail(ErrorCode::kInvalidArgument, "message ", i + 1,
                  ": roles must alternate user, model, user, ... after an optional system message");
    }
  }
  return {};
}

}  // namespace

Status Session::SetMessages(std::span<const Message> messages) {
  return Guarded("set the messages", "", [&]() -> Status {
    GEMMA3_CHECK_OK(CheckRoles(messages));
    Impl::Conversation next = impl_->Recall(messages);
    GEMMA3_TRY(const size_t tokens, impl_->CountTokens(next));
    if (tokens >= impl_->runner.context()) {
      return Fail(ErrorCode::kContextTooLong, "the conversation has ", tokens,
                  " tokens and does not fit a context of ", impl_->runner.context(),
                  "; use a larger context or fewer messages");
    }
    impl_->conversation = std::move(next);
    return {};
  });
}

std::span<const Message> Session::messages() const { return impl_->conversation.messages; }

ContextUsage Session::usage() const {
  const size_t context = impl_->runner.context();
  const auto tokens =
      Guarded("count the tokens", "", [&] { return impl_->CountTokens(impl_->conversation); });
  // It was laid out before, so it can be now. The marks that end an answer may not fit any more.
  return {tokens ? std::min(*tokens, context) : 0, context};
}

const SessionOptions& Session::options() const { return impl_->options.session; }

const Model& Session::model() const { return impl_->model; }

void Session::Cancel() noexcept {
  if (impl_) impl_->runner.cancel.store(true, std::memory_order_relaxed);
}

// ---- Raw input and measurement
// -------------------------------------------------------------------

// Finds the runs of soft tokens and, when all is well, encodes a picture for each.
Result<TokenSequence> Session::Impl::Sequence(const TokenInput& input) {
  const ModelConfig& config = model.config();
  TokenSequence sequence{input.ids, {}, {}};
  if (input.ids.empty()) return Fail(ErrorCode::kInvalidArgument, "input_ids is empty");
  if (input.ids.size() > runner.context()) {
    return Fail(ErrorCode::kContextTooLong, input.ids.size(), " tokens do not fit the context of ",
                runner.context());
  }
  const bool pictures = !input.pixel_values.empty();
  if (pictures && !encoder) {
    return Fail(ErrorCode::kUnsupported, model.path(), " is a text-only model");
  }
  for (size_t i = 0; i < input.ids.size(); ++i) {
    const TokenId id = input.ids[i];
    if (pictures && id == config.tokens.image_soft_token) {
      const size_t count = config.vision.tokens_per_image;
      const size_t index = sequence.images.size();
      const bool whole = i + count <= input.ids.size() &&
                         std::all_of(input.ids.begin() + i, input.ids.begin() + i + count,
                                     [&](TokenId other) { return other == id; });
      if (!whole || index == input.pixel_values.size()) {
        return Fail(ErrorCode::kInvalidArgument, "input_ids[", i, "]: ",
                    whole ? "more pictures than pixel_values"
                          : "a run of image tokens that is not a multiple of tokens_per_image");
      }
      sequence.images.push_back({i, count, nullptr});
      i += count - 1;
    } else if (id < 0 || static_cast<size_t>(id) >= config.text.vocab_size) {
      return Fail(ErrorCode::kInvalidArgument, "input_ids[", i, "] is ", id,
                  ", outside the vocabulary of ", config.text.vocab_size);
    }
  }
  if (sequence.images.size() != input.pixel_values.size()) {
    return Fail(ErrorCode::kInvalidArgument, "input_ids has places for ", sequence.images.size(),
                " pictures, pixel_values holds ", input.pixel_values.size());
  }
  for (const std::vector<float>& pixels : input.pixel_values) {
    GEMMA3_CHECK_OK(encoder->CheckPixels(pixels));
  }
  for (size_t i = 0; i < sequence.images.size(); ++i) {
    GEMMA3_TRY(sequence.images[i].rows, encoder->EncodePixels(input.pixel_values[i], [&](size_t) {
      return !runner.cancel;
    }));
  }
  return sequence;
}

Result<std::vector<float>> Session::Logits(const TokenInput& input, HiddenStates* hidden) {
  return impl_->Call("compute the logits", [&]() -> Result<std::vector<float>> {
    impl_->Forget();
    GEMMA3_TRY(const TokenSequence sequence, impl_->Sequence(input));
    return AllLogits(impl_->runner, sequence, hidden);
  });
}

Result<std::vector<TokenId>> Session::ContinueIds(const TokenInput& input,
                                                  const GenerationOptions& options) {
  return impl_->Call("continue the ids", [&]() -> Result<std::vector<TokenId>> {
    impl_->Forget();
    GEMMA3_TRY(const TokenSequence sequence, impl_->Sequence(input));
    return ContinueSequence(impl_->runner, impl_->model.config(), sequence, options);
  });
}

Result<ScoreResult> Session::Score(std::string_view text, const ProgressCallback& on_progress) {
  return impl_->Call("score the text", [&]() -> Result<ScoreResult> {
    impl_->Forget();
    GEMMA3_TRY(const Tokenizer* tokenizer, impl_->model.tokenizer());
    GEMMA3_TRY(const std::vector<TokenId> ids, tokenizer->Encode(text));
    return ScoreTokens(impl_->runner, impl_->TokensKnown(*tokenizer), ids, on_progress);
  });
}

Result<Comparison> Session::Compare(Session& other, std::string_view text,
                                    const ProgressCallback& on_progress) {
  return impl_->Call("compare the models", [&]() -> Result<Comparison> {
    if (other.impl_ == impl_) {
      return Fail(ErrorCode::kInvalidArgument, "a session cannot be compared with itself");
    }
    impl_->Forget();
    other.impl_->Forget();
    other.impl_->runner.cancel = false;
    GEMMA3_CHECK_OK(other.impl_->model.impl().CheckFilesUnchanged());
    GEMMA3_TRY(const Tokenizer* tokenizer, impl_->model.tokenizer());
    GEMMA3_TRY(const Tokenizer* other_tokenizer, other.impl_->model.tokenizer());
    GEMMA3_TRY(const std::vector<TokenId> ids, tokenizer->Encode(text));
    GEMMA3_TRY(const std::vector<TokenId> other_ids, other_tokenizer->Encode(text));
    if (ids != other_ids) {
      return Fail(ErrorCode::kInvalidArgument, impl_->model.path(), " and ",
                  other.impl_->model.path(),
                  " have different vocabularies: only predictions of the same tokens compare");
    }
    const size_t vocab =
        std::min(impl_->TokensKnown(*tokenizer), other.impl_->TokensKnown(*other_tokenizer));
    for (const TokenId id : ids) {
      if (static_cast<size_t>(id) >= vocab) {
        return Fail(ErrorCode::kBadModel, "token ", id, " of the text is outside the ", vocab,
                    " embeddings of ", impl_->model.path(), " or ", other.impl_->model.path(),
                    ": the tokenizer belongs to another model");
      }
    }
    return CompareTokens(impl_->runner, other.impl_->runner, vocab, ids, on_progress);
  });
}

Result<std::vector<PolicyScore>> Session::Classify(const Image& image,
                                                   std::span<const Policy> policies,
                                                   const ProgressCallback& on_progress) {
  return impl_->Call("judge the picture", [&]() -> Result<std::vector<PolicyScore>> {
    impl_->conversation = {};
    GEMMA3_TRY(const Tokenizer* tokenizer, impl_->model.tokenizer());
    const ModelConfig& config = impl_->model.config();
    return ClassifyPicture(impl_->runner, impl_->encoder ? &*impl_->encoder : nullptr, config,
                           *tokenizer, ImageFormOf(impl_->options), image, policies, on_progress);
  });
}

Result<Timings> Session::Bench(const BenchWork& work) {
  return impl_->Call("measure", [&]() -> Result<Timings> {
    impl_->Forget();
    return TimeWork(impl_->runner, impl_->encoder ? &*impl_->encoder : nullptr, work);
  });
}

}  // namespace gemma3
