// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The fields of a configuration, each named once, for whoever handles all of them alike. A struct
// of config.h that has a field more than its list does not compile here.
#pragma once

#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

#include "gemma3/config.h"
#include "src/base/field_count.h"

namespace gemma3 {

template <class Struct, class Member>
struct Field {
  const char* name;
  Member Struct::*member;
};

template <class Struct>
struct FieldsOf;  // kList: a tuple of Field

template <>
struct FieldsOf<SpecialTokens> {
  using S = SpecialTokens;
  static constexpr std::tuple kList = {
      Field{"pad", &S::pad},
      Field{"eos", &S::eos},
      Field{"bos", &S::bos},
      Field{"start_of_turn", &S::start_of_turn},
      Field{"end_of_turn", &S::end_of_turn},
      Field{"start_of_image", &S::start_of_image},
      Field{"end_of_image", &S::end_of_image},
      Field{"image_soft_token", &S::image_soft_token},
  };
};

template <>
struct FieldsOf<TextConfig> {
  using S = TextConfig;
  static constexpr std::tuple kList = {
      Field{"vocab_size", &S::vocab_size},
      Field{"hidden_size", &S::hidden_size},
      Field{"intermediate_size", &S::intermediate_size},
      Field{"num_layers", &S::num_layers},
      Field{"num_heads", &S::num_heads},
      Field{"num_kv_heads", &S::num_kv_heads},
      Field{"head_dim", &S::head_dim},
      Field{"attention_scale", &S::attention_scale},
      Field{"rms_norm_eps", &S::rms_norm_eps},
      Field{"sliding_window", &S::sliding_window},
      Field{"max_context", &S::max_context},
      Field{"rope_theta_global", &S::rope_theta_global},
      Field{"rope_theta_local", &S::rope_theta_local},
      Field{"rope_factor_global", &S::rope_factor_global},
      Field{"layers", &S::layers},
      Field{"tie_word_embeddings", &S::tie_word_embeddings},
      Field{"bidirectional", &S::bidirectional},
  };
};

template <>
struct FieldsOf<TaskPrompt> {
  using S = TaskPrompt;
  static constexpr std::tuple kList = {Field{"name", &S::name}, Field{"text", &S::text}};
};

template <>
struct FieldsOf<DenseConfig> {
  using S = DenseConfig;
  static constexpr std::tuple kList = {
      Field{"inputs", &S::inputs},
      Field{"outputs", &S::outputs},
      Field{"bias", &S::bias},
      Field{"activation", &S::activation},
  };
};

template <>
struct FieldsOf<EmbeddingConfig> {
  using S = EmbeddingConfig;
  static constexpr std::tuple kList = {
      Field{"dense", &S::dense},
      Field{"normalize", &S::normalize},
      Field{"add_bos", &S::add_bos},
      Field{"add_eos", &S::add_eos},
      Field{"max_tokens", &S::max_tokens},
      Field{"prompts", &S::prompts},
      Field{"default_prompt", &S::default_prompt},
  };
};

template <>
struct FieldsOf<VisionConfig> {
  using S = VisionConfig;
  static constexpr std::tuple kList = {
      Field{"hidden_size", &S::hidden_size},
      Field{"intermediate_size", &S::intermediate_size},
      Field{"num_layers", &S::num_layers},
      Field{"num_heads", &S::num_heads},
      Field{"image_size", &S::image_size},
      Field{"patch_size", &S::patch_size},
      Field{"num_channels", &S::num_channels},
      Field{"layer_norm_eps", &S::layer_norm_eps},
      Field{"tokens_per_image", &S::tokens_per_image},
  };
};

template <>
struct FieldsOf<PanAndScanConfig> {
  using S = PanAndScanConfig;
  static constexpr std::tuple kList = {
      Field{"enabled", &S::enabled},
      Field{"min_crop_size", &S::min_crop_size},
      Field{"max_num_crops", &S::max_num_crops},
      Field{"min_ratio_to_activate", &S::min_ratio_to_activate},
  };
};

template <>
struct FieldsOf<GenerationDefaults> {
  using S = GenerationDefaults;
  static constexpr std::tuple kList = {
      Field{"temperature", &S::temperature},
      Field{"top_k", &S::top_k},
      Field{"top_p", &S::top_p},
      Field{"min_p", &S::min_p},
      Field{"repeat_penalty", &S::repeat_penalty},
      Field{"stop_tokens", &S::stop_tokens},
      Field{"repeat_last_n", &S::repeat_last_n},
      Field{"stop", &S::stop},
  };
};

template <>
struct FieldsOf<Language> {
  using S = Language;
  static constexpr std::tuple kList = {Field{"code", &S::code}, Field{"name", &S::name}};
};

template <>
struct FieldsOf<ChatTemplate> {
  using S = ChatTemplate;
  static constexpr std::tuple kList = {
      Field{"kind", &S::kind},
      Field{"name", &S::name},
      Field{"languages", &S::languages},
  };
};

template <>
struct FieldsOf<ModelConfig> {
  using S = ModelConfig;
  static constexpr std::tuple kList = {
      Field{"name", &S::name},
      Field{"text", &S::text},
      Field{"has_vision", &S::has_vision},
      Field{"vision", &S::vision},
      Field{"pan_and_scan", &S::pan_and_scan},
      Field{"tokens", &S::tokens},
      Field{"generation", &S::generation},
      Field{"chat_template", &S::chat_template},
      Field{"embedding", &S::embedding},
      Field{"system", &S::system},
      Field{"default_context", &S::default_context},
      Field{"defaults_from", &S::defaults_from},
  };
};

template <class Struct>
inline constexpr bool kListsAllFields =
    std::tuple_size_v<decltype(FieldsOf<Struct>::kList)> == kFieldCount<Struct>;
static_assert(kListsAllFields<SpecialTokens>);
static_assert(kListsAllFields<TextConfig>);
static_assert(kListsAllFields<VisionConfig>);
static_assert(kListsAllFields<PanAndScanConfig>);
static_assert(kListsAllFields<GenerationDefaults>);
static_assert(kListsAllFields<Language>);
static_assert(kListsAllFields<ChatTemplate>);
static_assert(kListsAllFields<TaskPrompt>);
static_assert(kListsAllFields<DenseConfig>);
static_assert(kListsAllFields<EmbeddingConfig>);
static_assert(kListsAllFields<ModelConfig>);

template <class T>
concept HasFields = requires {
  FieldsOf<T>::kList;
};

// Calls fn(name, member) for each field of `object`, in the order of the list.
template <class T, class Fn>
void ForEachField(T& object, const Fn& fn) {
  std::apply([&](const auto&... field) { (fn(field.name, object.*(field.member)), ...); },
             FieldsOf<std::remove_const_t<T>>::kList);
}

// Names of the values of an enum.
template <class Enum>
struct NamesOf;  // kList: an array of pairs

template <>
struct NamesOf<LayerKind> {
  static constexpr std::array kList = {std::pair{LayerKind::kLocal, "local"},
                                       std::pair{LayerKind::kGlobal, "global"}};
};

template <>
struct NamesOf<DenseActivation> {
  static constexpr std::array kList = {std::pair{DenseActivation::kNone, "none"},
                                       std::pair{DenseActivation::kTanh, "tanh"}};
};

template <>
struct NamesOf<ChatTemplateKind> {
  using K = ChatTemplateKind;
  static constexpr std::array kList = {
      std::pair{K::kNone, "none"},
      std::pair{K::kGemma3, "gemma3"},
      std::pair{K::kTranslateGemma, "translate_gemma"},
      std::pair{K::kShieldGemma2, "shield_gemma2"},
      std::pair{K::kFunctionGemma, "function_gemma"},
      std::pair{K::kOther, "other"},
  };
};

}  // namespace gemma3
