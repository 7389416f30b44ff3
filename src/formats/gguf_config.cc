// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Keys: ggml-org/llama.cpp, conversion/gemma.py and src/llama-model.cpp; ollama/ollama,
// convert/convert_gemma3.go.
#include "src/formats/gguf_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/foreign.h"

namespace gemma3 {
namespace {

constexpr uint64_t kMaxLayers = 1024;  // before a vector of that size is made

// The published models, known by shape: files state some of their settings wrongly or not at all.
struct KnownSize {
  size_t layers, hidden;
  size_t window, context;
  float rope_factor;
};
constexpr std::array<KnownSize, 5> kKnownSizes = {{
    {18, 640, 512, 32768, 1},
    {26, 1152, 512, 32768, 1},
    {34, 2560, 1024, 131072, 8},
    {48, 3840, 1024, 131072, 8},
    {62, 5376, 1024, 131072, 8},
}};

Result<size_t> Required(const GgufFile& gguf, const std::string& key) {
  GEMMA3_TRY(const auto value, gguf.Uint(key));
  if (!value) return Fail(ErrorCode::kBadModel, gguf.file(), ": the key ", key, " is missing");
  return static_cast<size_t>(*value);
}

Result<size_t> UintOr(const GgufFile& gguf, const std::string& key, size_t fallback) {
  GEMMA3_TRY(const auto value, gguf.Uint(key));
  return static_cast<size_t>(value.value_or(fallback));
}

// The first of `keys` that is there.
Result<float> FloatOr(const GgufFile& gguf, std::initializer_list<const char*> keys,
                      float fallback) {
  for (const char* key : keys) {
    GEMMA3_TRY(const auto value, gguf.Float(key));
    if (value) return static_cast<float>(*value);
  }
  return fallback;
}

// Files that are no models, by what they call themselves.
Status CheckType(const GgufFile& gguf) {
  GEMMA3_TRY(const auto type, gguf.String("general.type"));
  if (type == "adapter") {
    return Fail(ErrorCode::kUnsupported, gguf.file(),
                " is an adapter (LoRA), which is no model: merge it into its base model first");
  }
  if (type == "imatrix" || gguf.Find("imatrix.datasets")) {
    return Fail(ErrorCode::kUnsupported, gguf.file(),
                " is an importance matrix, which serves to quantise a model and is none");
  }
  return {};
}

Status CheckArchitecture(const GgufFile& gguf, const TensorMap& tensors) {
  GEMMA3_CHECK_OK(CheckType(gguf));
  GEMMA3_TRY(const auto value, gguf.String("general.architecture"));
  if (!value) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": the key general.architecture is missing");
  }
  if (*value == "clip") {
    return Fail(
        ErrorCode::kUnsupported, gguf.file(),
        " is a vision part (mmproj); open the model's own file and give this one beside it");
  }
  if (const std::string_view what = ForeignArchitecture(*value); !what.empty()) {
    return Fail(ErrorCode::kUnsupported, gguf.file(), " holds ", what,
                "; only Gemma 3 can be loaded");
  }
  if (*value != "gemma3") {
    return Fail(ErrorCode::kUnsupported, gguf.file(), " holds a model of architecture \"",
                Shown(*value, 60), "\"; only \"gemma3\" can be loaded");
  }
  for (const char* name :
       {"dense.0.weight", "dense.1.weight", "dense_2.weight", "dense_3.weight"}) {
    if (tensors.contains(name)) {
      return Fail(ErrorCode::kUnsupported, gguf.file(),
                  " is EmbeddingGemma, an embedding model; it does not generate text");
    }
  }
  if (tensors.contains("rope_freqs.weight")) {
    return Fail(ErrorCode::kUnsupported, gguf.file(),
                " holds rope_freqs.weight, which no Gemma 3 model has");
  }
  return {};
}

// A period p (every p-th layer is global), or for each layer whether it is local.
Status ReadLayers(const GgufFile& gguf, TextConfig* text) {
  const std::string key = "gemma3.attention.sliding_window_pattern";
  const GgufValue* value = gguf.Find(key);
  if (value && value->is_array) {
    GEMMA3_TRY(const auto local, gguf.Ints(key));
    if (local->size() != text->num_layers) {
      return Fail(ErrorCode::kBadModel, gguf.file(), ": ", key, " has ", local->size(),
                  " entries for ", text->num_layers, " layers");
    }
    for (const int64_t is_local : *local) {
      text->layers.push_back(is_local ? LayerKind::kLocal : LayerKind::kGlobal);
    }
    return {};
  }
  GEMMA3_TRY(const size_t period, UintOr(gguf, key, 6));
  if (period == 0) return Fail(ErrorCode::kBadModel, gguf.file(), ": ", key, " is 0");
  for (size_t i = 0; i < text->num_layers; ++i) {
    text->layers.push_back((i + 1) % period == 0 ? LayerKind::kGlobal : LayerKind::kLocal);
  }
  return {};
}

Status ReadRope(const GgufFile& gguf, const KnownSize* known, TextConfig* text, Remarks* remarks) {
  GEMMA3_TRY(text->rope_theta_global,
             FloatOr(gguf, {"gemma3.rope.freq_base", "gemma3.rope.global.freq_base"}, 1e6f));
  GEMMA3_TRY(text->rope_theta_local,
             FloatOr(gguf, {"gemma3.rope.freq_base_swa", "gemma3.rope.local.freq_base"}, 1e4f));
  GEMMA3_TRY(const auto type, gguf.String("gemma3.rope.scaling.type"));
  if (type && *type != "linear" && *type != "none") {
    return Fail(ErrorCode::kUnsupported, gguf.file(), ": gemma3.rope.scaling.type is \"",
                Shown(*type, 60), "\"; Gemma 3 uses \"linear\"");
  }
  GEMMA3_TRY(const auto stated, gguf.Float("gemma3.rope.scaling.factor"));
  text->rope_factor_global = stated && type != "none" ? static_cast<float>(*stated) : 1;
  if (known && text->rope_factor_global != known->rope_factor) {
    if (stated || known->rope_factor != 1) {
      remarks->notes.push_back(gguf.file() + ": RoPE scaling of global layers set to " +
                               std::to_string(static_cast<int>(known->rope_factor)) +
                               ", that of a model of this size (the file " +
                               (stated ? "says otherwise" : "is silent") + ")");
    }
    text->rope_factor_global = known->rope_factor;
  }
  return {};
}

Status ReadSoftcapping(const GgufFile& gguf, const KnownSize* known, Remarks* remarks) {
  for (const char* key : {"gemma3.final_logit_softcapping", "gemma3.attn_logit_softcapping"}) {
    GEMMA3_TRY(const auto cap, gguf.Float(key));
    if (!cap || *cap == 0) continue;
    if (!known) {
      return Fail(ErrorCode::kUnsupported, gguf.file(), ": ", key, " is ", *cap,
                  "; Gemma 3 does not cap logits and this library does not compute it");
    }
    remarks->notes.push_back(gguf.file() + ": ignored " + key +
                             ", which early files state by mistake");
  }
  return {};
}

// Towers normalise pixels as (x / 255 - 0.5) / 0.5; the code that does it has no other way.
Status CheckNormalisation(const GgufFile& gguf, const std::string& prefix) {
  for (const char* what : {"image_mean", "image_std"}) {
    const std::string key = prefix + what;
    GEMMA3_TRY(const auto values, gguf.Floats(key));
    if (!values) continue;
    std::string found;
    for (size_t i = 0; i < values->size() && i < 4; ++i) {
      found += (i == 0 ? "" : ", ") + std::to_string((*values)[i]);
    }
    if (values->size() != 3 ||
        std::any_of(values->begin(), values->end(), [](double value) { return value != 0.5; })) {
      return Fail(ErrorCode::kBadModel, gguf.file(), ": ", key,
                  " should be three times 0.5, as in Gemma 3; found ", values->size(),
                  " numbers: ", found);
    }
  }
  return {};
}

// The tower's activation is GELU in its tanh form, which is what use_gelu means.
Status CheckTowerActivation(const GgufFile& gguf) {
  for (const auto& [key, expected] : {std::pair("clip.use_gelu", true), {"clip.use_silu", false}}) {
    GEMMA3_TRY(const auto value, gguf.Bool(key));
    if (!value || *value == expected) continue;
    return Fail(ErrorCode::kUnsupported, gguf.file(), ": ", key, " is ", *value ? "true" : "false",
                ", so its tower has another activation than Gemma 3's (use_gelu)");
  }
  return {};
}

Result<VisionConfig> ReadVision(const GgufFile& gguf, const std::string& prefix) {
  VisionConfig vision;
  GEMMA3_TRY(vision.hidden_size, Required(gguf, prefix + "embedding_length"));
  GEMMA3_TRY(vision.intermediate_size, Required(gguf, prefix + "feed_forward_length"));
  GEMMA3_TRY(vision.num_layers, Required(gguf, prefix + "block_count"));
  GEMMA3_TRY(vision.num_heads, Required(gguf, prefix + "attention.head_count"));
  GEMMA3_TRY(vision.image_size, Required(gguf, prefix + "image_size"));
  GEMMA3_TRY(vision.patch_size, Required(gguf, prefix + "patch_size"));
  GEMMA3_TRY(vision.num_channels, UintOr(gguf, prefix + "num_channels", 3));
  GEMMA3_TRY(const auto eps, gguf.Float(prefix + "attention.layer_norm_epsilon"));
  vision.layer_norm_eps = static_cast<float>(eps.value_or(1e-6));
  return vision;
}

}  // namespace

Result<ModelConfig> ReadGgufTextConfig(const GgufFile& gguf, const TensorMap& tensors,
                                       Remarks* remarks) {
  GEMMA3_CHECK_OK(CheckArchitecture(gguf, tensors));
  ModelConfig config;
  TextConfig& text = config.text;
  GEMMA3_TRY(text.num_layers, Required(gguf, "gemma3.block_count"));
  GEMMA3_TRY(text.hidden_size, Required(gguf, "gemma3.embedding_length"));
  GEMMA3_TRY(text.intermediate_size, Required(gguf, "gemma3.feed_forward_length"));
  GEMMA3_TRY(text.num_heads, Required(gguf, "gemma3.attention.head_count"));
  GEMMA3_TRY(text.num_kv_heads, UintOr(gguf, "gemma3.attention.head_count_kv", text.num_heads));
  if (text.num_layers == 0 || text.num_layers > kMaxLayers || text.num_heads == 0) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": ", text.num_layers, " layers of ",
                text.num_heads, " heads; expected 1 to ", kMaxLayers, " layers and a head");
  }
  if (text.num_layers == 32) {
    return Fail(ErrorCode::kUnsupported, gguf.file(),
                ": a model of 32 layers that calls itself gemma3 (Rnj-1 does) is no Gemma 3");
  }
  const auto known_at =
      std::find_if(kKnownSizes.begin(), kKnownSizes.end(), [&](const KnownSize& size) {
        return size.layers == text.num_layers && size.hidden == text.hidden_size;
      });
  const KnownSize* known = known_at == kKnownSizes.end() ? nullptr : &*known_at;

  GEMMA3_TRY(text.head_dim,
             UintOr(gguf, "gemma3.attention.key_length", text.num_layers == 62 ? 128 : 256));
  GEMMA3_TRY(const size_t value_length,
             UintOr(gguf, "gemma3.attention.value_length", text.head_dim));
  if (value_length != text.head_dim || text.head_dim == 0) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": key_length is ", text.head_dim,
                " and value_length ", value_length, "; expected the same number above 0");
  }
  // No key states the attention scale. The 27b model divides by hidden size over heads.
  const double scalar = known && known->layers == 62
                            ? static_cast<double>(text.hidden_size) / text.num_heads
                            : static_cast<double>(text.head_dim);
  text.attention_scale = static_cast<float>(1 / std::sqrt(scalar));
  GEMMA3_TRY(text.rms_norm_eps, FloatOr(gguf, {"gemma3.attention.layer_norm_rms_epsilon"}, 1e-6f));

  GEMMA3_TRY(text.max_context,
             UintOr(gguf, "gemma3.context_length", known ? known->context : 131072));
  if (known && text.max_context == 8192) {
    text.max_context = known->context;
    remarks->notes.push_back(gguf.file() + ": trained context set to " +
                             std::to_string(known->context) +
                             ", that of a model of this size (the file says 8192)");
  }
  GEMMA3_CHECK_OK(ReadLayers(gguf, &text));
  GEMMA3_TRY(text.sliding_window, UintOr(gguf, "gemma3.attention.sliding_window", 0));
  if (text.sliding_window == 0) {
    if (known) {
      text.sliding_window = known->window;
      remarks->notes.push_back(gguf.file() + ": sliding window set to " +
                               std::to_string(known->window) +
                               ", that of a model of this size (the file is silent)");
    } else {
      text.sliding_window = text.max_context;
      std::fill(text.layers.begin(), text.layers.end(), LayerKind::kGlobal);
      remarks->notes.push_back(gguf.file() + ": without a sliding window every layer is global");
    }
  }
  GEMMA3_CHECK_OK(ReadRope(gguf, known, &text, remarks));
  GEMMA3_CHECK_OK(ReadSoftcapping(gguf, known, remarks));

  const auto embedding = tensors.find("token_embd.weight");
  if (embedding == tensors.end() || embedding->second.shape.size() != 2) {
    return Fail(ErrorCode::kBadModel, gguf.file(),
                ": tensor token_embd.weight is missing or no matrix");
  }
  text.vocab_size = embedding->second.shape[0];
  return config;
}

Result<VisionConfig> ReadMmprojConfig(const GgufFile& gguf, size_t text_hidden) {
  GEMMA3_TRY(const auto architecture, gguf.String("general.architecture"));
  if (architecture != "clip") {
    return Fail(ErrorCode::kUnsupported, gguf.file(), " is no vision part: its architecture is \"",
                Shown(architecture.value_or(""), 60), "\", expected \"clip\"");
  }
  GEMMA3_TRY(auto projector, gguf.String("clip.projector_type"));
  if (!projector) {
    GEMMA3_TRY(projector, gguf.String("clip.vision.projector_type"));
  }
  if (!projector) {
    return Fail(ErrorCode::kUnsupported, gguf.file(),
                " does not say which projector it has (clip.projector_type is missing); expected "
                "\"gemma3\"");
  }
  if (projector != "gemma3") {
    return Fail(ErrorCode::kUnsupported, gguf.file(),
                " is the vision part of another model: its "
                "projector is \"",
                Shown(*projector, 60), "\", expected \"gemma3\"");
  }
  GEMMA3_TRY(const size_t width, UintOr(gguf, "clip.vision.projection_dim", text_hidden));
  if (width != text_hidden) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": projection_dim is ", width,
                ", but the text model's hidden size is ", text_hidden,
                "; the vision part belongs to another size of the model");
  }
  GEMMA3_CHECK_OK(CheckNormalisation(gguf, "clip.vision."));
  GEMMA3_CHECK_OK(CheckTowerActivation(gguf));
  GEMMA3_TRY(VisionConfig vision, ReadVision(gguf, "clip.vision."));
  GEMMA3_TRY(const size_t pool, UintOr(gguf, "clip.vision.projector.scale_factor", 4));
  if (vision.patch_size == 0 || pool == 0 || vision.patches_per_side() % pool != 0) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": a patch size of ", vision.patch_size,
                " and a pool of ", pool, " do not divide an image of ", vision.image_size);
  }
  const size_t side = vision.patches_per_side() / pool;
  vision.tokens_per_image = side > 0xffff ? 0 : side * side;  // 0 is refused with the other limits
  return vision;
}

Result<VisionConfig> ReadSingleFileVisionConfig(const GgufFile& gguf) {
  GEMMA3_CHECK_OK(CheckNormalisation(gguf, "gemma3.vision."));
  GEMMA3_TRY(VisionConfig vision, ReadVision(gguf, "gemma3.vision."));
  GEMMA3_TRY(vision.tokens_per_image, UintOr(gguf, "gemma3.mm.tokens_per_image", 256));
  return vision;
}

}  // namespace gemma3
