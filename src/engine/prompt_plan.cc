// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/prompt_plan.h"

#include <utility>
#include <vector>

#include "src/base/status.h"
#include "src/chat/template.h"
#include "src/generate/restored_picture.h"
#include "src/image/preprocess.h"

namespace gemma3 {
namespace {

Status FindPictures(const Model& model, const ResolvedOptions& options, std::span<const Part> parts,
                    PromptPlan& plan) {
  const ModelConfig& config = model.config();
  for (const Part& part : parts) {
    if (!part.image) continue;
    if (!part.text.empty()) {
      return Fail(
          ErrorCode::kInvalidArgument,
          "a part has text and a picture; make it two parts, in the order in which the model "
          "is to see them");
    }
    if (!config.has_vision) {
      return Fail(ErrorCode::kUnsupported, model.path(),
                  " is a text-only model and cannot look at pictures; use a model with a vision "
                  "tower (4B, 12B or 27B)");
    }
    if (part.image->restored) {  // the views that there are
      std::vector<CropBox>& views = plan.views.emplace_back();
      for (const RestoredPicture::View& view : part.image->restored->views) {
        views.push_back(view.box);
      }
      plan.pictures.push_back(part.image);
      continue;
    }
    const bool crop = options.session.pan_and_scan == PanAndScan::kOn;
    GEMMA3_TRY(auto views, PlanViews(*part.image, crop ? &config.pan_and_scan : nullptr));
    plan.pictures.push_back(part.image);
    plan.views.push_back(std::move(views));
  }
  return {};
}

std::vector<size_t> CropsOf(const PromptPlan& plan) {
  std::vector<size_t> crops;
  for (const auto& views : plan.views) crops.push_back(views.size() - 1);
  return crops;
}

}  // namespace

ImageForm ImageFormOf(const ResolvedOptions& options) {
  return options.session.image_newlines == ImageNewlines::kIds ? ImageForm::kIds
                                                               : ImageForm::kMerged;
}

Result<std::shared_ptr<const ToolSet>> ToolsOf(const ToolOptions& options) {
  if (options.tools.empty() && options.choice == ToolChoice()) {
    return std::shared_ptr<const ToolSet>();
  }
  GEMMA3_TRY(ToolSet tools, ToolSet::Create(options));
  return std::make_shared<const ToolSet>(std::move(tools));
}

Result<PromptPlan> PlanChat(const Model& model, const ResolvedOptions& options,
                            std::span<const Message> messages, std::shared_ptr<const ToolSet> tools,
                            bool to_be_answered, TextMemo* memo, const StopCheck& stop) {
  GEMMA3_TRY(const Tokenizer* tokenizer, model.tokenizer());
  PromptPlan plan;
  for (const Message& message : messages) {
    GEMMA3_CHECK_OK(FindPictures(model, options, message.parts, plan));
  }
  const std::vector<size_t> crops = CropsOf(plan);
  GEMMA3_TRY(plan.layout,
             LayOutChat(messages, *tokenizer, model.config(),
                        {.add_generation_prompt = to_be_answered,
                         .continue_model_turn = to_be_answered,
                         .image_form = ImageFormOf(options),
                         .crops = crops,
                         .memo = memo,
                         .tools = tools.get(),
                         .limits = {to_be_answered ? options.context : SIZE_MAX, stop}}));
  plan.tools = std::move(tools);
  if (memo) memo->EndPrompt();
  return plan;
}

Result<PromptPlan> PlanRaw(const Model& model, const ResolvedOptions& options,
                           std::span<const Part> parts, const StopCheck& stop) {
  GEMMA3_TRY(const Tokenizer* tokenizer, model.tokenizer());
  PromptPlan plan;
  GEMMA3_CHECK_OK(FindPictures(model, options, parts, plan));
  const std::vector<size_t> crops = CropsOf(plan);
  GEMMA3_TRY(plan.layout, LayOutRaw(parts, *tokenizer, model.config(),
                                    {.image_form = ImageFormOf(options),
                                     .crops = crops,
                                     .limits = {options.context, stop}}));
  return plan;
}

Result<PromptPlan> PlanIds(const Model& model, std::span<const TokenId> ids) {
  GEMMA3_TRY(const Tokenizer* tokenizer, model.tokenizer());
  const TokenId bos = model.config().tokens.bos;
  if (!ids.empty() && ids.front() == bos) ids = ids.subspan(1);
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool known = ids[i] >= 0 && static_cast<size_t>(ids[i]) < tokenizer->vocab_size();
    if (known && !tokenizer->IsControl(ids[i])) continue;
    return Fail(ErrorCode::kInvalidArgument, "token ", ids[i], " of the prompt, at ", i, ", is ",
                known ? "a control token, which a prompt cannot hold" : "outside the vocabulary");
  }
  PromptPlan plan;
  GEMMA3_TRY(plan.layout, LayOutRaw({}, *tokenizer, model.config(), {}));
  plan.layout.ids.insert(plan.layout.ids.end(), ids.begin(), ids.end());
  return plan;
}

}  // namespace gemma3
