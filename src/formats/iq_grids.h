// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The codebooks of GGUF's IQ types: lists of vectors of 8 (or 4) small numbers that lie well for
// weights. They were found by searching real models, so no rule makes them; they are data.
//
// An entry is stored as an integer whose digits, lowest first, say which of a few values each
// element has: 8 digits of 2 bits, or 4 of 3 bits. The integers ascend.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace gemma3 {

// The values of the digits.
inline constexpr std::array<int8_t, 3> kIq2Values = {8, 25, 43};  // IQ2_XXS, IQ2_XS, IQ2_S
inline constexpr std::array<int8_t, 3> kIq1Values = {-1, 0, 1};   // IQ1_S, IQ1_M
inline constexpr std::array<int8_t, 8> kIq3XxsValues = {4, 12, 20, 28, 36, 44, 52, 62};
inline constexpr std::array<int8_t, 8> kIq3SValues = {1, 3, 5, 7, 9, 11, 13, 15};

extern const std::array<uint16_t, 256> kIq2XxsGrid;
extern const std::array<uint16_t, 512> kIq2XsGrid;
extern const std::array<uint16_t, 1024> kIq2SGrid;
extern const std::array<uint16_t, 2048> kIq1Grid;
extern const std::array<uint16_t, 256> kIq3XxsGrid;
extern const std::array<uint16_t, 512> kIq3SGrid;

// Digit k of an entry of 8, and of an entry of 4.
constexpr size_t Digit8(uint16_t entry, size_t k) { return (entry >> 2 * k) & 3; }
constexpr size_t Digit4(uint16_t entry, size_t k) { return (entry >> 3 * k) & 7; }

}  // namespace gemma3
