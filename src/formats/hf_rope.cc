// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_rope.h"

#include <optional>
#include <string>
#include <utility>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/known_sizes.h"

namespace gemma3 {
namespace {

// A number, and where the file states it.
struct Stated {
  float value;
  JsonValue where;
};

// What the file says of one kind of layers.
struct Rope {
  std::optional<Stated> theta, factor;
};

Status State(float value, const JsonValue& where, std::optional<Stated>* stated) {
  if (*stated && (*stated)->value != value) return Contradiction((*stated)->where, where);
  if (!*stated) *stated = Stated{value, where};
  return {};
}

// Only linear scaling exists in Gemma 3: positions are divided by `factor`.
Status ReadScaling(const JsonValue& object, Rope* rope) {
  std::optional<JsonValue> named;
  for (const char* key : {"rope_type", "type"}) {
    const auto value = object.Find(key);
    if (!value) continue;
    if (named && !named->SameAs(*value)) return Contradiction(*named, *value);
    named = value;
  }
  if (!named) {
    // transformers takes no type for "default", and the factor for nothing.
    GEMMA3_TRY(const float factor, FloatMember(object, "factor", 1));
    if (factor == 1) return {};
    return Fail(ErrorCode::kBadModel, object.Path(), " has a factor but no rope_type");
  }
  GEMMA3_TRY(const std::string type, named->AsString());
  if (type == "default") {
    // transformers computes the default whatever the factor, so that one is a contradiction.
    const auto factor = object.Find("factor");
    if (!factor) return State(1, *named, &rope->factor);
    GEMMA3_TRY(const float value, FloatMember(object, "factor", 1));
    return value == 1 ? State(1, *named, &rope->factor) : Contradiction(*named, *factor);
  }
  if (type != "linear") {
    return Fail(ErrorCode::kUnsupported, object.Path(), ": RoPE scaling of type \"",
                Shown(type, 60), "\"; Gemma 3 uses \"linear\" or \"default\"");
  }
  const auto factor = object.Find("factor");
  if (!factor) {
    return Fail(ErrorCode::kBadModel, object.Path(), " is linear scaling without a factor");
  }
  GEMMA3_TRY(const float value, FloatMember(object, "factor", 1));
  return State(value, *factor, &rope->factor);
}

Status ReadObject(const JsonValue& object, Rope* rope, Remarks* remarks) {
  if (!object.IsObject()) {
    return Fail(ErrorCode::kBadModel, object.Path(), " should be an object");
  }
  if (const auto theta = object.Find("rope_theta")) {
    GEMMA3_TRY(const float value, FloatMember(object, "rope_theta", 0));
    GEMMA3_CHECK_OK(State(value, *theta, &rope->theta));
  }
  if (const auto partial = object.Find("partial_rotary_factor")) {
    GEMMA3_TRY(const float value, FloatMember(object, "partial_rotary_factor", 1));
    if (value != 1) {
      return Fail(ErrorCode::kUnsupported, partial->Path(), " is ", value,
                  "; Gemma 3 rotates whole heads");
    }
  }
  for (const auto& [key, value] : object.Members()) {
    bool read = false;
    for (const char* known : {"rope_type", "type", "factor", "rope_theta", "partial_rotary_factor",
                              "original_max_position_embeddings"}) {
      read |= key == known;
    }
    if (!read && !value.IsNull()) {
      remarks->warnings.push_back(value.Path() +
                                  " is not read: linear scaling has no such setting");
    }
  }
  return ReadScaling(object, rope);
}

// rope_parameters or rope_scaling, keyed by layer type or not.
Status ReadForm(const HfSource& text, const char* key, Rope* global, Rope* local) {
  GEMMA3_TRY(const auto value, text.Find({key}));
  if (!value) return {};
  const auto full = value->Find("full_attention");
  const auto sliding = value->Find("sliding_attention");
  if (full) GEMMA3_CHECK_OK(ReadObject(*full, global, text.remarks()));
  if (sliding) GEMMA3_CHECK_OK(ReadObject(*sliding, local, text.remarks()));
  if (full || sliding) {
    for (const auto& [name, member] : value->Members()) {
      if (name == "full_attention" || name == "sliding_attention" || member.IsNull()) continue;
      text.remarks()->warnings.push_back(
          member.Path() + " is not read: the settings beside it are keyed by layer type");
    }
    if (value->Path().ends_with("rope_scaling")) {
      text.remarks()->warnings.push_back(value->Path() +
                                         " is keyed by layer type and read so; transformers "
                                         "ignores such an object");
    }
    return {};
  }
  GEMMA3_CHECK_OK(ReadObject(*value, global, text.remarks()));
  const bool unusual = (global->theta && global->theta->value != kPublishedThetaGlobal) ||
                       (global->factor && global->factor->value != 1);
  if (unusual && value->Path().ends_with("rope_parameters")) {
    text.remarks()->warnings.push_back(
        value->Path() +
        " is not keyed by layer type and is taken for that of the global layers; "
        "transformers ignores such an object");
  }
  return {};
}

}  // namespace

Status ReadHfRope(const HfSource& text, TextConfig* config) {
  Rope global, local;
  GEMMA3_CHECK_OK(ReadForm(text, "rope_parameters", &global, &local));
  GEMMA3_CHECK_OK(ReadForm(text, "rope_scaling", &global, &local));
  for (const auto& [key, rope] :
       {std::pair("rope_theta", &global), std::pair("rope_local_base_freq", &local)}) {
    GEMMA3_TRY(const auto value, text.Find({key}));
    if (!value) continue;
    GEMMA3_TRY(const float theta, text.Float(key, 0));
    GEMMA3_CHECK_OK(State(theta, *value, &rope->theta));
  }
  if (local.factor && local.factor->value != 1) {
    return Fail(ErrorCode::kUnsupported, local.factor->where.Path(),
                ": RoPE scaling of local layers by ", local.factor->value,
                "; Gemma 3 scales global layers only");
  }
  if (global.theta) config->rope_theta_global = global.theta->value;
  if (global.factor) config->rope_factor_global = global.factor->value;
  if (local.theta) config->rope_theta_local = local.theta->value;
  return {};
}

}  // namespace gemma3
