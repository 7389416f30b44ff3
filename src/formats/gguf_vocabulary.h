// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The vocabulary in GGUF metadata, with repairs of what published files state wrongly.
#pragma once

#include <string>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/remarks.h"
#include "src/formats/gguf.h"

namespace gemma3 {

// Reads tokenizer.ggml.*: returns a serialized ModelProto, or "" with the reason in `missing`.
// Sets the ids of `config->tokens` and the stop tokens by the text of the pieces and the keys.
// `config->text.vocab_size` must be set. `ids_only`: does only that, without a copy of any piece,
// and returns "". Errors: kBadModel for a vocabulary that cannot be.
Result<std::string> ReadGgufTokenizer(const GgufFile& gguf, ModelConfig* config,
                                      std::string* missing, Remarks* remarks,
                                      bool ids_only = false);

}  // namespace gemma3
