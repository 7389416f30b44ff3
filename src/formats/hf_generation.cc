// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_generation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace gemma3 {
namespace {

void WarnOfValue(const JsonValue& value, const std::string& expected, Remarks* remarks) {
  remarks->warnings.push_back(value.Path() + " is " + value.Excerpt() + ", expected " + expected +
                              "; the usual value is used");
}

// A number in [min, max], or `off` where the file says null; else a warning, and *result stays.
void ReadNumber(const JsonValue& object, const char* key, double min, double max,
                const std::string& expected, float off, float* result, Remarks* remarks) {
  if (object.HasNull(key)) *result = off;
  const auto value = object.Find(key);
  if (!value) return;
  const auto number = value->AsDouble();
  const float narrow = number ? static_cast<float>(*number) : NAN;
  if (!number || !std::isfinite(narrow) || *number < min || *number > max) {
    return WarnOfValue(*value, expected, remarks);
  }
  *result = narrow;
}

void ReadTopK(const JsonValue& object, int* result, Remarks* remarks) {
  if (object.HasNull("top_k")) *result = 0;
  const auto value = object.Find("top_k");
  if (!value) return;
  const auto number = value->AsDouble();
  if (!number || *number < -1 || *number != std::floor(*number)) {
    return WarnOfValue(*value, "a whole number of at least -1", remarks);
  }
  // More than any vocabulary is no limit, as 0 and -1 are.
  *result = static_cast<int>(std::clamp(*number, 0.0, double{1 << 24}));
}

// `residue`: a key counts only where it is not what transformers itself takes for its default.
void ReadSampling(const JsonValue& object, bool residue, GenerationDefaults* defaults,
                  Remarks* remarks) {
  constexpr double kMax = std::numeric_limits<float>::max();
  const auto counts = [&](const char* key, double usual) {
    if (!residue) return true;
    const auto value = object.Find(key);
    const auto number = value ? value->AsDouble() : usual;
    return !number || *number != usual;
  };
  if (counts("temperature", 1)) {
    ReadNumber(object, "temperature", 0, kMax, "a number of at least 0", 1, &defaults->temperature,
               remarks);
  }
  if (counts("top_k", 50)) ReadTopK(object, &defaults->top_k, remarks);
  if (counts("top_p", 1)) {
    ReadNumber(object, "top_p", 0, 1, "a number from 0 to 1", 1, &defaults->top_p, remarks);
  }
  if (counts("min_p", 0)) {
    ReadNumber(object, "min_p", 0, 1, "a number from 0 to 1", 0, &defaults->min_p, remarks);
  }
  if (counts("repetition_penalty", 1)) {
    ReadNumber(object, "repetition_penalty", std::numeric_limits<float>::min(), kMax,
               "a number above 0", 1, &defaults->repeat_penalty, remarks);
  }
}

// Settings of transformers that change what is drawn, and that are not computed here, with the
// value (besides null, false, and empty) that switches them off.
struct OtherSetting {
  const char* key;
  double off;
};
constexpr OtherSetting kNotComputed[] = {
    {"num_beams", 1},
    {"num_beam_groups", 1},
    {"penalty_alpha", 0},
    {"dola_layers", 0},
    {"diversity_penalty", 0},
    {"encoder_repetition_penalty", 1},
    {"no_repeat_ngram_size", 0},
    {"encoder_no_repeat_ngram_size", 0},
    {"bad_words_ids", 0},
    {"force_words_ids", 0},
    {"constraints", 0},
    {"forced_bos_token_id", -1},
    {"forced_eos_token_id", -1},
    {"forced_decoder_ids", 0},
    {"suppress_tokens", 0},
    {"begin_suppress_tokens", 0},
    {"sequence_bias", 0},
    {"exponential_decay_length_penalty", 0},
    {"guidance_scale", 1},
    {"watermarking_config", 0},
    {"typical_p", 1},
    {"epsilon_cutoff", 0},
    {"eta_cutoff", 0},
    {"top_h", 0},
    {"min_length", 0},
    {"min_new_tokens", 0},
    {"presence_penalty", 0},
    {"frequency_penalty", 0},
    {"stop_strings", 0},
    {"token_healing", 0},
};

bool IsOff(const JsonValue& value, double off) {
  if (value.IsBool()) return !*value.AsBool();
  if (value.IsNumber()) {
    const auto number = value.AsDouble();
    return number && (*number == off || *number == 0);
  }
  return (value.IsArray() || value.IsObject()) && value.size() == 0;
}

void WarnOfOthers(const JsonValue& object, Remarks* remarks) {
  for (const auto& [key, off] : kNotComputed) {
    const auto value = object.Find(key);
    if (!value || IsOff(*value, off)) continue;
    remarks->warnings.push_back(value->Path() + " is " + value->Excerpt() +
                                ", a setting that is not computed here: answers may differ");
  }
  // They only cut the answer, where the caller does not say otherwise.
  for (const char* key : {"max_new_tokens", "max_length", "max_time"}) {
    if (const auto value = object.Find(key)) {
      remarks->notes.push_back(value->Path() + " is " + value->Excerpt() +
                               "; answers are as long as max_tokens allows");
    }
  }
}

}  // namespace

void ReadHfGeneration(const JsonValue& generation, GenerationDefaults* defaults, Remarks* remarks) {
  ReadSampling(generation, /*residue=*/false, defaults, remarks);
  if (const auto sample = generation.Find("do_sample")) {
    const auto on = sample->AsBool();
    if (!on) {
      WarnOfValue(*sample, "true or false", remarks);
    } else if (!*on) {
      defaults->temperature = 0;
    }
  }
  WarnOfOthers(generation, remarks);
}

void ReadHfGenerationOfConfig(const JsonValue& config, GenerationDefaults* defaults,
                              Remarks* remarks) {
  ReadSampling(config, /*residue=*/true, defaults, remarks);
}

void AddHfStopTokens(const JsonValue& object, std::vector<TokenId>* ids, Remarks* remarks) {
  const auto stated = object.Find("eos_token_id");
  if (!stated) return;
  const size_t count = stated->IsArray() ? stated->size() : 1;
  constexpr size_t kMaxStopTokens = 1024;
  if (count > kMaxStopTokens) {
    remarks->warnings.push_back(stated->Path() + " lists " + std::to_string(count) +
                                " tokens; it is not read");
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    const JsonValue value = stated->IsArray() ? (*stated)[i] : *stated;
    if (value.IsNull()) continue;
    const auto id = value.AsInt();
    if (id && *id == -1) continue;
    if (!id || *id < 0 || *id > std::numeric_limits<TokenId>::max()) {
      remarks->warnings.push_back(value.Path() + " is " + value.Excerpt() +
                                  ", which is no token id; answers do not stop at it");
      continue;
    }
    if (std::ranges::find(*ids, static_cast<TokenId>(*id)) == ids->end()) {
      ids->push_back(static_cast<TokenId>(*id));
    }
  }
}

}  // namespace gemma3
