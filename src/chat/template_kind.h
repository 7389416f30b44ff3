// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which chat template the files of a model hold. Templates are programs, in Jinja or in Go's
// template language. They are never run here: the turns of Gemma 3 and of its kin are built in
// (template.h), and the text is only looked at to see which of them the model was taught, if any.
#pragma once

#include <string_view>

#include "gemma3/config.h"

namespace gemma3 {

// By the marks in the text, so that copies with other white space, other checks or more comfort
// count as what they lay out. White space alone is no template. `text` may be any bytes.
ChatTemplate RecognizeChatTemplate(std::string_view text);

}  // namespace gemma3
