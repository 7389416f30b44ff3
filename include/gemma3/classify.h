// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What Session::Classify asks about a picture and what it answers. Plain values.
//
// ShieldGemma 2 was trained to say whether a picture violates a safety policy. Any Gemma 3 model
// that sees gives numbers too, but only ShieldGemma's mean something.
#pragma once

#include <string>
#include <vector>

namespace gemma3 {

struct Policy {
  std::string label;  // what the caller calls it; the model does not see it
  // What the model reads. ShieldGemma's own have the form "No <subject>: The image shall not
  // contain content that <verb> ... (e.g., <examples>)." Always text: it cannot become a control
  // token.
  std::string text;
};

// The policies that ShieldGemma 2 was trained on: dangerous, sexual, violence, in this order.
std::vector<Policy> ShieldGemmaPolicies();

struct PolicyScore {
  std::string label;       // of the policy
  double probability = 0;  // that the picture violates it, in [0, 1]
};

}  // namespace gemma3
