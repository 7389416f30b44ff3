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
  GEMMA3_CHECK_OK(FlushText());
  layout_.ids.insert(layout_.ids.end(), ids.begin(), ids.end());
  return {};
}

Status PromptBuilder::BeginTurn() {
  GEMMA3_CHECK_OK(FlushText());
  layout_.turn_begin.push_back(layout_.ids.size());
  return {};
}

Status PromptBuilder::Picture(size_t crops) {
  if (!config_.has_vision) {
    return Fail(ErrorCode::kUnsupported, "the model ", config_.name,
                " reads text only, but the prompt has a picture; the 4B, 12B and 27B models see");
  }
  GEMMA3_CHECK_OK(CheckImageTokens(config_));
  if (crops > 0) Text(kBeforeOriginal);
  GEMMA3_CHECK_OK(View(0));
  for (size_t crop = 1; crop <= crops; ++crop) {
    Text(crop == 1 ? kBeforeCrops : kBetweenCrops);
    GEMMA3_CHECK_OK(View(crop));
  }
  ++pictures_;
  return {};
}

Status PromptBuilder::View(size_t view) {
  // In the id form the text before and the blank line are encoded apart from each other.
  const auto blank_line = [this]() -> Status {
    if (form_ == ImageForm::kIds) GEMMA3_CHECK_OK(FlushText());
    Text(kBlankLine);
    if (form_ == ImageForm::kIds) GEMMA3_CHECK_OK(FlushText());
    return {};
  };
  GEMMA3_CHECK_OK(blank_line());
  GEMMA3_CHECK_OK(Control(config_.tokens.start_of_image));
  const size_t count = config_.vision.tokens_per_image;
  layout_.images.push_back({layout_.ids.size(), count, pictures_, view});
  layout_.ids.insert(layout_.ids.end(), count, config_.tokens.image_soft_token);
  GEMMA3_CHECK_OK(Control(config_.tokens.end_of_image));
  return blank_line();
}

Status PromptBuilder::FlushText() {
  if (text_.empty()) return {};
  TextMemo none;
  GEMMA3_TRY(const auto ids, (memo_ ? *memo_ : none).Encode(tokenizer_, text_));
  layout_.ids.insert(layout_.ids.end(), ids.begin(), ids.end());
  text_.clear();
  return {};
}

Result<PromptLayout> PromptBuilder::Finish() && {
  GEMMA3_CHECK_OK(FlushText());
  return std::move(layout_);
}

}  // namespace gemma3
