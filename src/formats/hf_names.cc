// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_names.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace gemma3 {
namespace {

// Takes any of `prefixes` from the front as often as there is one; whether there was.
bool StripAll(std::span<const std::string_view> prefixes, std::string_view* name) {
  bool any = false;
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view prefix : prefixes) {
      if (!name->starts_with(prefix)) continue;
      name->remove_prefix(prefix.size());
      any = again = true;
    }
  }
  return any;
}

// Without the modules that only pass on.
std::string WithoutWrappers(std::string_view name) {
  constexpr std::array<std::string_view, 4> kWrappers = {
      "module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."};
  constexpr std::string_view kPeft = "base_model.model.";
  std::string result;
  while (!name.empty()) {
    if (StripAll(kWrappers, &name)) continue;
    if (result.empty() && name.starts_with(kPeft)) {
      name.remove_prefix(kPeft.size());
      continue;
    }
    const size_t part = std::min(name.find('.'), name.size() - 1) + 1;
    result += name.substr(0, part);
    name.remove_prefix(part);
  }
  return result;
}

}  // namespace

std::string CanonicalHfName(std::string_view name) {
  constexpr std::array<std::string_view, 2> kOuter = {"model.", "language_model."};
  constexpr std::array<std::string_view, 2> kTower = {"vision_tower.", "vision_model."};
  // dense: behind the trunk of an embedding model.
  constexpr std::array<std::string_view, 5> kText = {"layers.", "embed_tokens.", "norm.",
                                                     "lm_head.", "dense."};
  constexpr std::string_view kProjector = "multi_modal_projector.";
  const std::string unwrapped = WithoutWrappers(name);
  std::string_view rest = unwrapped;
  StripAll(kOuter, &rest);
  if (StripAll(kTower, &rest)) return "vision." + std::string(rest);
  if (rest.starts_with(kProjector)) {
    return "projector." + std::string(rest.substr(kProjector.size()));
  }
  const bool is_text =
      std::ranges::any_of(kText, [&](std::string_view part) { return rest.starts_with(part); });
  return is_text ? std::string(rest) : "";
}

}  // namespace gemma3
