// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The keys of GGUF metadata that say how a model computes and that Gemma 3 does not use. Models of
// other families have been converted as "gemma3" because their tensors fit.
#pragma once

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/remarks.h"
#include "src/formats/gguf.h"

namespace gemma3 {

// Looks at every key of the model ("gemma3.*") once `text` is read. Errors: kUnsupported, naming
// the key, for one that asks for another computation. Keys that are not known are listed in one
// warning: llama.cpp and Ollama write none for a Gemma 3.
Status CheckGgufKeys(const GgufFile& gguf, const TextConfig& text, Remarks* remarks);

}  // namespace gemma3
