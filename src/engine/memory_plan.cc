// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/memory_plan.h"

#include <algorithm>

#include "ops/mlp.h"
#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "src/model/transformer.h"
#include "src/vision/vision_tower.h"

namespace gemma3 {

MemoryPlan PlanModel(const ModelConfig& config, const ModelSizes& sizes) {
  MemoryPlan plan;
  plan.weights = sizes.weights;
  // Pieces, their index and SentencePiece's own copies, as measured with the published vocabulary;
  // the embedding has a row for each piece.
  constexpr size_t kTokenizerBytesPerPiece = 300;
  if (sizes.has_tokenizer) plan.tokenizer = config.text.vocab_size * kTokenizerBytesPerPiece;
  plan.program = size_t{10} << 20;  // as measured
  return plan;
}

Result<MemoryPlan> PlanMemory(const ModelConfig& config, const ModelSizes& sizes,
                              const ResolvedOptions& options) {
  MemoryPlan plan = PlanModel(config, sizes);
  plan.kv_cache = options.kv_bytes;
  // Matrix products keep their input once more in the kernels' form, at most f32, and an MLP its
  // inner rows.
  const size_t widest =
      std::max(config.text.hidden_size, config.text.num_heads * config.text.head_dim);
  const size_t text_floats = Transformer::WorkspaceFloats(config.text, options.max_batch);
  plan.activations = text_floats * sizeof(float) +
                     MlpBytes(options.max_batch, widest, config.text.intermediate_size) +
                     options.threads * kMlpThreadBytes + config.text.vocab_size * sizeof(float);
  if (config.has_vision) {
    // The tower takes the place of the language model in the workspace while it works.
    const size_t tower_floats = VisionTower::WorkspaceFloats(config.vision, options.compute);
    plan.vision = (tower_floats - std::min(tower_floats, text_floats)) * sizeof(float) +
                  VisionTower::MlpScratchBytes(config.vision) + options.session.image_cache_bytes;
  }
  const size_t limit = options.session.max_memory_bytes;
  if (limit != 0 && plan.total() > limit) {
    return Fail(ErrorCode::kOutOfMemory, "this session needs ", DescribePlan(plan),
                ", more than the limit of ", BytesText(limit), "; use a smaller context (now ",
                options.context, " tokens", options.session.parallel > 1 ? " each)" : ")");
  }
  return plan;
}

std::string DescribePlan(const MemoryPlan& plan) {
  std::string text;
  const auto add = [&text](const char* name, size_t bytes) {
    if (bytes != 0) text += (text.empty() ? "" : " + ") + (name + (" " + BytesText(bytes)));
  };
  add("weights", plan.weights);
  add("KV cache", plan.kv_cache);
  add("activations", plan.activations);
  add("vision", plan.vision);
  add("tokenizer", plan.tokenizer);
  add("program", plan.program);
  return text + " = " + BytesText(plan.total());
}

}  // namespace gemma3
