// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Puts a prompt together from control tokens, texts and pictures: the only way into the token ids.
//
// Text goes through Tokenizer::Encode and so cannot become a control token; control tokens are
// added by id. Neighbouring texts are joined and encoded as one string up to the next control
// token, as the references do after rendering a template to a string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/tokenizer.h"
#include "src/chat/text_memo.h"

namespace gemma3 {

// How the blank lines around a picture are made into tokens.
enum class ImageForm {
  kIds,     // the ids of "\n\n" themselves, never joined with newlines of the text: as trained
  kMerged,  // part of the text beside the picture: as Hugging Face transformers does it
};

// The soft tokens of one view of a picture.
struct ImageSpan {
  size_t begin = 0;    // index into ids of the first
  size_t count = 0;    // tokens_per_image of the model
  size_t picture = 0;  // which picture of the prompt, in order of appearance
  size_t view = 0;     // 0: the whole picture; 1...: its pan-and-scan crops in order

  bool operator==(const ImageSpan&) const = default;
};

struct PromptLayout {
  std::vector<TokenId> ids;
  std::vector<ImageSpan> images;   // by rising begin
  std::vector<size_t> turn_begin;  // index into ids of each turn's <start_of_turn>; chats only
};

// The ids of a vocabulary that chat turns are marked with. They are looked up by spelling: the
// vocabulary is what the model was trained with, and defaults or a careless config may differ.
struct ChatTokens {
  TokenId bos;
  TokenId start_of_turn;
  TokenId end_of_turn;

  // Errors: kBadModel for a vocabulary without one of them.
  static Result<ChatTokens> Find(const Tokenizer& tokenizer);
};

// When a prompt is not worth encoding.
struct PromptLimits {
  size_t context = SIZE_MAX;        // tokens, with room for at least one of an answer
  std::function<bool()> stop = {};  // asked between texts and parts of long ones
};

// Keeps references to all its arguments but the limits; one thread.
class PromptBuilder {
 public:
  // memo may be null.
  PromptBuilder(const Tokenizer& tokenizer, const ModelConfig& config, ImageForm form,
                TextMemo* memo = nullptr, PromptLimits limits = {})
      : tokenizer_(tokenizer),
        config_(config),
        form_(form),
        memo_(memo),
        limits_(std::move(limits)) {}

  // A control token by its id.
  Status Control(TokenId id);
  // Ids as they are, e.g. an answer that the model generated.
  Status Ids(std::span<const TokenId> ids);
  // Marks the next token as the beginning of a turn.
  Status BeginTurn();
  void Text(std::string_view text) { text_.append(text); }
  // The next picture with `crops` pan-and-scan crops. The ids of the marks around it are those of
  // config.tokens: the soft token is not in the SentencePiece vocabulary.
  // Errors: kUnsupported for a model without vision.
  Status Picture(size_t crops);

  // Encodes the texts. Errors: kContextTooLong where they cannot fit, found out before any is
  // encoded; kCancelled where limits.stop says so.
  Result<PromptLayout> Finish() &&;

 private:
  // Texts are encoded when all are there. Until then the ids lack them, and a place is one among
  // the ids without the texts before it.
  struct PendingText {
    size_t place;
    std::string text;
  };
  struct Place {
    size_t texts;  // before it
    size_t ids;
  };
  Place Here() const { return {texts_.size(), layout_.ids.size()}; }
  void FlushText();
  void View(size_t view);

  const Tokenizer& tokenizer_;
  const ModelConfig& config_;
  ImageForm form_;
  TextMemo* memo_;
  const PromptLimits limits_;
  std::string text_;  // since the last control token
  std::vector<PendingText> texts_;
  std::vector<Place> turns_, views_;  // of layout_.turn_begin, layout_.images
  size_t pictures_ = 0;
  PromptLayout layout_;
};

}  // namespace gemma3
