// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The tokenizer of a Hugging Face folder: tokenizer.model with what tokenizer.json and its
// neighbours add, or tokenizer.json alone.
#pragma once

#include <filesystem>
#include <string>

#include "gemma3/error.h"
#include "src/base/remarks.h"

namespace gemma3 {

struct HfTokenizer {
  std::string proto;    // serialized ModelProto, for Checkpoint::tokenizer_proto
  std::string missing;  // why `proto` is empty
};

// `rows` is the height of the embedding: tokens without a row are left out, with a warning. The
// tokenizer is not needed to compute, so its absence is no error; a damaged one is.
// `headers_only`: reads nothing and only says whether there is one.
// Errors: kBadModel, kUnsupported (tokenizer_json.h), kIo.
Result<HfTokenizer> ReadHfTokenizer(const std::filesystem::path& folder, size_t rows,
                                    Remarks* remarks, bool headers_only = false);

}  // namespace gemma3
