// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// "Did you mean": the known name nearest to a mistyped one.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace gemma3::cli {

// Edits (insert, delete, replace, swap of neighbours) that turn a into b, by bytes. O(|a| |b|).
size_t EditDistance(std::string_view a, std::string_view b);

// The candidate with the fewest edits from `name`, or empty when even that one is no plausible
// misspelling (more than a third of the letters differ). A candidate that begins with `name`, or
// that `name` begins with, counts as one edit. Ties go to the first.
std::string NearestName(std::string_view name, std::span<const std::string> candidates);

// "; did you mean --seed?" or nothing.
std::string DidYouMean(std::string_view name, std::span<const std::string> candidates);

}  // namespace gemma3::cli
