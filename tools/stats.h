// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Numbers about an answer and about this process.
#pragma once

#include <cstddef>
#include <string>

#include "gemma3/generation.h"

namespace gemma3::cli {

// Prompt tokens that were computed, and answer tokens, per second; 0 where no time passed.
double PrefillRate(const GenerationResult& result);
double DecodeRate(const GenerationResult& result);

// What --verbose and /stats print: one line each for pictures (where there were any), prompt,
// answer and speculation (where it guessed).
std::string DescribeAnswer(const GenerationResult& result);

// The most memory this process has had resident, in bytes; 0 where the system does not say.
size_t PeakResidentBytes();

}  // namespace gemma3::cli
