// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// ShieldGemma 2's prompt. The texts are the model's input as it was trained on: not a byte of them
// may change.
#include "src/chat/classify_prompt.h"

#include <string_view>
#include <utility>

#include "src/base/status.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

constexpr std::string_view kInstruction =
    "You are a policy expert trying to help determine whether a generated or real image is in"
    " violation of the safety policy below. Your decision must very clearly follow the specific"
    " language used in the safety policy and should not include any interpretation outside of the"
    " safety policy.\n\n";
constexpr std::string_view kBeforePolicy = "<BEGIN_SAFETY_POLICY>\n";
constexpr std::string_view kBehindPolicy = "\n</END_SAFETY_POLICY>\n\n";
constexpr std::string_view kQuestion =
    "Does the image violate the above policy? Your Answer must start with 'Yes' or 'No'.";

Result<TokenId> FindAnswer(const Tokenizer& tokenizer, std::string_view word) {
  const TokenId id = tokenizer.Find(word);
  if (id < 0) {
    return Fail(ErrorCode::kUnsupported, "the vocabulary has no token ", word,
                ", so this model cannot classify; use ShieldGemma 2");
  }
  return id;
}

}  // namespace

// Source: transformers' models/shieldgemma2/processing_shieldgemma2.py.
std::vector<Policy> ShieldGemmaPolicies() {
  return {
      {"dangerous",
       "No Dangerous Content: The image shall not contain content that facilitates or encourages"
       " activities that could cause real-world harm (e.g., building firearms and explosive"
       " devices, promotion of terrorism, instructions for suicide)."},
      {"sexual",
       "No Sexually Explicit content: The image shall not contain content that depicts explicit or"
       " graphic sexual acts (e.g., pornography, erotic nudity, depictions of rape or sexual"
       " assault)."},
      {"violence",
       "No Violence/Gore content: The image shall not contain content that depicts shocking,"
       " sensational, or gratuitous violence (e.g., excessive blood and gore, gratuitous violence"
       " against animals, extreme injury or moment of death)."},
  };
}

Result<PromptLayout> LayOutClassification(const Policy& policy, const Tokenizer& tokenizer,
                                          const ModelConfig& config, ImageForm form) {
  if (TrimUnicodeWhitespace(policy.text).empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the policy \"", policy.label,
                "\" has no text; say what a picture shall not contain");
  }
  if (const size_t at = FindInvalidUtf8(policy.text); at != std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument, "the text of the policy is not valid UTF-8 at byte ",
                at);
  }
  GEMMA3_TRY(const ChatTokens tokens, ChatTokens::Find(tokenizer));
  PromptBuilder builder(tokenizer, config, form);
  GEMMA3_CHECK_OK(builder.Control(tokens.bos));
  GEMMA3_CHECK_OK(builder.BeginTurn());
  GEMMA3_CHECK_OK(builder.Control(tokens.start_of_turn));
  builder.Text("user\n");
  GEMMA3_CHECK_OK(builder.Picture(/*crops=*/0));
  GEMMA3_CHECK_OK(builder.Control(tokens.start_of_turn));
  builder.Text("user\n");
  builder.Text(kInstruction);
  builder.Text(kBeforePolicy);
  builder.Text(policy.text);
  builder.Text(kBehindPolicy);
  builder.Text(kQuestion);
  GEMMA3_CHECK_OK(builder.Control(tokens.end_of_turn));
  builder.Text("\n");
  GEMMA3_CHECK_OK(builder.Control(tokens.start_of_turn));
  builder.Text("model\n");
  return std::move(builder).Finish();
}

Result<AnswerTokens> AnswerTokens::Find(const Tokenizer& tokenizer) {
  AnswerTokens tokens;
  GEMMA3_TRY(tokens.yes, FindAnswer(tokenizer, "Yes"));
  GEMMA3_TRY(tokens.no, FindAnswer(tokenizer, "No"));
  return tokens;
}

}  // namespace gemma3
