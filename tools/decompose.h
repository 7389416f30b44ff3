// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Letters with their marks taken apart, as Unicode's canonical decomposition does: files that come
// from a Mac are named so, while keyboards write such letters as one character.
#pragma once

#include <string>
#include <string_view>

namespace gemma3::cli {

// Of Hangul syllables and of the Latin letters up to U+017F, which is what European keyboards
// write; everything else stays as it is.
std::string Decomposed(std::string_view text);

}  // namespace gemma3::cli
