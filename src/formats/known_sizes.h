// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The published models, known by shape: files state some of their settings wrongly or not at all.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "gemma3/config.h"
#include "src/base/remarks.h"

namespace gemma3 {

struct KnownSize {
  size_t layers, hidden;
  size_t window, context;
  float rope_factor;  // of global layers
};

inline constexpr float kPublishedThetaGlobal = 1e6f;
inline constexpr float kPublishedThetaLocal = 1e4f;

inline constexpr std::array<KnownSize, 5> kKnownSizes = {{
    {18, 640, 512, 32768, 1},
    {26, 1152, 512, 32768, 1},
    {34, 2560, 1024, 131072, 8},
    {48, 3840, 1024, 131072, 8},
    {62, 5376, 1024, 131072, 8},
}};

// Null for a model of another shape.
const KnownSize* FindKnownSize(const TextConfig& text);

// Warns where base frequencies are not those of the published model of this size: exporters of
// other families write their own.
void WarnOfBaseFrequencies(const TextConfig& text, const std::string& file, Remarks* remarks);

}  // namespace gemma3
