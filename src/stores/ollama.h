// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Ollama's store (ollama/ollama, manifest/ and types/model/): manifests that list layers, and one
// blob for each layer, named by its hash.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/stores/found_model.h"

namespace gemma3 {

// Finds [host/][namespace/]name[:tag] below `root`, with Ollama's own defaults, and hf.co for a
// namespace that Ollama's registry does not have. Without a tag it is "latest", else the only one.
// `name` comes in parts, all of them safe (IsSafePathPart), at most three. Nothing: not there.
// Layers that are no weights go into the result where they have a meaning here; the rest is named
// in its remarks. Errors: kBadModel for a damaged store or several tags without one named;
// kUnsupported for a model with an adapter.
Result<std::optional<FoundModel>> FindInOllama(const std::vector<std::string>& parts,
                                               const std::string& tag, const std::string& root);

// The blob of each layer in a manifest: digests are 64 hex digits, nothing else.
struct OllamaLayer {
  std::string media_type;
  std::string hex;  // of the sha256 digest, lower case
  uint64_t size = 0;
};
Result<std::vector<OllamaLayer>> ParseOllamaManifest(std::string_view json,
                                                     const std::string& where);

// Reads PARAMETERs. One that is out of range or has no meaning here is left out and named in
// `remarks`: it must not keep the model from being used. Errors: kBadModel for text that is no JSON
// object.
Status ReadOllamaParameters(std::string_view json, const std::string& where,
                            StoreDefaults* defaults, Remarks* remarks);

}  // namespace gemma3
