// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/known_sizes.h"

#include <sstream>

namespace gemma3 {

const KnownSize* FindKnownSize(const TextConfig& text) {
  for (const KnownSize& size : kKnownSizes) {
    if (size.layers == text.num_layers && size.hidden == text.hidden_size) return &size;
  }
  return nullptr;
}

void WarnOfBaseFrequencies(const TextConfig& text, const std::string& file, Remarks* remarks) {
  if (!FindKnownSize(text)) return;
  const auto warn = [&](const char* layers, float stated, float published) {
    if (stated == published) return;
    std::ostringstream out;
    out << file << ": the RoPE base frequency of " << layers << " layers is " << stated
        << "; the published model of this size has " << published;
    remarks->warnings.push_back(std::move(out).str());
  };
  warn("global", text.rope_theta_global, kPublishedThetaGlobal);
  warn("local", text.rope_theta_local, kPublishedThetaLocal);
}

}  // namespace gemma3
