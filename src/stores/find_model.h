// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Finding models that other programs have already put on the user's disk: the Hugging Face cache
// (huggingface/hub-docs, local-cache), Ollama's store (ollama.h), LM Studio's folder and
// llama.cpp's cache.
#pragma once

#include <string>
#include <vector>

#include "gemma3/error.h"
#include "src/stores/found_model.h"

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

// An existing file or folder is taken as it is, but for a folder of GGUF files, which stands for
// the one model in it; so is a file in an archive (base/member_path.h). Else `name` is looked for,
// in this order, as
//   org/name or name          in the Hugging Face cache (refs/main, else the newest whole snapshot)
//   [host/][namespace/]name   in Ollama's store
//   publisher/model or model  in LM Studio's folder
//   a part of a file name     in llama.cpp's cache
// Behind any of these may stand ":TAG" (or "@TAG"): Ollama's tag, or which GGUF file of several:
// its quantisation, as model pages print it ("org/name-GGUF:Q4_K_M"), or its name. In front may
// stand "hf.co/", "huggingface.co/" or a whole https address. Case does not matter where the exact
// spelling is not there.
// Nothing from a manifest becomes a path before it is validated. Errors: kIo, listing the places
// and how to download; kBadModel where something of that name is there but damaged or ambiguous.
Result<FoundModel> LocateModel(const std::string& name, const ModelPlaces& places);

}  // namespace gemma3
