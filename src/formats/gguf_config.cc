// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Keys: ggml-org/llama.cpp, conversion/gemma.py and src/llama-model.cpp; ollama/ollama,
// convert/convert_gemma3.go.
#include "src/formats/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <sstream>
#include <utility>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/embedding.h"
#include "src/formats/foreign.h"
#include "src/formats/gguf_keys.h"
#include "src/formats/known_sizes.h"

namespace gemma3 {
namespace {

constexpr uint64_t kMaxLayers = 1024;  // before a vector of that size is made
constexpr char kEmbeddingArchitecture[] = "gemma-embedding";

Result<size_t> Required(const GgufFile& gguf, const std::string& key) {
  GEMMA3_TRY(const auto value, gguf.Uint(key));
  if (!value) return Fail(ErrorCode::kBadModel, gguf.file(), ": the key ", key, " is missing");
  return static_cast<size_t>(*value);
}

Result<size_t> UintOr(const GgufFile& gguf, const std::string& key, size_t fallback) {
  GEMMA3_TRY(const auto value, gguf.Uint(key));
  return static_cast<size_t>(value.value_or(fallback));
}

// A size that some files state for each layer; Gemma 3 has the same in all. Nothing where the key
// is missing.
Result<std::optional<size_t>> SizeOfAllLayers(const GgufFile& gguf, const std::string& key,
                                              size_t num_layers) {
  const GgufValue* value = gguf.Find(key);
  if (!value) return std::nullopt;
  if (!value->is_array) {
    GEMMA3_TRY(const auto number, gguf.Uint(key));
    return static_cast<size_t>(*number);
  }
  GEMMA3_TRY(const auto sizes, gguf.Ints(key));
  if (sizes->size() != num_layers) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": ", key, " has ", sizes->size(),
                " entries for ", num_layers, " layers");
  }
  if (sizes->front() < 0 ||
      std::ranges::any_of(*sizes, [&](int64_t size) { return size != sizes->front(); })) {
    return Fail(ErrorCode::kUnsupported, gguf.file(), ": ", key,
                " differs between layers, which Gemma 3 does not have");
  }
  return static_cast<size_t>(sizes->front());
}

Result<size_t> RequiredOfAllLayers(const GgufFile& gguf, const std::string& key,
                                   size_t num_layers) {
  GEMMA3_TRY(const auto size, SizeOfAllLayers(gguf, key, num_layers));
  if (!size) return Fail(ErrorCode::kBadModel, gguf.file(), ": the key ", key, " is missing");
  return *size;
}

// The first of the model's keys that is there.
Result<float> FloatOr(const GgufFile& gguf, std::initializer_list<const char*> keys,
                      float fallback) {
  for (const char* key : keys) {
    GEMMA3_TRY(const auto value, gguf.Float(ModelKeys(gguf) + key));
    if (value) return static_cast<float>(*value);
  }
  return fallback;
}

// Files that are no models, by what they call themselves.
Status CheckType(const GgufFile& gguf) {
  GEMMA3_TRY(const auto type, gguf.String("general.type"));
  if (type == "adapter") {
    return Fail(
        ErrorCode::kUnsupported, gguf.file(),
        " is an adapter (LoRA), which is no model: load its base model, and this with --lora");
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
  const bool known = *value == "gemma3" || *value == kEmbeddingArchitecture;
  const std::string_view what = ForeignArchitecture(*value);
  if (!known && !what.empty()) {
    return Fail(ErrorCode::kUnsupported, gguf.file(), " holds ", what,
                "; only Gemma 3 can be loaded");
  }
  if (!known) {
    return Fail(ErrorCode::kUnsupported, gguf.file(), " holds a model of architecture \"",
                Shown(*value, 60), "\"; only \"gemma3\" can be loaded");
  }
  if (tensors.contains("rope_freqs.weight")) {
    return Fail(ErrorCode::kUnsupported, gguf.file(),
                " holds rope_freqs.weight, which no Gemma 3 model has");
  }
  return {};
}

// Newer files say so by their architecture, older ones (Ollama's) by keys or by their tensors.
Result<bool> IsEmbeddingModel(const GgufFile& gguf, const TensorMap& tensors) {
  const std::string prefix = ModelKeys(gguf);
  std::optional<bool> causal;
  if (const std::string key = prefix + "attention.causal"; gguf.Has(key)) {
    const auto number = gguf.Uint(key);  // some write flags as numbers
    if (number && *number) {
      causal = **number != 0;
    } else {
      GEMMA3_TRY(causal, gguf.Bool(key));
    }
  }
  GEMMA3_TRY(const auto pooling, gguf.Uint(prefix + "pooling_type"));
  const bool dense = std::ranges::any_of(tensors, [](const auto& tensor) {
    return tensor.first.starts_with("dense.") || tensor.first.starts_with("dense_");
  });
  const bool embeds = prefix != "gemma3." || causal == false || pooling.value_or(0) != 0 || dense;
  if (embeds && causal == true) {
    return Fail(ErrorCode::kUnsupported, gguf.file(), ": ", prefix,
                "attention.causal is true in an embedding model; EmbeddingGemma attends in both "
                "directions");
  }
  return embeds;
}

// A period p (every p-th layer is global), or for each layer whether it is local.
Status ReadLayers(const GgufFile& gguf, TextConfig* text) {
  const std::string key = ModelKeys(gguf) + "attention.sliding_window_pattern";
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

// The factor of global layers that the file states: 1 for a scaling of type "none", and nothing
// where it is silent. Old converters wrote rope.scale_linear; llama.cpp takes 0 for silence.
Result<std::optional<float>> StatedRopeFactor(const GgufFile& gguf) {
  const std::string prefix = ModelKeys(gguf);
  GEMMA3_TRY(const auto type, gguf.String(prefix + "rope.scaling.type"));
  if (type && *type != "linear" && *type != "none") {
    return Fail(ErrorCode::kUnsupported, gguf.file(), ": ", prefix, "rope.scaling.type is \"",
                Shown(*type, 60), "\"; Gemma 3 uses \"linear\"");
  }
  std::optional<double> factor;
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
    GEMMA3_TRY(const auto value, gguf.Float(prefix + key));
    if (!value || *value == 0) continue;
    if (factor && *factor != *value) {
      return Fail(ErrorCode::kBadModel, gguf.file(), ": ", prefix, "rope.scaling.factor is ",
                  *factor, ", but ", prefix, key, " is ", *value, ": which of them is meant?");
    }
    factor = value;
  }
  if (type == "none") return 1.0f;
  if (!factor) return std::nullopt;
  return static_cast<float>(*factor);
}

// The file is believed but for known mistakes: the first uploads of the large sizes leave the
// factor out, and some of the small ones state that of the large, without the context that it would
// be for.
Status ReadRope(const GgufFile& gguf, const KnownSize* known, TextConfig* text, Remarks* remarks) {
  GEMMA3_TRY(text->rope_theta_global,
             FloatOr(gguf, {"rope.freq_base", "rope.global.freq_base"}, kPublishedThetaGlobal));
  GEMMA3_TRY(text->rope_theta_local,
             FloatOr(gguf, {"rope.freq_base_swa", "rope.local.freq_base"}, kPublishedThetaLocal));
  WarnOfBaseFrequencies(*text, gguf.file(), remarks);
  GEMMA3_TRY(const auto stated, StatedRopeFactor(gguf));
  text->rope_factor_global = stated.value_or(known ? known->rope_factor : 1);
  if (!known) return {};
  const auto whole = [](float factor) {
    std::ostringstream out;
    out << factor;
    return std::move(out).str();
  };
  const std::string published = whole(known->rope_factor);
  if (!stated) {
    if (known->rope_factor == 1) return {};
    remarks->notes.push_back(gguf.file() + ": RoPE scaling of global layers set to " + published +
                             ", that of the published model of this size (the file is silent)");
    return {};
  }
  if (*stated == known->rope_factor) return {};
  constexpr float kFactorOfLargeSizes = 8;
  if (*stated == kFactorOfLargeSizes && text->max_context <= known->context) {
    text->rope_factor_global = known->rope_factor;
    remarks->warnings.push_back(gguf.file() + ": RoPE scaling of global layers set to " +
                                published +
                                ", that of the published model of this size; the file "
                                "says " +
                                whole(*stated) + ", a known mistake of converters");
    return {};
  }
  remarks->warnings.push_back(gguf.file() + ": RoPE scaling of global layers by " + whole(*stated) +
                              ", as the file says; the published model of this "
                              "size has " +
                              published);
  return {};
}

Status ReadSoftcapping(const GgufFile& gguf, const KnownSize* known, Remarks* remarks) {
  for (const char* name : {"final_logit_softcapping", "attn_logit_softcapping"}) {
    const std::string key = ModelKeys(gguf) + name;
    GEMMA3_TRY(const auto cap, gguf.Float(key));
    if (!cap || *cap == 0) continue;
    const bool first_1b =
        known && known->layers == 26 && *cap == 30 && key == "gemma3.final_logit_softcapping";
    if (!first_1b) {
      return Fail(ErrorCode::kUnsupported, gguf.file(), ": ", key, " is ", *cap,
                  "; Gemma 3 does not cap logits and this library does not compute it");
    }
    remarks->notes.push_back(gguf.file() + ": ignored " + key +
                             ", which the first uploads of the 1B model state by mistake");
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
  const std::string prefix = ModelKeys(gguf);
  GEMMA3_TRY(text.num_layers, Required(gguf, prefix + "block_count"));
  GEMMA3_TRY(text.hidden_size, Required(gguf, prefix + "embedding_length"));
  if (text.num_layers == 0 || text.num_layers > kMaxLayers) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": ", prefix, "block_count is ", text.num_layers,
                ", expected 1 to ", kMaxLayers);
  }
  if (text.num_layers == 32) {
    return Fail(ErrorCode::kUnsupported, gguf.file(),
                ": a model of 32 layers that calls itself gemma3 (Rnj-1 does) is no Gemma 3");
  }
  GEMMA3_TRY(text.intermediate_size,
             RequiredOfAllLayers(gguf, prefix + "feed_forward_length", text.num_layers));
  GEMMA3_TRY(text.num_heads,
             RequiredOfAllLayers(gguf, prefix + "attention.head_count", text.num_layers));
  if (text.num_heads == 0) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": ", prefix, "attention.head_count is 0");
  }
  GEMMA3_TRY(const auto kv_heads,
             SizeOfAllLayers(gguf, prefix + "attention.head_count_kv", text.num_layers));
  text.num_kv_heads = kv_heads.value_or(text.num_heads);
  const KnownSize* known = FindKnownSize(text);

  GEMMA3_TRY(const auto key_length, gguf.Uint(prefix + "attention.key_length"));
  GEMMA3_TRY(const auto value_length, gguf.Uint(prefix + "attention.value_length"));
  text.head_dim = key_length     ? *key_length
                  : value_length ? *value_length
                                 : uint64_t{text.num_layers == 62 ? 128u : 256u};
  if (value_length.value_or(text.head_dim) != text.head_dim || text.head_dim == 0) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": key_length is ", text.head_dim,
                " and value_length ", value_length.value_or(text.head_dim),
                "; expected the same number above 0");
  }
  // No key states the attention scale. The 27b model divides by hidden size over heads.
  const double scalar = known && known->layers == 62
                            ? static_cast<double>(text.hidden_size) / text.num_heads
                            : static_cast<double>(text.head_dim);
  text.attention_scale = static_cast<float>(1 / std::sqrt(scalar));
  GEMMA3_TRY(text.rms_norm_eps, FloatOr(gguf, {"attention.layer_norm_rms_epsilon"}, 1e-6f));

  GEMMA3_TRY(text.max_context,
             UintOr(gguf, prefix + "context_length", known ? known->context : 131072));
  // The first uploads of the large sizes.
  if (known && known->context == 131072 && text.max_context == 8192) {
    text.max_context = known->context;
    remarks->notes.push_back(gguf.file() + ": trained context set to " +
                             std::to_string(known->context) +
                             ", that of a model of this size (the file says 8192)");
  }
  GEMMA3_CHECK_OK(ReadLayers(gguf, &text));
  GEMMA3_TRY(text.sliding_window, UintOr(gguf, prefix + "attention.sliding_window", 0));
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
  GEMMA3_TRY(text.bidirectional, IsEmbeddingModel(gguf, tensors));
  if (text.bidirectional) {
    GEMMA3_TRY(text.sliding_window, SeenOnEitherSide(text.sliding_window, gguf.file()));
  }
  GEMMA3_CHECK_OK(ReadRope(gguf, known, &text, remarks));
  GEMMA3_CHECK_OK(ReadSoftcapping(gguf, known, remarks));

  const auto embedding = tensors.find("token_embd.weight");
  if (embedding == tensors.end() || embedding->second.shape.size() != 2) {
    return Fail(ErrorCode::kBadModel, gguf.file(),
                ": tensor token_embd.weight is missing or no matrix");
  }
  text.vocab_size = embedding->second.shape[0];
  GEMMA3_CHECK_OK(CheckGgufKeys(gguf, text, remarks));
  return config;
}

std::string ModelKeys(const GgufFile& gguf) {
  const auto architecture = gguf.String("general.architecture");
  const bool embeds = architecture && *architecture == kEmbeddingArchitecture;
  return embeds ? std::string(kEmbeddingArchitecture) + "." : "gemma3.";
}

Result<EmbeddingConfig> ReadGgufEmbedding(const GgufFile& gguf, const TensorMap& tensors,
                                          const TextConfig& text) {
  const std::string prefix = ModelKeys(gguf);
  EmbeddingConfig config;
  constexpr uint64_t kMean = 1;
  GEMMA3_TRY(const uint64_t pooling, UintOr(gguf, prefix + "pooling_type", kMean));
  if (pooling != kMean) {
    return Fail(ErrorCode::kUnsupported, gguf.file(), ": ", prefix, "pooling_type is ", pooling,
                "; expected 1, the mean of all tokens");
  }
  for (const char* number : {"0", "1"}) {
    const std::string name = std::string("dense.") + number + ".weight";
    const auto it = tensors.find(name);
    if (it == tensors.end() || it->second.shape.size() != 2) {
      return Fail(ErrorCode::kUnsupported, gguf.file(),
                  " is an embedding model without its two dense layers (dense_2.weight, "
                  "dense_3.weight), as converters wrote many: its vectors would be others than the "
                  "model's: ",
                  kWholeEmbeddingModel);
    }
    config.dense.push_back({.inputs = it->second.shape[1], .outputs = it->second.shape[0]});
  }
  for (size_t i = 0; i < 2; ++i) {
    const std::string dense = prefix + "dense_" + std::to_string(i + 2);
    for (const auto& [key, found] : {std::pair(dense + "_feat_in", config.dense[i].inputs),
                                     {dense + "_feat_out", config.dense[i].outputs}}) {
      GEMMA3_TRY(const uint64_t stated, UintOr(gguf, key, found));
      if (stated != found) {
        return Fail(ErrorCode::kBadModel, gguf.file(), ": ", key, " is ", stated,
                    ", but the tensor has ", found);
      }
    }
  }
  for (const auto& [key, member] :
       {std::pair("tokenizer.ggml.add_bos_token", &EmbeddingConfig::add_bos),
        {"tokenizer.ggml.add_eos_token", &EmbeddingConfig::add_eos}}) {
    GEMMA3_TRY(const auto value, gguf.Bool(key));
    config.*member = value.value_or(true);
  }
  config.max_tokens = text.max_context;
  config.prompts = PublishedTaskPrompts();
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
