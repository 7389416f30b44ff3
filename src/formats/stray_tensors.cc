// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/stray_tensors.h"

#include <array>

#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

// Parts of names, and what a tensor of such a name is; the first that is found counts.
struct Kind {
  std::string_view part, what;
};
constexpr char kAdapter[] = "; it belongs to an adapter that was not merged: merge it first";
constexpr char kQuantised[] =
    "; the weights seem to be quantised in a form that this library does not read: use the "
    "original "
    "BF16 model (and quantise it while loading) or a GGUF file";
constexpr char kBias[] = "; Gemma 3 has no such bias";
constexpr auto kKinds = std::to_array<Kind>({
    {"lora_", kAdapter},
    {".base_layer.", kAdapter},
    {".modules_to_save.", kAdapter},
    {"token_adapter", kAdapter},
    {"trainable_tokens", kAdapter},
    {"weight_scale", kQuantised},
    {"weight_packed", kQuantised},
    {"weight_zero_point", kQuantised},
    {"input_scale", kQuantised},
    {"qweight", kQuantised},
    {"qzeros", kQuantised},
    {"g_idx", kQuantised},
    {"absmax", kQuantised},
    {"quant_map", kQuantised},
    {"quant_state", kQuantised},
    {".SCB", kQuantised},
    {".scales", kQuantised},
    {".biases", kQuantised},
    {".bias", kBias},
});

}  // namespace

std::unexpected<Error> RefuseInside(std::string_view file, std::string_view name) {
  std::string_view what;
  for (const Kind& kind : kKinds) {
    if (name.find(kind.part) == std::string_view::npos) continue;
    what = kind.what;
    break;
  }
  return Fail(ErrorCode::kUnsupported, file, ": tensor ", Shown(name),
              " lies inside the model but is no part of Gemma 3, and without it the answers would "
              "be wrong",
              what);
}

void StrayTensors::Add(std::string_view name) {
  if (count_++ < kNamed) names_.push_back(Shown(name));
}

std::string StrayTensors::Describe() const {
  if (empty()) return "no tensors";
  std::string text = std::to_string(count_) + (count_ == 1 ? " tensor (" : " tensors (");
  for (size_t i = 0; i < names_.size(); ++i) text += (i == 0 ? "" : ", ") + names_[i];
  return text + (count_ > names_.size() ? ", ...)" : ")");
}

}  // namespace gemma3
