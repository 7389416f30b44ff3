// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which files of a Hugging Face folder hold its weights.
#pragma once

#include <filesystem>
#include <string>

#include "gemma3/error.h"
#include "src/base/remarks.h"
#include "src/formats/safetensors.h"

namespace gemma3 {

// Opens `file` of the folder, a safetensors file or an index of shards; or, where it is empty or
// one of several parts, the first of these that the folder has:
//   model.safetensors; model.safetensors.index.json; its only other index; its only other
//   safetensors file, under any name; the parts NAME-0000k-of-0000n.safetensors, if all are there
// Adapters (LoRA) are no weights. One that lies beside them is a warning, since it is not applied.
// Errors: kBadModel, kUnsupported, saying what the folder holds instead; those of OpenSafetensors.
Result<SafetensorsSet> OpenHfWeights(const std::filesystem::path& folder, const std::string& file,
                                     Remarks* remarks);

}  // namespace gemma3
