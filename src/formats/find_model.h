// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Finding models that other programs have already put on the user's disk: the Hugging Face cache
// (huggingface/hub-docs, local-cache), Ollama's store (ollama/ollama, manifest/), LM Studio's
// folder and llama.cpp's cache.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

// Root folders, from the environment; an empty one is not searched.
struct ModelPlaces {
  std::string hugging_face;            // ".../hub", holding models--<org>--<name>
  std::vector<std::string> ollama;     // holding manifests/ and blobs/
  std::vector<std::string> lm_studio;  // holding <publisher>/<model>/<file>.gguf
  std::string llama_cpp;               // holding flat .gguf files
};

// Reads HF_HUB_CACHE, HF_HOME, OLLAMA_MODELS, LLAMA_CACHE, XDG_CACHE_HOME and HOME.
ModelPlaces ModelPlacesFromEnvironment();

struct FoundModel {
  std::string path;    // a folder or a file
  std::string mmproj;  // a separate vision file that the store ties to it; usually empty
};

// An existing path is taken as it is. Else `name` is looked for, in this order, as
//   org/name or name          in the Hugging Face cache (refs/main, else the newest whole snapshot)
//   [host/][namespace/]name[:tag]   in Ollama's store
//   publisher/model or model  in LM Studio's folder
//   a part of a file name     in llama.cpp's cache
// Nothing from a manifest becomes a path before it is validated. Errors: kIo, listing the places
// and how to download; kBadModel where something of that name is there but damaged or ambiguous.
Result<FoundModel> LocateModel(const std::string& name, const ModelPlaces& places);

// The blob of each layer in an Ollama manifest: digests are 64 hex digits, nothing else.
struct OllamaLayer {
  std::string media_type;
  std::string hex;  // of the sha256 digest, lower case
  uint64_t size = 0;
};
Result<std::vector<OllamaLayer>> ParseOllamaManifest(std::string_view json,
                                                     const std::string& where);

}  // namespace gemma3
