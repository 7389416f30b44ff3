// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_keys.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>

#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

// A setting that Gemma 3 does not have. It is off where the value is null, false, 0, empty, or
// `off`; where `zero_is_on`, not at 0.
struct Foreign {
  std::string_view key;
  const char* what;
  double off = 0;
  bool zero_is_on = false;
};

constexpr Foreign kForeignText[] = {
    // Masks and positions.
    {"bidirectional", "bidirectional attention"},
    {"is_causal", "bidirectional attention", 1, true},
    {"causal", "bidirectional attention", 1, true},
    {"is_encoder_decoder", "an encoder"},
    {"add_cross_attention", "cross-attention"},
    {"use_sliding_window", "global attention in every layer", 1, true},
    {"attention_chunk_size", "attention in chunks"},
    {"partial_rotary_factor", "rotary embedding of a part of each head", 1, true},
    {"rotary_pct", "rotary embedding of a part of each head", 1, true},
    {"rope_pct", "rotary embedding of a part of each head", 1, true},
    {"rope_interleaved", "interleaved rotary embedding"},
    {"rope_interleave", "interleaved rotary embedding"},
    {"no_rope_layers", "layers without rotary embedding", 1, true},
    {"no_rope_layer_interval", "layers without rotary embedding"},
    {"alibi", "ALiBi"},
    {"use_alibi", "ALiBi"},
    // Attention.
    {"attention_bias", "biases in attention"},
    {"qkv_bias", "biases in attention"},
    {"use_qkv_bias", "biases in attention"},
    {"attention_out_bias", "biases in attention"},
    {"use_bias", "biases"},
    {"mlp_bias", "biases in the MLP"},
    {"attn_logit_softcapping", "attention soft-capping"},
    {"attention_logit_softcapping", "attention soft-capping"},
    {"attn_logit_softcap", "attention soft-capping"},
    {"attention_multiplier", "another attention scale"},
    {"attention_k_eq_v", "keys that are values too"},
    {"attn_temperature_tuning", "attention temperatures"},
    {"clip_qkv", "clipped queries, keys and values"},
    {"q_lora_rank", "compressed attention (MLA)"},
    {"kv_lora_rank", "compressed attention (MLA)"},
    {"num_kv_shared_layers", "layers that share keys and values"},
    {"global_head_dim", "heads of two sizes"},
    {"num_global_key_value_heads", "two numbers of key/value heads"},
    {"use_qk_norm", "attention without norms of queries and keys", 1, true},
    {"qk_norm", "attention without norms of queries and keys", 1, true},
    {"use_parallel_residual", "attention and MLP side by side"},
    {"parallel_residual", "attention and MLP side by side"},
    // Mixtures of experts.
    {"num_experts", "a mixture of experts"},
    {"num_local_experts", "a mixture of experts"},
    {"n_routed_experts", "a mixture of experts"},
    {"num_experts_per_tok", "a mixture of experts"},
    {"top_k_experts", "a mixture of experts"},
    {"moe_intermediate_size", "a mixture of experts"},
    {"enable_moe_block", "a mixture of experts"},
    // Gemma 3n.
    {"altup_num_inputs", "AltUp (Gemma 3n)"},
    {"laurel_rank", "LAuReL (Gemma 3n)"},
    {"hidden_size_per_layer_input", "inputs for each layer (Gemma 3n)"},
    {"vocab_size_per_layer_input", "inputs for each layer (Gemma 3n)"},
    {"activation_sparsity_pattern", "sparse activations (Gemma 3n)"},
    {"use_double_wide_mlp", "MLPs of two widths (Gemma 4)"},
    // Factors.
    {"final_logit_softcapping", "logit soft-capping"},
    {"final_logit_softcap", "logit soft-capping"},
    {"logit_softcapping", "logit soft-capping"},
    {"logits_soft_cap", "logit soft-capping"},
    {"logit_scale", "scaled logits", 1},
    {"logits_scaling", "scaled logits", 1},
    {"residual_multiplier", "a scaled residual stream", 1},
    {"embedding_multiplier", "another scale of the embedding", 1},
    {"scale_emb", "another scale of the embedding", 1},
    {"scale_depth", "a scaled residual stream", 1},
    {"mup_enabled", "muP factors"},
    {"pruned_heads", "pruned heads"},
};

constexpr Foreign kForeignRoot[] = {
    {"vision_feature_layer", "soft tokens of another layer of the tower", -1, true},
    {"multimodal_projector_bias", "a bias in the projector"},
    {"projector_hidden_act", "an activation in the projector"},
    {"audio_config", "an audio encoder (Gemma 3n)"},
};

constexpr Foreign kForeignVision[] = {
    {"vision_feature_layer", "soft tokens of another layer of the tower", -1, true},
    {"use_rope", "rotary embedding in the tower"},
    {"rope_theta", "rotary embedding in the tower"},
    {"rope_parameters", "rotary embedding in the tower"},
    {"use_qk_norm", "norms of queries and keys in the tower"},
    {"num_experts", "a mixture of experts"},
};

// Read elsewhere, or without a meaning for an answer: what transformers, PEFT, Unsloth, MLX and
// vLLM write.
constexpr std::string_view kHarmless[] = {
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "architectures",
    "attention_dropout",
    "attn_implementation",
    "auto_map",
    "bos_token_id",
    "cache_implementation",
    "chunk_size_feed_forward",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "dtype",
    "embd_pdrop",
    "eos_token_id",
    "finetuning_task",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "initializer_factor",
    "initializer_range",
    "is_decoder",
    "label2id",
    "model_type",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "prefix",
    "problem_type",
    "quantization",
    "quantization_config",
    "resid_pdrop",
    "return_dict",
    "sep_token_id",
    "task_specific_params",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tie_word_embeddings",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "transformers.js_config",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
    // Of generation; see hf_generation.h.
    "bad_words_ids",
    "begin_suppress_tokens",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "min_length",
    "min_p",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_scores",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict_in_generate",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
};

constexpr std::string_view kReadText[] = {
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_activation",
    "hidden_act",
    "query_pre_attn_scalar",
    "rms_norm_eps",
    "sliding_window",
    "sliding_window_pattern",
    "_sliding_window_pattern",
    "layer_types",
    "max_position_embeddings",
    "rope_theta",
    "rope_local_base_freq",
    "rope_scaling",
    "rope_parameters",
    "use_bidirectional_attention",
};

constexpr std::string_view kReadRoot[] = {
    "text_config",           "vision_config",   "mm_tokens_per_image", "boi_token_index",
    "boi_token_id",          "eoi_token_index", "eoi_token_id",        "image_token_index",
    "image_token_id",        "yes_token_index", "no_token_index",      "image_seq_length",
    "vision_start_token_id",
};

constexpr std::string_view kReadVision[] = {
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "image_size",
    "patch_size",
    "num_channels",
    "layer_norm_eps",
    "hidden_act",
    "num_positions",
    "num_image_tokens",
    "projection_dim",
    // The pooling head stands behind the soft tokens and does not touch them.
    "vision_use_head",
    "skip_vision",
    "projector_hidden_act",
};

bool Contains(std::span<const std::string_view> keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

bool IsOff(const JsonValue& value, const Foreign& foreign) {
  if (value.IsNull()) return true;
  double number = 0;
  if (value.IsBool()) {
    number = *value.AsBool() ? 1 : 0;
  } else if (value.IsNumber()) {
    number = value.AsDouble().value_or(NAN);
  } else if (value.IsArray() || value.IsObject()) {
    // A value for each layer.
    for (size_t i = 0; value.IsArray() && i < value.size(); ++i) {
      if (value[i].IsArray() || !IsOff(value[i], foreign)) return false;
    }
    return value.IsArray() || value.size() == 0;
  } else {
    return false;
  }
  return number == foreign.off || (number == 0 && !foreign.zero_is_on);
}

Status RefuseForeign(const JsonValue& value, std::string_view key, std::span<const Foreign> foreign,
                     bool* known) {
  const auto it = std::ranges::find(foreign, key, &Foreign::key);
  if (it == foreign.end()) return {};
  *known = true;
  if (IsOff(value, *it)) return {};
  return Fail(ErrorCode::kUnsupported, value.Path(), " is ", value.Excerpt(), ": it asks for ",
              it->what, ", which Gemma 3 does not use and this library does not compute");
}

}  // namespace

Status CheckHfKeys(const JsonValue& object, HfPart part, Remarks* remarks) {
  std::string unknown;
  for (const auto& [key, value] : object.Members()) {
    bool known = Contains(kHarmless, key);
    if (part == HfPart::kVision) {
      known |= Contains(kReadVision, key);
      GEMMA3_CHECK_OK(RefuseForeign(value, key, kForeignVision, &known));
    } else {
      known |= Contains(kReadText, key) || Contains(kReadRoot, key);
      GEMMA3_CHECK_OK(RefuseForeign(value, key, kForeignText, &known));
      if (part == HfPart::kRoot) GEMMA3_CHECK_OK(RefuseForeign(value, key, kForeignRoot, &known));
    }
    if (known || value.IsNull()) continue;
    unknown += (unknown.empty() ? "" : ", ") + Shown(key, 60);
  }
  if (!unknown.empty()) {
    remarks->notes.push_back(object.Path() + ": not read: " + Shown(unknown, 400));
  }
  return {};
}

}  // namespace gemma3
