// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/memory_plan.h"

#include <algorithm>

#include "ops/mlp.h"
#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "src/engine/adapters.h"
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
  const std::span<const AdapterUse> adapters = options.session.adapters;
  plan.weights += BytesOf(adapters);
  // Matrix products keep their input once more in the kernels' form, at most f32, and an MLP its
  // inner rows.
  const size_t widest =
      std::max(config.text.hidden_size, config.text.num_heads * config.text.head_dim);
  size_t text_floats = Transformer::WorkspaceFloats(config.text, options.max_batch);
  if (!adapters.empty()) {
    text_floats += Transformer::AdapterFloats(config.text, options.max_batch, RankOf(adapters));
  }
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
    return Fail(ErrorCode::kOutOfMemory, "this needs ", DescribePlan(plan),
                ", more than the limit of ", BytesText(limit), "; use a smaller context (now ",
                options.context, " tokens", options.session.parallel > 1 ? " each)" : ")");
  }
  return plan;
}

Result<MemoryPlan> PlanEmbedding(const ModelConfig& config, const ModelSizes& sizes, size_t batch,
                                 size_t threads, Compute compute, size_t limit,
                                 std::span<const AdapterUse> adapters) {
  MemoryPlan plan = PlanModel(config, sizes);
  const size_t rows = std::max(batch, config.embedding->max_tokens);
  const size_t widest =
      std::max(config.text.hidden_size, config.text.num_heads * config.text.head_dim);
  size_t floats = Transformer::EncodeFloats(config.text, compute, rows, EncodedTiles(rows)) +
                  rows * config.text.hidden_size;
  plan.weights += BytesOf(adapters);
  if (!adapters.empty()) {
    floats += Transformer::AdapterFloats(config.text, rows, RankOf(adapters));
  }
  plan.activations = floats * sizeof(float) +
                     MlpBytes(rows, widest, config.text.intermediate_size) +
                     threads * kMlpThreadBytes;
  if (limit != 0 && plan.total() > limit) {
    return Fail(ErrorCode::kOutOfMemory, "this embedder needs ", DescribePlan(plan),
                ", more than the limit of ", BytesText(limit), "; use a smaller batch (now ", batch,
                " tokens)");
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
