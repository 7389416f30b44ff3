// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The words around what TranslateGemma is to translate. They stand in its chat template; here they
// are a user's turn like any other, so that control tokens stay the template's matter.
#pragma once

#include <string>

#include "gemma3/config.h"

namespace gemma3 {

// What comes before the text, and before the picture.
std::string BeforeTranslatedText(const Language& from, const Language& to);
std::string BeforeTranslatedPicture(const Language& from, const Language& to);

}  // namespace gemma3
