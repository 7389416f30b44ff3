// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From config.json to ModelConfig.
#include "src/formats/hf_config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>

#include "src/base/json.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/embedding.h"
#include "src/formats/foreign.h"
#include "src/formats/hf_generation.h"
#include "src/formats/hf_keys.h"
#include "src/formats/hf_processor.h"
#include "src/formats/hf_rope.h"
#include "src/formats/hf_source.h"
#include "src/formats/known_sizes.h"

namespace gemma3 {
namespace {

constexpr uint64_t kMaxLayers = 1024;  // before a vector of that size is made

// A file of transformers: an object, in Python's dialect of JSON.
Result<JsonValue> Parse(const std::string& text, const std::string& file) {
  GEMMA3_TRY(JsonValue value, JsonValue::Parse(text, file, {.python_numbers = true}));
  if (value.IsObject()) return value;
  return Fail(ErrorCode::kBadModel, file, " should hold a JSON object");
}

Result<TokenId> Id(const JsonValue& value) {
  GEMMA3_TRY(const int64_t id, value.AsInt());
  if (id < -1 || id > int64_t{std::numeric_limits<TokenId>::max()}) {
    return Fail(ErrorCode::kBadModel, value.Path(), " is ", id, ", which is no token id");
  }
  return static_cast<TokenId>(id);
}

// The id that the first of the objects states, which says more than those behind it. -1 and null
// mean that there is none: the default stays. Training tools write all kinds of things here, and
// none of these ids is needed to compute.
void ReadId(std::span<const JsonValue> objects, const char* key, TokenId* id, Remarks* remarks) {
  for (const JsonValue& object : objects) {
    const auto value = object.Find(key);
    if (!value) continue;
    const auto read = Id(*value);
    if (read && *read >= 0) {
      *id = *read;
      return;
    }
    if (!read) remarks->warnings.push_back(read.error().message + "; it is not used");
  }
}

// An id that stands for pictures in a prompt: every place that states it has to agree.
Status ReadImageId(const HfSource& source, std::initializer_list<const char*> keys, TokenId* id) {
  GEMMA3_TRY(const auto value, source.Find(keys));
  if (!value) return {};
  GEMMA3_TRY(const TokenId read, Id(*value));
  if (read >= 0) *id = read;
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

// The tanh approximation of GELU, under the names that transformers has for it. "gelu" is another
// function.
Status CheckActivation(const JsonValue& value) {
  GEMMA3_TRY(const std::string name, value.AsString());
  for (const char* same :
       {"gelu_pytorch_tanh", "gelu_python_tanh", "gelu_new", "gelu_fast", "gelu_accurate"}) {
    if (name == same) return {};
  }
  return Fail(ErrorCode::kUnsupported, value.Path(), " is \"", Shown(name, 60),
              "\", expected \"gelu_pytorch_tanh\"");
}

Result<std::vector<LayerKind>> ReadLayerTypes(const JsonValue& types, size_t num_layers) {
  if (!types.IsArray() || types.size() != num_layers) {
    return Fail(ErrorCode::kBadModel, types.Path(), " should list ", num_layers,
                " layers (num_hidden_layers), found ", types.size());
  }
  std::vector<LayerKind> layers;
  for (size_t i = 0; i < types.size(); ++i) {
    GEMMA3_TRY(const std::string kind, types[i].AsString());
    if (kind != "sliding_attention" && kind != "full_attention") {
      return Fail(ErrorCode::kUnsupported, types[i].Path(), " is \"", Shown(kind, 60),
                  "\", expected \"sliding_attention\" or \"full_attention\"");
    }
    layers.push_back(kind == "full_attention" ? LayerKind::kGlobal : LayerKind::kLocal);
  }
  return layers;
}

// Every period-th layer is global.
Result<std::vector<LayerKind>> LayersOfPeriod(const JsonValue& period, size_t num_layers) {
  GEMMA3_TRY(const uint64_t every, period.AsUint());
  if (every == 0) return Fail(ErrorCode::kBadModel, period.Path(), " is 0");
  std::vector<LayerKind> layers;
  for (size_t i = 0; i < num_layers; ++i) {
    layers.push_back((i + 1) % every == 0 ? LayerKind::kGlobal : LayerKind::kLocal);
  }
  return layers;
}

// layer_types says it all. sliding_window_pattern is the older form and has to agree where both are
// there. _sliding_window_pattern is what transformers writes of its own state, always beside
// layer_types, and never reads; 6 is its default there and says nothing.
Status ReadLayers(const HfSource& text, TextConfig* config) {
  if (config->num_layers > kMaxLayers) {
    return Fail(ErrorCode::kBadModel, text.Path(), ": num_hidden_layers is ", config->num_layers,
                ", expected at most ", kMaxLayers);
  }
  constexpr uint64_t kUsualPeriod = 6;
  GEMMA3_TRY(const auto types, text.Find({"layer_types"}));
  GEMMA3_TRY(const auto pattern, text.Find({"sliding_window_pattern"}));
  GEMMA3_TRY(const auto own, text.Find({"_sliding_window_pattern"}));
  if (pattern && own && !pattern->SameAs(*own)) return Contradiction(*pattern, *own);

  std::optional<std::vector<LayerKind>> layers;
  if (types) {
    GEMMA3_TRY(layers, ReadLayerTypes(*types, config->num_layers));
  }
  for (const auto& period : {pattern, own}) {
    if (!period) continue;
    GEMMA3_TRY(auto periodic, LayersOfPeriod(*period, config->num_layers));
    const bool usual = period->AsUint() == kUsualPeriod;
    const bool private_name = !pattern;
    if (!layers && private_name && !usual) {
      return Fail(ErrorCode::kUnsupported, period->Path(), " is ", period->Excerpt(),
                  " without layer_types; transformers would compute with ", kUsualPeriod,
                  ": state layer_types, or sliding_window_pattern");
    }
    if (!layers) layers = std::move(periodic);
    if (*layers != periodic && !periodic.empty() && !(private_name && usual)) {
      return Contradiction(types ? *types : *pattern, *period);
    }
  }
  if (!layers) {
    layers.emplace();
    for (size_t i = 0; i < config->num_layers; ++i) {
      layers->push_back((i + 1) % kUsualPeriod == 0 ? LayerKind::kGlobal : LayerKind::kLocal);
    }
  }
  config->layers = *std::move(layers);
  return {};
}

// Where tokens see those behind them, too, the file's window is that of both sides together, and
// transformers writes half of it, with the token itself, into the files that it saves.
Status ReadDirections(const HfSource& text, TextConfig* config) {
  GEMMA3_TRY(const auto both, text.Find({"use_bidirectional_attention"}));
  if (!both) return {};
  if (!both->IsBool()) {
    return Fail(ErrorCode::kUnsupported, both->Path(), " is ", both->Excerpt(),
                ": bidirectional attention is true or false in Gemma 3");
  }
  GEMMA3_TRY(config->bidirectional, both->AsBool());
  if (!config->bidirectional) return {};
  GEMMA3_TRY(config->sliding_window, SeenOnEitherSide(config->sliding_window, text.Path()));
  return {};
}

Status ReadText(const HfSource& text, TextConfig* config) {
  const JsonValue& own = text.objects().front();
  GEMMA3_TRY(const auto activation, text.Find({"hidden_activation"}));
  if (activation) {
    GEMMA3_CHECK_OK(CheckActivation(*activation));
  } else if (own.HasNull("hidden_activation")) {
    return Fail(ErrorCode::kBadModel, own.Path(),
                ": hidden_activation is null, expected \"gelu_pytorch_tanh\"");
  }
  // Not read by transformers; a file that names another function was made for something else.
  GEMMA3_TRY(const auto older, text.Find({"hidden_act"}));
  if (older) GEMMA3_CHECK_OK(CheckActivation(*older));

  // The defaults are those of the text class, which official multimodal files rely on. What is
  // stored decides about the rows of the embedding, so that places may differ about them.
  GEMMA3_TRY(config->vocab_size,
             own.Find("vocab_size") ? own.Uint("vocab_size", 0) : text.Uint("vocab_size", 262208));
  GEMMA3_TRY(config->hidden_size, text.Uint("hidden_size", 2304));
  GEMMA3_TRY(config->intermediate_size, text.Uint("intermediate_size", 9216));
  GEMMA3_TRY(config->num_layers, text.Uint("num_hidden_layers", 26));
  GEMMA3_TRY(config->num_heads, text.Uint("num_attention_heads", 8));
  GEMMA3_TRY(config->num_kv_heads, text.Uint("num_key_value_heads", 4));
  GEMMA3_TRY(config->head_dim, text.Uint("head_dim", 256));
  GEMMA3_TRY(config->sliding_window, text.Uint("sliding_window", 4096));
  GEMMA3_TRY(config->max_context, text.Uint("max_position_embeddings", 131072));
  GEMMA3_TRY(config->rms_norm_eps, text.Float("rms_norm_eps", 1e-6));
  GEMMA3_CHECK_OK(ReadDirections(text, config));
  GEMMA3_TRY(const auto stated_scalar, text.Find({"query_pre_attn_scalar"}));
  double scalar = 256;
  if (stated_scalar) {
    GEMMA3_TRY(scalar, stated_scalar->AsDouble());
  }
  if (!(scalar > 0)) {
    return Fail(ErrorCode::kBadModel, text.Path(), ": query_pre_attn_scalar is ", scalar,
                ", expected a number above 0");
  }
  config->attention_scale = static_cast<float>(1 / std::sqrt(scalar));
  GEMMA3_CHECK_OK(ReadHfRope(text, config));
  GEMMA3_CHECK_OK(ReadLayers(text, config));
  const bool any_local =
      std::ranges::find(config->layers, LayerKind::kLocal) != config->layers.end();
  GEMMA3_TRY(const auto window, text.Find({"sliding_window"}));
  if (any_local && !window && own.HasNull("sliding_window")) {
    return Fail(ErrorCode::kBadModel, own.Path(),
                ": sliding_window is null, but there are local layers, which need one");
  }
  return {};
}

// What a model of a published size has, and this file does not.
void WarnOfKnownSize(const HfSource& text, const TextConfig& config) {
  WarnOfBaseFrequencies(config, text.Path(), text.remarks());
  const KnownSize* known = FindKnownSize(config);
  if (!known || config.rope_factor_global == known->rope_factor) return;
  for (const JsonValue& object : text.objects()) {
    if (object.Find("rope_scaling") || object.Find("rope_parameters")) return;  // it is meant
  }
  text.remarks()->warnings.push_back(
      text.Path() +
      ": no RoPE scaling; the published model of this size divides positions of "
      "global layers by " +
      std::to_string(static_cast<int>(known->rope_factor)));
}

Status ReadVision(const JsonValue& vision, VisionConfig* config) {
  GEMMA3_TRY(const std::string type, vision.String("model_type", "siglip_vision_model"));
  if (type != "siglip_vision_model") {
    return Fail(ErrorCode::kUnsupported, vision.Path(), ": a vision tower of type \"",
                Shown(type, 60), "\"; Gemma 3 has a siglip_vision_model");
  }
  if (const auto activation = vision.Find("hidden_act")) {
    GEMMA3_CHECK_OK(CheckActivation(*activation));
  } else if (vision.HasNull("hidden_act")) {
    return Fail(ErrorCode::kBadModel, vision.Path(),
                ": hidden_act is null, expected \"gelu_pytorch_tanh\"");
  }
  // The defaults are those of the SigLIP class.
  GEMMA3_TRY(config->hidden_size, vision.Uint("hidden_size", 768));
  GEMMA3_TRY(config->intermediate_size, vision.Uint("intermediate_size", 3072));
  GEMMA3_TRY(config->num_layers, vision.Uint("num_hidden_layers", 12));
  GEMMA3_TRY(config->num_heads, vision.Uint("num_attention_heads", 12));
  GEMMA3_TRY(config->image_size, vision.Uint("image_size", 224));
  GEMMA3_TRY(config->patch_size, vision.Uint("patch_size", 16));
  GEMMA3_TRY(config->num_channels, vision.Uint("num_channels", 3));
  GEMMA3_TRY(config->layer_norm_eps, FloatMember(vision, "layer_norm_eps", 1e-6));
  return {};
}

// Newer files nest the image processor in processor_config.json; transformers then looks at that
// alone.
Status ReadProcessors(const HfConfigTexts& texts, const std::string& folder, HfConfig* result) {
  std::optional<JsonValue> processor, nested;
  if (!texts.processor.empty()) {
    GEMMA3_TRY(processor, Parse(texts.processor, folder + "/processor_config.json"));
    nested = processor->Find("image_processor");
  }
  if (!texts.preprocessor.empty() && !nested) {
    GEMMA3_TRY(const JsonValue older,
               Parse(texts.preprocessor, folder + "/preprocessor_config.json"));
    GEMMA3_CHECK_OK(ReadHfProcessor(older, &result->config, &result->remarks));
  }
  if (processor) {
    GEMMA3_CHECK_OK(ReadHfProcessor(*processor, &result->config, &result->remarks));
  }
  if (nested) GEMMA3_CHECK_OK(ReadHfProcessor(*nested, &result->config, &result->remarks));
  return {};
}

// Token ids and how to sample. `objects` are the root and, if there is one, text_config.
Status ReadGeneration(std::vector<JsonValue> objects, const HfConfigTexts& texts,
                      const std::string& folder, HfConfig* result) {
  SpecialTokens& tokens = result->config.tokens;
  GenerationDefaults& defaults = result->config.generation;
  Remarks* const remarks = &result->remarks;
  if (texts.generation.empty()) {
    // The root's word is read last, and counts.
    for (size_t i = objects.size(); i-- > 0;) {
      ReadHfGenerationOfConfig(objects[i], &defaults, remarks);
    }
  } else {
    GEMMA3_TRY(const JsonValue generation,
               Parse(texts.generation, folder + "/generation_config.json"));
    ReadHfGeneration(generation, &defaults, remarks);
    objects.push_back(generation);
  }
  ReadId(objects, "bos_token_id", &tokens.bos, remarks);
  ReadId(objects, "pad_token_id", &tokens.pad, remarks);
  // Stop at whatever any of the files calls an end.
  std::vector<TokenId> stop;
  for (const JsonValue& object : objects) AddHfStopTokens(object, &stop, remarks);
  if (!stop.empty()) {
    tokens.eos = stop.front();
    defaults.stop_tokens = std::move(stop);
  }
  return {};
}

}  // namespace

Result<HfConfig> ParseHfConfig(const HfConfigTexts& texts, const std::string& folder) {
  GEMMA3_TRY(const JsonValue root, Parse(texts.config, folder + "/config.json"));
  GEMMA3_CHECK_OK(CheckArchitecture(root));

  HfConfig result;
  GEMMA3_TRY(result.quantization, ParseHfQuantization(root));
  ModelConfig& config = result.config;
  const auto text_config = root.Find("text_config");
  const auto vision = root.Find("vision_config");
  for (const auto& part : {text_config, vision}) {
    if (part && !part->IsObject()) {
      return Fail(ErrorCode::kBadModel, part->Path(), " should be an object");
    }
  }
  const JsonValue text = text_config ? *text_config : root;
  const HfSource source(text_config ? std::vector{text, root} : std::vector{root}, &result.remarks);
  GEMMA3_CHECK_OK(CheckHfKeys(root, HfPart::kRoot, &result.remarks));
  if (text_config) GEMMA3_CHECK_OK(CheckHfKeys(text, HfPart::kText, &result.remarks));
  GEMMA3_CHECK_OK(ReadText(source, &config.text));
  WarnOfKnownSize(source, config.text);

  // A text model may carry the tower's settings of the model that it was cut from.
  GEMMA3_TRY(const std::string model_type, root.String("model_type", ""));
  if (vision && (text_config || model_type != "gemma3_text")) {
    config.has_vision = true;
    GEMMA3_CHECK_OK(CheckHfKeys(*vision, HfPart::kVision, &result.remarks));
    GEMMA3_CHECK_OK(ReadVision(*vision, &config.vision));
    std::vector<JsonValue> places = {root};
    if (text_config) places.push_back(text);
    places.push_back(*vision);
    const HfSource anywhere(places, &result.remarks);
    GEMMA3_TRY(config.vision.tokens_per_image, anywhere.Uint("mm_tokens_per_image", 256));
    SpecialTokens& tokens = config.tokens;
    GEMMA3_CHECK_OK(
        ReadImageId(anywhere, {"boi_token_index", "boi_token_id"}, &tokens.start_of_image));
    GEMMA3_CHECK_OK(
        ReadImageId(anywhere, {"eoi_token_index", "eoi_token_id"}, &tokens.end_of_image));
    GEMMA3_CHECK_OK(
        ReadImageId(anywhere, {"image_token_index", "image_token_id"}, &tokens.image_soft_token));
  }

  // The outer file's word counts before the text part's.
  GEMMA3_TRY(const bool text_tied, text.Bool("tie_word_embeddings", true));
  GEMMA3_TRY(config.text.tie_word_embeddings, root.Bool("tie_word_embeddings", text_tied));

  GEMMA3_CHECK_OK(ReadGeneration(text_config ? std::vector{root, text} : std::vector{root}, texts,
                                 folder, &result));
  if (config.has_vision) GEMMA3_CHECK_OK(ReadProcessors(texts, folder, &result));
  return result;
}

}  // namespace gemma3
