// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From config.json to ModelConfig.
#include "src/formats/hf_config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "src/base/json.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/foreign.h"

namespace gemma3 {
namespace {

constexpr uint64_t kMaxLayers = 1024;  // before a vector of that size is made

Result<float> Float(const JsonValue& object, const char* key, double fallback) {
  GEMMA3_TRY(const double value, object.Double(key, fallback));
  const float narrow = static_cast<float>(value);
  if (!std::isfinite(narrow)) {
    return Fail(ErrorCode::kBadModel, object.Path(), ": ", key, " is ", value,
                ", which is too large");
  }
  return narrow;
}

Result<TokenId> Id(const JsonValue& value) {
  GEMMA3_TRY(const uint64_t id, value.AsUint());
  if (id > uint64_t{std::numeric_limits<TokenId>::max()}) {
    return Fail(ErrorCode::kBadModel, value.Path(), " is ", id, ", too large for a token id");
  }
  return static_cast<TokenId>(id);
}

// Reads the id under the first of `keys` that is there.
Status ReadId(const JsonValue& object, std::initializer_list<const char*> keys, TokenId* id) {
  for (const char* key : keys) {
    if (const auto value = object.Find(key)) {
      GEMMA3_TRY(*id, Id(*value));
      return {};
    }
  }
  return {};
}

// eos_token_id is one id or a list; adds those not yet in `ids`.
Status AddIds(const JsonValue& object, const char* key, std::vector<TokenId>* ids) {
  const auto value = object.Find(key);
  if (!value) return {};
  const size_t count = value->IsArray() ? value->size() : 1;
  if (count > 1024) {
    return Fail(ErrorCode::kBadModel, value->Path(), " lists ", count, " tokens");
  }
  for (size_t i = 0; i < count; ++i) {
    GEMMA3_TRY(const TokenId id, Id(value->IsArray() ? (*value)[i] : *value));
    if (std::find(ids->begin(), ids->end(), id) == ids->end()) ids->push_back(id);
  }
  return {};
}

// What a value of model_type means, for people.
std::string OtherModel(const std::string& model_type) {
  if (const auto what = ForeignArchitecture(model_type); !what.empty()) return std::string(what);
  return "a model of type \"" + Shown(model_type, 60) + "\"";
}

Status CheckArchitecture(const JsonValue& root) {
  GEMMA3_TRY(const std::string model_type, root.String("model_type", ""));
  // ShieldGemma 2 is Gemma 3 4B with other weights, behind another class.
  if (!model_type.empty() && model_type != "gemma3" && model_type != "gemma3_text" &&
      model_type != "shieldgemma2") {
    return Fail(ErrorCode::kUnsupported, root.Path(), ": this is ", OtherModel(model_type),
                "; only Gemma 3 models (gemma3, gemma3_text) can be loaded");
  }
  std::string architecture;
  if (const auto list = root.Find("architectures"); list && list->IsArray() && list->size() > 0) {
    GEMMA3_TRY(architecture, (*list)[0].AsString());
  }
  for (const char* known :
       {"", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", "Gemma3Model", "Gemma3TextModel",
        "ShieldGemma2ForImageClassification"}) {
    if (architecture == known) {
      if (!architecture.empty() || !model_type.empty()) return {};
      return Fail(ErrorCode::kBadModel, root.Path(),
                  ": neither model_type nor architectures says what model this is");
    }
  }
  return Fail(ErrorCode::kUnsupported, root.Path(), ": this is a model of class \"",
              Shown(architecture, 80),
              "\"; only Gemma3ForCausalLM and Gemma3ForConditionalGeneration can be loaded");
}

struct Rope {
  float theta;
  float factor;
};

// One rope_parameters or rope_scaling object. Only linear scaling exists in Gemma 3.
Status ReadRope(const JsonValue& object, Rope* rope) {
  if (!object.IsObject()) {
    return Fail(ErrorCode::kBadModel, object.Path(), " should be an object");
  }
  GEMMA3_TRY(rope->theta, Float(object, "rope_theta", rope->theta));
  GEMMA3_TRY(const std::string old_type, object.String("type", "default"));
  GEMMA3_TRY(const std::string type, object.String("rope_type", old_type));
  if (type == "linear") {
    GEMMA3_TRY(rope->factor, Float(object, "factor", 1));
  } else if (type == "default") {
    rope->factor = 1;
  } else {
    return Fail(ErrorCode::kUnsupported, object.Path(), ": RoPE scaling of type \"",
                Shown(type, 60), "\"; Gemma 3 uses \"linear\" or \"default\"");
  }
  return {};
}

// Applies rope_parameters or rope_scaling, keyed by layer type or flat (then: global layers).
Status ReadRopes(const JsonValue& text, const char* key, Rope* global, Rope* local) {
  const auto value = text.Find(key);
  if (!value) return {};
  const auto full = value->Find("full_attention");
  const auto sliding = value->Find("sliding_attention");
  if (full) GEMMA3_CHECK_OK(ReadRope(*full, global));
  if (sliding) GEMMA3_CHECK_OK(ReadRope(*sliding, local));
  if (!full && !sliding) GEMMA3_CHECK_OK(ReadRope(*value, global));
  return {};
}

// A setting that Gemma 3 does not have: absent, null, false or 0 are fine.
Status RefuseSetting(const JsonValue& object, const char* key, const char* what) {
  const auto value = object.Find(key);
  if (!value) return {};
  bool off = false;
  if (value->IsBool()) {
    GEMMA3_TRY(const bool on, value->AsBool());
    off = !on;
  } else {
    GEMMA3_TRY(const double number, value->AsDouble());
    off = number == 0;
  }
  if (off) return {};
  return Fail(ErrorCode::kUnsupported, value->Path(), " asks for ", what,
              ", which Gemma 3 does not use and this library does not compute");
}

Status CheckActivation(const JsonValue& object, const char* key) {
  GEMMA3_TRY(const std::string name, object.String(key, "gelu_pytorch_tanh"));
  if (name == "gelu_pytorch_tanh") return {};
  return Fail(ErrorCode::kUnsupported, object.Path(), ": ", key, " is \"", Shown(name, 60),
              "\", expected \"gelu_pytorch_tanh\"");
}

Status ReadLayers(const JsonValue& text, TextConfig* config) {
  if (config->num_layers > kMaxLayers) {
    return Fail(ErrorCode::kBadModel, text.Path(), ": num_hidden_layers is ", config->num_layers,
                ", expected at most ", kMaxLayers);
  }
  config->layers.clear();
  if (const auto types = text.Find("layer_types")) {
    if (!types->IsArray() || types->size() != config->num_layers) {
      return Fail(ErrorCode::kBadModel, types->Path(), " should list ", config->num_layers,
                  " layers (num_hidden_layers), found ", types->size());
    }
    for (size_t i = 0; i < types->size(); ++i) {
      GEMMA3_TRY(const std::string kind, (*types)[i].AsString());
      if (kind != "sliding_attention" && kind != "full_attention") {
        return Fail(ErrorCode::kUnsupported, (*types)[i].Path(), " is \"", Shown(kind, 60),
                    "\", expected \"sliding_attention\" or \"full_attention\"");
      }
      config->layers.push_back(kind == "full_attention" ? LayerKind::kGlobal : LayerKind::kLocal);
    }
    return {};
  }
  GEMMA3_TRY(const uint64_t older, text.Uint("_sliding_window_pattern", 6));
  GEMMA3_TRY(const uint64_t period, text.Uint("sliding_window_pattern", older));
  if (period == 0) {
    return Fail(ErrorCode::kBadModel, text.Path(), ": sliding_window_pattern is 0");
  }
  for (uint64_t i = 0; i < config->num_layers; ++i) {
    config->layers.push_back((i + 1) % period == 0 ? LayerKind::kGlobal : LayerKind::kLocal);
  }
  return {};
}

// `nested`: text is the text_config of a multimodal file.
Status ReadText(const JsonValue& text, TextConfig* config) {
  GEMMA3_CHECK_OK(RefuseSetting(text, "use_bidirectional_attention",
                                "bidirectional attention (an embedding model)"));
  GEMMA3_CHECK_OK(RefuseSetting(text, "attention_bias", "biases in attention"));
  GEMMA3_CHECK_OK(RefuseSetting(text, "attn_logit_softcapping", "attention soft-capping"));
  GEMMA3_CHECK_OK(RefuseSetting(text, "final_logit_softcapping", "logit soft-capping"));
  GEMMA3_CHECK_OK(CheckActivation(text, "hidden_activation"));

  // The defaults are those of the text class, which official multimodal files rely on.
  GEMMA3_TRY(config->vocab_size, text.Uint("vocab_size", 262208));
  GEMMA3_TRY(config->hidden_size, text.Uint("hidden_size", 2304));
  GEMMA3_TRY(config->intermediate_size, text.Uint("intermediate_size", 9216));
  GEMMA3_TRY(config->num_layers, text.Uint("num_hidden_layers", 26));
  GEMMA3_TRY(config->num_heads, text.Uint("num_attention_heads", 8));
  GEMMA3_TRY(config->num_kv_heads, text.Uint("num_key_value_heads", 4));
  GEMMA3_TRY(config->head_dim, text.Uint("head_dim", 256));
  GEMMA3_TRY(config->sliding_window, text.Uint("sliding_window", 4096));
  GEMMA3_TRY(config->max_context, text.Uint("max_position_embeddings", 131072));
  GEMMA3_TRY(config->rms_norm_eps, Float(text, "rms_norm_eps", 1e-6));
  GEMMA3_TRY(const double scalar, text.Double("query_pre_attn_scalar", 256));
  if (!(scalar > 0)) {
    return Fail(ErrorCode::kBadModel, text.Path(), ": query_pre_attn_scalar is ", scalar,
                ", expected a number above 0");
  }
  config->attention_scale = static_cast<float>(1 / std::sqrt(scalar));

  Rope global = {.theta = 1e6f, .factor = 1}, local = {.theta = 1e4f, .factor = 1};
  GEMMA3_TRY(global.theta, Float(text, "rope_theta", global.theta));
  GEMMA3_TRY(local.theta, Float(text, "rope_local_base_freq", local.theta));
  GEMMA3_CHECK_OK(ReadRopes(text, "rope_scaling", &global, &local));
  GEMMA3_CHECK_OK(ReadRopes(text, "rope_parameters", &global, &local));
  if (local.factor != 1) {
    return Fail(ErrorCode::kUnsupported, text.Path(), ": RoPE scaling of local layers by ",
                local.factor, "; Gemma 3 scales global layers only");
  }
  config->rope_theta_global = global.theta;
  config->rope_factor_global = global.factor;
  config->rope_theta_local = local.theta;
  return ReadLayers(text, config);
}

Status ReadVision(const JsonValue& vision, VisionConfig* config) {
  GEMMA3_CHECK_OK(CheckActivation(vision, "hidden_act"));
  // The defaults are those of the SigLIP class.
  GEMMA3_TRY(config->hidden_size, vision.Uint("hidden_size", 768));
  GEMMA3_TRY(config->intermediate_size, vision.Uint("intermediate_size", 3072));
  GEMMA3_TRY(config->num_layers, vision.Uint("num_hidden_layers", 12));
  GEMMA3_TRY(config->num_heads, vision.Uint("num_attention_heads", 12));
  GEMMA3_TRY(config->image_size, vision.Uint("image_size", 224));
  GEMMA3_TRY(config->patch_size, vision.Uint("patch_size", 16));
  GEMMA3_TRY(config->num_channels, vision.Uint("num_channels", 3));
  GEMMA3_TRY(config->layer_norm_eps, Float(vision, "layer_norm_eps", 1e-6));
  return {};
}

Status ReadGeneration(const JsonValue& generation, GenerationDefaults* defaults) {
  GEMMA3_TRY(defaults->temperature, Float(generation, "temperature", defaults->temperature));
  GEMMA3_TRY(defaults->top_p, Float(generation, "top_p", defaults->top_p));
  GEMMA3_TRY(const uint64_t top_k,
             generation.Uint("top_k", static_cast<uint64_t>(defaults->top_k)));
  // More than any vocabulary means no limit; 0 does as well.
  defaults->top_k = static_cast<int>(std::min<uint64_t>(top_k, 1 << 24));
  return {};
}

// Image normalisation is fixed in the vision code: (x / 255 - 0.5) / 0.5.
Status CheckNormalisation(const JsonValue& processor) {
  for (const char* key : {"image_mean", "image_std"}) {
    const auto list = processor.Find(key);
    if (!list) continue;
    bool half = list->IsArray() && list->size() == 3;
    for (size_t i = 0; half && i < 3; ++i) {
      GEMMA3_TRY(const double value, (*list)[i].AsDouble());
      half = value == 0.5;
    }
    if (!half) {
      return Fail(ErrorCode::kUnsupported, list->Path(),
                  " should be [0.5, 0.5, 0.5], as in Gemma 3");
    }
  }
  GEMMA3_TRY(const double factor, processor.Double("rescale_factor", 1.0 / 255));
  if (std::abs(factor * 255 - 1) > 1e-6) {
    return Fail(ErrorCode::kUnsupported, processor.Path(), ": rescale_factor is ", factor,
                ", expected 1/255");
  }
  return {};
}

// Applied only to models with a tower; a text model may carry such files without meaning.
Status ReadProcessor(const JsonValue& processor, HfConfig* result) {
  VisionConfig& vision = result->config.vision;
  PanAndScanConfig& pan = result->config.pan_and_scan;
  GEMMA3_CHECK_OK(CheckNormalisation(processor));
  if (const auto size = processor.Find("size"); size && size->IsObject()) {
    for (const char* side : {"height", "width"}) {
      GEMMA3_TRY(const uint64_t pixels, size->Uint(side, vision.image_size));
      if (pixels != vision.image_size) {
        return Fail(ErrorCode::kBadModel, size->Path(), ": ", side, " is ", pixels,
                    ", but vision_config.image_size is ", vision.image_size);
      }
    }
  }
  GEMMA3_TRY(pan.enabled, processor.Bool("do_pan_and_scan", pan.enabled));
  GEMMA3_TRY(pan.min_crop_size, processor.Uint("pan_and_scan_min_crop_size", pan.min_crop_size));
  GEMMA3_TRY(pan.max_num_crops, processor.Uint("pan_and_scan_max_num_crops", pan.max_num_crops));
  GEMMA3_TRY(pan.min_ratio_to_activate,
             Float(processor, "pan_and_scan_min_ratio_to_activate", pan.min_ratio_to_activate));
  if (pan.min_crop_size < 1 || pan.min_crop_size > 1 << 20 || pan.max_num_crops < 1 ||
      pan.max_num_crops > 256 || !(pan.min_ratio_to_activate >= 0)) {
    return Fail(ErrorCode::kBadModel, processor.Path(),
                ": impossible pan_and_scan values: crops of ", pan.min_crop_size,
                " pixels, at most ", pan.max_num_crops, ", from a ratio of ",
                pan.min_ratio_to_activate);
  }
  GEMMA3_TRY(const uint64_t tokens, processor.Uint("image_seq_length", vision.tokens_per_image));
  if (tokens != vision.tokens_per_image) {
    result->remarks.notes.push_back(
        processor.Path() + ": image_seq_length is " + std::to_string(tokens) +
        "; using mm_tokens_per_image of config.json, " + std::to_string(vision.tokens_per_image));
  }
  return {};
}

}  // namespace

Result<HfConfig> ParseHfConfig(const HfConfigTexts& texts, const std::string& folder) {
  GEMMA3_TRY(const JsonValue root, JsonValue::Parse(texts.config, folder + "/config.json"));
  if (!root.IsObject()) {
    return Fail(ErrorCode::kBadModel, root.Path(), " should hold a JSON object");
  }
  GEMMA3_CHECK_OK(CheckArchitecture(root));

  HfConfig result;
  GEMMA3_TRY(result.quantization, ParseHfQuantization(root));
  ModelConfig& config = result.config;
  const auto text_config = root.Find("text_config");
  if (text_config && !text_config->IsObject()) {
    return Fail(ErrorCode::kBadModel, text_config->Path(), " should be an object");
  }
  const JsonValue text = text_config ? *text_config : root;
  GEMMA3_CHECK_OK(ReadText(text, &config.text));

  const auto vision = root.Find("vision_config");
  if (vision && text_config) {
    if (!vision->IsObject()) {
      return Fail(ErrorCode::kBadModel, vision->Path(), " should be an object");
    }
    config.has_vision = true;
    GEMMA3_CHECK_OK(ReadVision(*vision, &config.vision));
    GEMMA3_TRY(config.vision.tokens_per_image, root.Uint("mm_tokens_per_image", 256));
  }

  // The outer file's word counts before the text part's.
  GEMMA3_TRY(const bool text_tied, text.Bool("tie_word_embeddings", true));
  GEMMA3_TRY(config.text.tie_word_embeddings, root.Bool("tie_word_embeddings", text_tied));

  SpecialTokens& tokens = config.tokens;
  GEMMA3_CHECK_OK(ReadId(text, {"bos_token_id"}, &tokens.bos));
  GEMMA3_CHECK_OK(ReadId(root, {"bos_token_id"}, &tokens.bos));
  GEMMA3_CHECK_OK(ReadId(text, {"pad_token_id"}, &tokens.pad));
  GEMMA3_CHECK_OK(ReadId(root, {"pad_token_id"}, &tokens.pad));
  GEMMA3_CHECK_OK(ReadId(root, {"boi_token_index", "boi_token_id"}, &tokens.start_of_image));
  GEMMA3_CHECK_OK(ReadId(root, {"eoi_token_index", "eoi_token_id"}, &tokens.end_of_image));
  GEMMA3_CHECK_OK(ReadId(root, {"image_token_index", "image_token_id"}, &tokens.image_soft_token));

  // Stop at whatever any of the files calls an end.
  std::vector<TokenId> stop;
  GEMMA3_CHECK_OK(AddIds(root, "eos_token_id", &stop));
  GEMMA3_CHECK_OK(AddIds(text, "eos_token_id", &stop));
  if (!texts.generation.empty()) {
    GEMMA3_TRY(const JsonValue generation,
               JsonValue::Parse(texts.generation, folder + "/generation_config.json"));
    GEMMA3_CHECK_OK(AddIds(generation, "eos_token_id", &stop));
    GEMMA3_CHECK_OK(ReadGeneration(generation, &config.generation));
  }
  if (!stop.empty()) {
    tokens.eos = stop.front();
    config.generation.stop_tokens = std::move(stop);
  }

  if (config.has_vision) {
    if (!texts.preprocessor.empty()) {
      GEMMA3_TRY(const JsonValue processor,
                 JsonValue::Parse(texts.preprocessor, folder + "/preprocessor_config.json"));
      GEMMA3_CHECK_OK(ReadProcessor(processor, &result));
    }
    if (!texts.processor.empty()) {
      GEMMA3_TRY(const JsonValue processor,
                 JsonValue::Parse(texts.processor, folder + "/processor_config.json"));
      GEMMA3_CHECK_OK(ReadProcessor(processor, &result));
      // Newer files nest the image processor here instead of giving it a file of its own.
      if (const auto nested = processor.Find("image_processor")) {
        GEMMA3_CHECK_OK(ReadProcessor(*nested, &result));
      }
    }
  }
  return result;
}

}  // namespace gemma3
