// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tests/support/hf_config_writer.h"

#include <nlohmann/json.hpp>

namespace gemma3::testing {

std::string HfConfigJson(const ModelConfig& config) {
  const TextConfig& t = config.text;
  nlohmann::json types = nlohmann::json::array();
  for (const LayerKind kind : t.layers) {
    types.push_back(kind == LayerKind::kGlobal ? "full_attention" : "sliding_attention");
  }
  nlohmann::json full = {{"rope_type", "default"}, {"rope_theta", t.rope_theta_global}};
  if (t.rope_factor_global != 1) {
    full["rope_type"] = "linear";
    full["factor"] = t.rope_factor_global;
  }
  nlohmann::json text = {
      {"model_type", "gemma3_text"},
      {"vocab_size", t.vocab_size},
      {"hidden_size", t.hidden_size},
      {"intermediate_size", t.intermediate_size},
      {"num_hidden_layers", t.num_layers},
      {"num_attention_heads", t.num_heads},
      {"num_key_value_heads", t.num_kv_heads},
      {"head_dim", t.head_dim},
      {"hidden_activation", "gelu_pytorch_tanh"},
      {"query_pre_attn_scalar", 1 / (double{t.attention_scale} * t.attention_scale)},
      {"rms_norm_eps", t.rms_norm_eps},
      {"sliding_window", t.sliding_window},
      {"max_position_embeddings", t.max_context},
      {"layer_types", types},
      {"rope_parameters",
       {{"full_attention", full},
        {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", t.rope_theta_local}}}}},
  };
  const nlohmann::json common = {
      {"bos_token_id", config.tokens.bos},
      {"pad_token_id", config.tokens.pad},
      {"eos_token_id", config.generation.stop_tokens},
      {"tie_word_embeddings", t.tie_word_embeddings},
  };
  if (!config.has_vision) {
    text["architectures"] = {"Gemma3ForCausalLM"};
    text.update(common);
    return text.dump(2);
  }
  const VisionConfig& v = config.vision;
  nlohmann::json root = {
      {"architectures", {"Gemma3ForConditionalGeneration"}},
      {"model_type", "gemma3"},
      {"text_config", text},
      {"mm_tokens_per_image", v.tokens_per_image},
      {"boi_token_index", config.tokens.start_of_image},
      {"eoi_token_index", config.tokens.end_of_image},
      {"image_token_index", config.tokens.image_soft_token},
      {"vision_config",
       {{"model_type", "siglip_vision_model"},
        {"hidden_size", v.hidden_size},
        {"intermediate_size", v.intermediate_size},
        {"num_hidden_layers", v.num_layers},
        {"num_attention_heads", v.num_heads},
        {"image_size", v.image_size},
        {"patch_size", v.patch_size},
        {"num_channels", v.num_channels},
        {"layer_norm_eps", v.layer_norm_eps}}},
  };
  root.update(common);
  return root.dump(2);
}

std::string HfGenerationJson(const ModelConfig& config) {
  const nlohmann::json generation = {{"eos_token_id", config.generation.stop_tokens},
                                     {"temperature", config.generation.temperature},
                                     {"top_k", config.generation.top_k},
                                     {"top_p", config.generation.top_p},
                                     {"min_p", config.generation.min_p},
                                     {"repetition_penalty", config.generation.repeat_penalty}};
  return generation.dump(2);
}

std::string HfPreprocessorJson(const ModelConfig& config) {
  const PanAndScanConfig& p = config.pan_and_scan;
  const nlohmann::json preprocessor = {
      {"do_pan_and_scan", p.enabled},
      {"pan_and_scan_min_crop_size", p.min_crop_size},
      {"pan_and_scan_max_num_crops", p.max_num_crops},
      {"pan_and_scan_min_ratio_to_activate", p.min_ratio_to_activate}};
  return preprocessor.dump(2);
}

}  // namespace gemma3::testing
