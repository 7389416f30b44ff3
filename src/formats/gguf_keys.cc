// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Keys: ggml-org/llama.cpp, src/llama-arch.cpp and gguf-py/gguf/constants.py; ollama/ollama,
// convert/convert_gemma3.go.
#include "src/formats/gguf_keys.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/gguf_config.h"

namespace gemma3 {
namespace {

// Read by gguf_config.cc, or without a meaning for an answer.
constexpr std::string_view kKnown[] = {
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.value_length",
    "attn_logit_softcapping",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "final_logit_softcapping",
    "mm.tokens_per_image",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.global.freq_base",
    "rope.local.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "tensor_data_layout",
    "vocab_size",
};

// Those of an embedding model, read by gguf_config.cc.
constexpr std::string_view kKnownOfEmbedding[] = {
    "attention.causal", "pooling_type",    "dense_2_feat_in",
    "dense_2_feat_out", "dense_3_feat_in", "dense_3_feat_out",
};

// Keys of other computations, with the value that switches them off; 0 does so as well, unless
// `zero_is_on`.
struct Foreign {
  std::string_view key;
  const char* what;
  double off = 0;
  bool zero_is_on = false;
};
constexpr Foreign kForeign[] = {
    {"attention.causal", "attention in both directions (an embedding model)", 1, true},
    {"attention.clamp_kqv", "clamped queries, keys and values"},
    {"attention.kv_lora_rank", "compressed attention (MLA)"},
    {"attention.max_alibi_bias", "ALiBi"},
    {"attention.output_scale", "scaled attention", 1},
    {"attention.q_lora_rank", "compressed attention (MLA)"},
    {"attention.shared_kv_layers", "layers that share keys and values"},
    {"attention.temperature_length", "attention temperatures"},
    {"attention.temperature_scale", "attention temperatures"},
    {"attention.value_scale", "scaled values", 1},
    {"activation_sparsity_scale", "sparse activations (Gemma 3n)"},
    {"altup.num_inputs", "AltUp (Gemma 3n)"},
    {"decoder_block_count", "an encoder"},
    {"embedding_length_per_layer_input", "inputs for each layer (Gemma 3n)"},
    {"expert_count", "a mixture of experts"},
    {"expert_used_count", "a mixture of experts"},
    {"leading_dense_block_count", "a mixture of experts"},
    {"logit_scale", "scaled logits", 1},
    {"nextn_predict_layers", "layers that predict several tokens"},
    {"no_rope_layer_step", "layers without rotary embedding"},
    {"pooling_type", "pooling (an embedding model)"},
    {"residual_scale", "a scaled residual stream", 1},
    {"rope.scaling.attn_factor", "scaled attention (YaRN)", 1},
    {"rope.scaling.yarn_log_multiplier", "scaled attention (YaRN)"},
    {"use_parallel_residual", "attention and MLP side by side"},
};

// A number, or true and false as 1 and 0; NaN for anything else.
double NumberOf(const GgufFile& gguf, const std::string& key) {
  if (const auto number = gguf.Float(key); number && *number) return **number;
  if (const auto flag = gguf.Bool(key); flag && *flag) return **flag ? 1 : 0;
  return NAN;
}

std::unexpected<Error> Refuse(const GgufFile& gguf, const std::string& key, double value,
                              const char* what) {
  return Fail(ErrorCode::kUnsupported, gguf.file(), ": ", key, " is ", value, ": it asks for ",
              what, ", which Gemma 3 does not use and this library does not compute");
}

// Sizes that may be stated again, and that have to be what they are in Gemma 3.
Status CheckRepeated(const GgufFile& gguf, const std::string& key, double expected,
                     const char* what, bool* known) {
  *known = true;
  const double value = NumberOf(gguf, key);
  if (std::abs(value - expected) <= 1e-5 * expected) return {};
  return Refuse(gguf, key, value, what);
}

}  // namespace

Status CheckGgufKeys(const GgufFile& gguf, const TextConfig& text, Remarks* remarks) {
  std::string unknown;
  const std::string prefix = ModelKeys(gguf);
  for (const std::string& key : gguf.Keys()) {
    if (!key.starts_with(prefix)) continue;
    const std::string_view name = std::string_view(key).substr(prefix.size());
    if (text.bidirectional &&
        std::ranges::find(kKnownOfEmbedding, name) != std::end(kKnownOfEmbedding)) {
      continue;
    }
    // The tower's keys, some of which stand in text-only files too; YaRN's, without YaRN.
    bool known = std::ranges::find(kKnown, name) != std::end(kKnown) ||
                 name.starts_with("vision.") || name.starts_with("rope.scaling.yarn_beta") ||
                 name == "rope.scaling.yarn_ext_factor" || name == "rope.scaling.yarn_attn_factor";
    for (const char* rotary : {"rope.dimension_count", "rope.dimension_count_swa"}) {
      if (name == rotary) {
        GEMMA3_CHECK_OK(CheckRepeated(gguf, key, static_cast<double>(text.head_dim),
                                      "rotary embedding of a part of each head", &known));
      }
    }
    for (const char* length : {"attention.key_length_swa", "attention.value_length_swa"}) {
      if (name == length) {
        GEMMA3_CHECK_OK(CheckRepeated(gguf, key, static_cast<double>(text.head_dim),
                                      "heads of two sizes", &known));
      }
    }
    if (name == "attention.scale") {
      GEMMA3_CHECK_OK(CheckRepeated(gguf, key, static_cast<double>(text.attention_scale),
                                    "another attention scale", &known));
    }
    if (name == "embedding_scale") {
      GEMMA3_CHECK_OK(CheckRepeated(gguf, key, std::sqrt(static_cast<double>(text.hidden_size)),
                                    "another scale of the embedding", &known));
    }
    if (const auto it = std::ranges::find(kForeign, name, &Foreign::key);
        it != std::end(kForeign)) {
      known = true;
      const double value = NumberOf(gguf, key);
      if (value != it->off && !(value == 0 && !it->zero_is_on)) {
        return Refuse(gguf, key, value, it->what);
      }
    }
    if (!known) unknown += (unknown.empty() ? "" : ", ") + Shown(key, 80);
  }
  if (!unknown.empty()) {
    remarks->warnings.push_back(
        gguf.file() + ": not read, though answers may depend on it: " + Shown(unknown, 400));
  }
  return {};
}

}  // namespace gemma3
