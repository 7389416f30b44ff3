// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From messages or raw text to the tokens of a prompt and the pictures that it needs.
#pragma once

#include <memory>
#include <span>

#include "gemma3/message.h"
#include "gemma3/model.h"
#include "src/chat/text_memo.h"
#include "src/engine/resolve.h"
#include "src/generate/request.h"

namespace gemma3 {

// How prompts are laid out for a session's options.
ImageForm ImageFormOf(const ResolvedOptions& options);

// The tools of a request; null where there are none. Errors: those of ToolSet::Create.
Result<std::shared_ptr<const ToolSet>> ToolsOf(const ToolOptions& options);

// A conversation. to_be_answered: ends where the model's turn begins, and has to leave room for it.
// memo may be null. stop: as in PromptLimits. Errors: those of LayOutChat; kUnsupported for a
// picture where the model has no vision; kInvalidArgument for a part with both text and picture;
// kBadImage; kBadModel without a tokenizer.
Result<PromptPlan> PlanChat(const Model& model, const ResolvedOptions& options,
                            std::span<const Message> messages, std::shared_ptr<const ToolSet> tools,
                            bool to_be_answered, TextMemo* memo, const StopCheck& stop = {});
// Raw text behind BOS. Errors: as above.
Result<PromptPlan> PlanRaw(const Model& model, const ResolvedOptions& options,
                           std::span<const Part> parts, const StopCheck& stop = {});
// Tokens that are text. Errors: kInvalidArgument for others.
Result<PromptPlan> PlanIds(const Model& model, std::span<const TokenId> ids);

}  // namespace gemma3
