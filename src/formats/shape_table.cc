// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The shapes of Gemma 3's tensors, and the limits of its configuration.
#include "src/formats/shape_table.h"

#include <cmath>

#include "src/base/status.h"

namespace gemma3 {
namespace {

// Limits far above every published size, and low enough that products of any two sizes and a layer
// count cannot overflow.
constexpr size_t kMaxLayers = 1024;
constexpr size_t kMaxVocab = size_t{1} << 24;
constexpr size_t kMaxWidth = size_t{1} << 20;
constexpr size_t kMaxHeads = 1024;
constexpr size_t kMaxHeadDim = 4096;
constexpr size_t kMaxContext = size_t{1} << 24;  // positions are exact in a float up to here
constexpr size_t kMaxImageSize = 16384;

bool IsFloat(TensorType type) {
  return type == TensorType::kF32 || type == TensorType::kF16 || type == TensorType::kBF16;
}

Status CheckRange(const std::string& where, const char* what, size_t value, size_t low,
                  size_t high) {
  if (value >= low && value <= high) return {};
  return Fail(ErrorCode::kBadModel, where, ": ", what, " is ", value, ", expected ", low, " to ",
              high);
}

Status CheckPositive(const std::string& where, const char* what, float value) {
  if (std::isfinite(value) && value > 0) return {};
  return Fail(ErrorCode::kBadModel, where, ": ", what, " is ", value,
              ", expected a number above 0");
}

Status CheckEmbedding(const ModelConfig& config, const std::string& where) {
  const EmbeddingConfig& embedding = *config.embedding;
  constexpr size_t kMaxDense = 16;
  GEMMA3_CHECK_OK(
      CheckRange(where, "the number of dense layers", embedding.dense.size(), 0, kMaxDense));
  size_t width = config.text.hidden_size;
  for (size_t i = 0; i < embedding.dense.size(); ++i) {
    const DenseConfig& dense = embedding.dense[i];
    GEMMA3_CHECK_OK(CheckRange(where, "the width of a dense layer", dense.outputs, 1, kMaxWidth));
    if (dense.inputs != width) {
      return Fail(ErrorCode::kBadModel, where, ": dense layer ", i + 1, " takes ", dense.inputs,
                  " numbers, but what is in front of it gives ", width);
    }
    width = dense.outputs;
  }
  // Room for a token between BOS and EOS.
  GEMMA3_CHECK_OK(CheckRange(where, "the longest text in tokens", embedding.max_tokens, 3,
                             config.text.max_context));
  if (config.has_vision) {
    return Fail(ErrorCode::kUnsupported, where, ": an embedding model with a vision part");
  }
  const bool eos =
      config.tokens.eos >= 0 && static_cast<size_t>(config.tokens.eos) < config.text.vocab_size;
  if (embedding.add_eos && !eos) {
    return Fail(ErrorCode::kBadModel, where, ": the EOS token ", config.tokens.eos,
                " is outside the vocabulary of ", config.text.vocab_size);
  }
  return {};
}

Status CheckVision(const VisionConfig& vision, const std::string& where) {
  GEMMA3_CHECK_OK(CheckRange(where, "the vision hidden size", vision.hidden_size, 1, kMaxWidth));
  GEMMA3_CHECK_OK(CheckRange(where, "the vision MLP size", vision.intermediate_size, 1, kMaxWidth));
  GEMMA3_CHECK_OK(
      CheckRange(where, "the number of vision layers", vision.num_layers, 1, kMaxLayers));
  GEMMA3_CHECK_OK(CheckRange(where, "the number of vision heads", vision.num_heads, 1, kMaxHeads));
  GEMMA3_CHECK_OK(CheckRange(where, "the number of image channels", vision.num_channels, 3, 3));
  GEMMA3_CHECK_OK(CheckRange(where, "the image size", vision.image_size, 1, kMaxImageSize));
  GEMMA3_CHECK_OK(CheckRange(where, "the patch size", vision.patch_size, 1, vision.image_size));
  GEMMA3_CHECK_OK(CheckPositive(where, "the vision layer norm epsilon", vision.layer_norm_eps));
  if (vision.hidden_size % vision.num_heads != 0) {
    return Fail(ErrorCode::kBadModel, where, ": the vision hidden size ", vision.hidden_size,
                " is not a multiple of the number of vision heads, ", vision.num_heads);
  }
  if (vision.image_size % vision.patch_size != 0) {
    return Fail(ErrorCode::kBadModel, where, ": the image size ", vision.image_size,
                " is not a multiple of the patch size ", vision.patch_size);
  }
  const size_t side = vision.patches_per_side();
  GEMMA3_CHECK_OK(
      CheckRange(where, "the number of tokens per image", vision.tokens_per_image, 1, side * side));
  const size_t tokens_side =
      static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(vision.tokens_per_image))));
  if (tokens_side * tokens_side != vision.tokens_per_image || side % tokens_side != 0) {
    return Fail(ErrorCode::kBadModel, where, ": ", vision.tokens_per_image,
                " tokens per image do not pool a grid of ", side, " x ", side,
                " patches: expected a square number whose root divides ", side);
  }
  return {};
}

}  // namespace

ShapeTable TextShapes(const TextConfig& text) {
  const uint64_t d = text.hidden_size, f = text.intermediate_size;
  const uint64_t q = text.num_heads * text.head_dim, kv = text.num_kv_heads * text.head_dim;
  ShapeTable table;
  table["embed_tokens.weight"] = {text.vocab_size, d};
  table["norm.weight"] = {d};
  if (!text.tie_word_embeddings) table["lm_head.weight"] = {text.vocab_size, d};
  for (size_t i = 0; i < text.num_layers; ++i) {
    const std::string layer = "layers." + std::to_string(i) + ".";
    table[layer + "input_layernorm.weight"] = {d};
    table[layer + "self_attn.q_proj.weight"] = {q, d};
    table[layer + "self_attn.k_proj.weight"] = {kv, d};
    table[layer + "self_attn.v_proj.weight"] = {kv, d};
    table[layer + "self_attn.o_proj.weight"] = {d, q};
    table[layer + "self_attn.q_norm.weight"] = {text.head_dim};
    table[layer + "self_attn.k_norm.weight"] = {text.head_dim};
    table[layer + "post_attention_layernorm.weight"] = {d};
    table[layer + "pre_feedforward_layernorm.weight"] = {d};
    table[layer + "mlp.gate_proj.weight"] = {f, d};
    table[layer + "mlp.up_proj.weight"] = {f, d};
    table[layer + "mlp.down_proj.weight"] = {d, f};
    table[layer + "post_feedforward_layernorm.weight"] = {d};
  }
  return table;
}

ShapeTable VisionShapes(const VisionConfig& vision, const TextConfig& text) {
  const uint64_t h = vision.hidden_size, f = vision.intermediate_size;
  ShapeTable table;
  const auto linear = [&](const std::string& name, uint64_t out, uint64_t in) {
    table[name + ".weight"] = {out, in};
    table[name + ".bias"] = {out};
  };
  const auto norm = [&](const std::string& name) {
    table[name + ".weight"] = {h};
    table[name + ".bias"] = {h};
  };
  table["vision.embeddings.patch_embedding.weight"] = {h, vision.num_channels, vision.patch_size,
                                                       vision.patch_size};
  table["vision.embeddings.patch_embedding.bias"] = {h};
  table["vision.embeddings.position_embedding.weight"] = {vision.num_patches(), h};
  for (size_t i = 0; i < vision.num_layers; ++i) {
    const std::string layer = "vision.encoder.layers." + std::to_string(i) + ".";
    norm(layer + "layer_norm1");
    norm(layer + "layer_norm2");
    for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      linear(layer + "self_attn." + part, h, h);
    }
    linear(layer + "mlp.fc1", f, h);
    linear(layer + "mlp.fc2", h, f);
  }
  norm("vision.post_layernorm");
  table["projector.mm_input_projection_weight"] = {h, text.hidden_size};
  table["projector.mm_soft_emb_norm.weight"] = {h};
  return table;
}

ShapeTable DenseShapes(const EmbeddingConfig& embedding) {
  ShapeTable table;
  for (size_t i = 0; i < embedding.dense.size(); ++i) {
    const DenseConfig& dense = embedding.dense[i];
    const std::string name = "dense." + std::to_string(i);
    table[name + ".weight"] = {dense.outputs, dense.inputs};
    if (dense.bias) table[name + ".bias"] = {dense.outputs};
  }
  return table;
}

ShapeTable ShapesOf(const ModelConfig& config) {
  ShapeTable table = TextShapes(config.text);
  if (config.has_vision) table.merge(VisionShapes(config.vision, config.text));
  if (config.embedding) table.merge(DenseShapes(*config.embedding));
  return table;
}

Status CheckTensors(const ShapeTable& table, const TensorMap& tensors, const std::string& model) {
  for (const auto& [name, shape] : table) {
    const auto it = tensors.find(name);
    if (it == tensors.end()) {
      return Fail(
          ErrorCode::kBadModel, model, ": tensor ", name, " of shape ", ShapeString(shape),
          " is missing; is the download complete, and does the configuration belong to it?");
    }
    const TensorView& view = it->second;
    const TensorTypeInfo& info = InfoOf(view.type);
    const std::string& file = view.file ? *view.file : model;
    if (view.shape != shape) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", name, " should have shape ",
                  ShapeString(shape), ", found ", ShapeString(view.shape));
    }
    const bool blocks = info.block_elems > 1 || view.grouped;
    if (!IsFloat(view.type) && !(blocks && shape.size() == 2)) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", name, " should be ",
                  shape.size() == 2 ? "BF16, F16, F32 or quantised" : "BF16, F16 or F32",
                  ", found ", info.name);
    }
    uint64_t elements = 1;
    for (uint64_t n : shape) elements *= n;  // bounded by CheckConfig
    // Packed matrices carry padding, codes have layouts of their own; whoever made the view has
    // checked its bytes.
    if (IsPacked(view.type) || view.grouped) continue;
    if (shape.back() % info.block_elems != 0 ||
        elements / info.block_elems * info.block_bytes != view.bytes) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", name, " of shape ", ShapeString(shape),
                  " and type ", info.name, " cannot be ", view.bytes, " bytes");
    }
  }
  return {};
}

Status CheckConfig(ModelConfig& config, const std::string& where) {
  const TextConfig& text = config.text;
  GEMMA3_CHECK_OK(CheckRange(where, "the vocabulary size", text.vocab_size, 1, kMaxVocab));
  GEMMA3_CHECK_OK(CheckRange(where, "the hidden size", text.hidden_size, 1, kMaxWidth));
  GEMMA3_CHECK_OK(CheckRange(where, "the MLP size", text.intermediate_size, 1, kMaxWidth));
  GEMMA3_CHECK_OK(CheckRange(where, "the number of layers", text.num_layers, 1, kMaxLayers));
  GEMMA3_CHECK_OK(CheckRange(where, "the number of heads", text.num_heads, 1, kMaxHeads));
  GEMMA3_CHECK_OK(
      CheckRange(where, "the number of key/value heads", text.num_kv_heads, 1, text.num_heads));
  GEMMA3_CHECK_OK(CheckRange(where, "the head dimension", text.head_dim, 2, kMaxHeadDim));
  GEMMA3_CHECK_OK(CheckRange(where, "the trained context", text.max_context, 1, kMaxContext));
  GEMMA3_CHECK_OK(CheckRange(where, "the sliding window", text.sliding_window, 1, kMaxContext));
  if (text.num_heads % text.num_kv_heads != 0) {
    return Fail(ErrorCode::kBadModel, where, ": the number of heads, ", text.num_heads,
                ", is not a multiple of the number of key/value heads, ", text.num_kv_heads);
  }
  if (text.head_dim % 2 != 0) {
    return Fail(ErrorCode::kBadModel, where, ": the head dimension ", text.head_dim,
                " is odd; rotary embedding needs pairs");
  }
  if (text.layers.size() != text.num_layers) {
    return Fail(ErrorCode::kBadModel, where, ": ", text.layers.size(), " layer types for ",
                text.num_layers, " layers");
  }
  GEMMA3_CHECK_OK(CheckPositive(where, "the attention scale", text.attention_scale));
  GEMMA3_CHECK_OK(CheckPositive(where, "the RMS norm epsilon", text.rms_norm_eps));
  GEMMA3_CHECK_OK(CheckPositive(where, "the global RoPE base", text.rope_theta_global));
  GEMMA3_CHECK_OK(CheckPositive(where, "the local RoPE base", text.rope_theta_local));
  GEMMA3_CHECK_OK(CheckPositive(where, "the RoPE factor", text.rope_factor_global));
  if (config.has_vision) GEMMA3_CHECK_OK(CheckVision(config.vision, where));
  if (text.bidirectional != config.embedding.has_value()) {
    return Fail(ErrorCode::kUnsupported, where,
                ": attention in both directions goes with an embedding model, and only with one");
  }
  if (config.embedding) GEMMA3_CHECK_OK(CheckEmbedding(config, where));

  const auto in_vocabulary = [&](TokenId id) {
    return id >= 0 && static_cast<size_t>(id) < text.vocab_size;
  };
  if (!in_vocabulary(config.tokens.bos)) {
    return Fail(ErrorCode::kBadModel, where, ": the BOS token ", config.tokens.bos,
                " is outside the vocabulary of ", text.vocab_size);
  }
  if (config.has_vision && (!in_vocabulary(config.tokens.start_of_image) ||
                            !in_vocabulary(config.tokens.end_of_image))) {
    return Fail(ErrorCode::kBadModel, where, ": the image marks ", config.tokens.start_of_image,
                " and ", config.tokens.end_of_image, " are outside the vocabulary of ",
                text.vocab_size);
  }
  std::erase_if(config.generation.stop_tokens, [&](TokenId id) { return !in_vocabulary(id); });

  GenerationDefaults& generation = config.generation;
  if (!(std::isfinite(generation.temperature) && generation.temperature >= 0)) {
    return Fail(ErrorCode::kBadModel, where, ": the default temperature is ",
                generation.temperature, ", expected a number of at least 0");
  }
  if (!(generation.top_p >= 0 && generation.top_p <= 1)) {
    return Fail(ErrorCode::kBadModel, where, ": the default top_p is ", generation.top_p,
                ", expected a number from 0 to 1");
  }
  if (generation.top_k < 0) {
    return Fail(ErrorCode::kBadModel, where, ": the default top_k is ", generation.top_k,
                ", expected a whole number of at least 0");
  }
  return {};
}

}  // namespace gemma3
