// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Puts a prompt together from control tokens, texts and pictures.
#include "src/chat/prompt_builder.h"

#include <utility>

#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr std::string_view kBlankLine = "\n\n";

// Hugging Face's wording, which the published processors insert.
constexpr std::string_view kBeforeOriginal = "Here is the original image ";
constexpr std::string_view kBeforeCrops = " and here are some crops to help you see better ";
constexpr std::string_view kBetweenCrops = " ";

Result<TokenId> FindMark(const Tokenizer& tokenizer, std::string_view spelling) {
  const TokenId id = tokenizer.Find(spelling);
  if (id < 0) {
    return Fail(ErrorCode::kBadModel, "tokenizer: no piece ", spelling,
                "; this is not the vocabulary of a Gemma 3 model");
  }
  return id;
}

// The embedding is looked up for every id of a prompt, so ids from config.json are checked. Not
// that of the soft token: pictures take its places, and in some files it has no row.
Status CheckImageTokens(const ModelConfig& config) {
  const std::pair<const char*, TokenId> tokens[] = {
      {"start-of-image", config.tokens.start_of_image},
      {"end-of-image", config.tokens.end_of_image},
  };
  for (const auto& [name, id] : tokens) {
    if (id < 0 || static_cast<size_t>(id) >= config.text.vocab_size) {
      return Fail(ErrorCode::kBadModel, "config: the ", name, " token is ", id,
                  ", but the embedding has ", config.text.vocab_size, " rows");
    }
  }
  return {};
}

}  // namespace

Result<ChatTokens> ChatTokens::Find(const Tokenizer& tokenizer) {
  ChatTokens tokens;
  GEMMA3_TRY(tokens.bos, FindMark(tokenizer, "<bos>"));
  GEMMA3_TRY(tokens.start_of_turn, FindMark(tokenizer, "<start_of_turn>"));
  GEMMA3_TRY(tokens.end_of_turn, FindMark(tokenizer, "<end_of_turn>"));
  return tokens;
}

Status PromptBuilder::Control(TokenId id) { return Ids({&id, 1}); }

Status PromptBuilder::Ids(std::span<const TokenId> ids) {
  FlushText();
  layout_.ids.insert(layout_.ids.end(), ids.begin(), ids.end());
  return {};
}

Status PromptBuilder::BeginTurn() {
  FlushText();
  turns_.push_back(Here());
  return {};
}

Status PromptBuilder::Picture(size_t crops) {
  if (!config_.has_vision) {
    return Fail(ErrorCode::kUnsupported, "the model ", config_.name,
                " reads text only, but the prompt has a picture; the 4B, 12B and 27B models see");
  }
  GEMMA3_CHECK_OK(CheckImageTokens(config_));
  if (crops > 0) Text(kBeforeOriginal);
  View(0);
  for (size_t crop = 1; crop <= crops; ++crop) {
    Text(crop == 1 ? kBeforeCrops : kBetweenCrops);
    View(crop);
  }
  ++pictures_;
  return {};
}

void PromptBuilder::View(size_t view) {
  // In the id form the text before and the blank line are encoded apart from each other.
  const auto blank_line = [this] {
    if (form_ == ImageForm::kIds) FlushText();
    Text(kBlankLine);
    if (form_ == ImageForm::kIds) FlushText();
  };
  blank_line();
  FlushText();
  layout_.ids.push_back(config_.tokens.start_of_image);
  const size_t count = config_.vision.tokens_per_image;
  layout_.images.push_back({0, count, pictures_, view});
  views_.push_back(Here());
  layout_.ids.insert(layout_.ids.end(), count, config_.tokens.image_soft_token);
  layout_.ids.push_back(config_.tokens.end_of_image);
  blank_line();
}

void PromptBuilder::FlushText() {
  if (text_.empty()) return;
  texts_.push_back({layout_.ids.size(), std::exchange(text_, {})});
}

Result<PromptLayout> PromptBuilder::Finish() && {
  FlushText();
  size_t least = layout_.ids.size();
  for (const PendingText& text : texts_) least += tokenizer_.LeastTokens(text.text);
  if (least >= limits_.context) {
    return Fail(ErrorCode::kContextTooLong, "the prompt has at least ", least,
                " tokens and the context holds ", limits_.context,
                ", the answer included; shorten the prompt or use a larger context (the model was "
                "trained for ",
                config_.text.max_context, ")");
  }
  TextMemo none;
  std::vector<TokenId> ids;
  std::vector<size_t> before = {0};  // tokens of the first texts
  size_t done = 0;
  const auto take_until = [&](size_t place) {
    ids.insert(ids.end(), layout_.ids.begin() + static_cast<ptrdiff_t>(done),
               layout_.ids.begin() + static_cast<ptrdiff_t>(place));
    done = place;
  };
  for (const PendingText& text : texts_) {
    if (limits_.stop && limits_.stop()) {
      return Fail(ErrorCode::kCancelled, "cancelled by the caller");
    }
    GEMMA3_TRY(const auto encoded,
               (memo_ ? *memo_ : none).Encode(tokenizer_, text.text, limits_.stop));
    take_until(text.place);
    ids.insert(ids.end(), encoded.begin(), encoded.end());
    before.push_back(before.back() + encoded.size());
  }
  take_until(layout_.ids.size());
  layout_.ids = std::move(ids);
  for (const Place& turn : turns_) layout_.turn_begin.push_back(before[turn.texts] + turn.ids);
  for (size_t i = 0; i < views_.size(); ++i) {
    layout_.images[i].begin = before[views_[i].texts] + views_[i].ids;
  }
  return std::move(layout_);
}

}  // namespace gemma3
