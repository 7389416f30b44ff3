// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A model on disk, whatever its container: configuration, tensors under one set of names, and where
// its tokenizer is. Opening maps files and reads headers; it touches no weight, but for one small
// tensor of MLX's that lies in another order.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/file_map.h"
#include "src/base/remarks.h"
#include "src/base/tensor.h"

namespace gemma3 {

// A chat template as it is stored: untrusted text that is looked at and never run.
struct StoredTemplate {
  std::string where;  // the file, for messages
  std::string text;
};

// Canonical tensor names are Hugging Face's without any prefix:
//   text       embed_tokens.weight, norm.weight, layers.N.<...>.weight, and lm_head.weight where an
//              output head is stored, be it equal to the embedding or not (weights/head.h)
//   tower      vision.embeddings.patch_embedding.weight, vision.encoder.layers.N.<...>,
//              vision.post_layernorm.weight, ...
//   projector  projector.mm_input_projection_weight, projector.mm_soft_emb_norm.weight
struct Checkpoint {
  ModelConfig config;
  TensorMap tensors;  // canonical name -> view; only tensors that the model needs
  // The stored text and projector norms are w of a factor (1 + w) (Hugging Face), or the whole
  // factor (GGUF). The tower's LayerNorms are plain in both.
  bool norms_store_offset = true;
  // Serialized SentencePiece ModelProto; empty: the checkpoint has no tokenizer, and the reason is
  // in `tokenizer_missing`.
  std::string tokenizer_proto;
  std::string tokenizer_missing;
  std::vector<StoredTemplate> chat_templates;  // the one that counts first
  Remarks remarks;
  // What keeps every view alive: the maps, and tensors that had to be put in another order.
  std::vector<std::shared_ptr<const FileMap>> files;
  std::vector<std::shared_ptr<const std::vector<std::byte>>> rearranged;

  // Whether the files are still those that were opened; see FileMap::CheckUnchanged.
  Status CheckFilesUnchanged() const {
    for (const auto& file : files) {
      if (const Status status = file->CheckUnchanged(); !status) return status;
    }
    return {};
  }
};

struct OpenOptions {
  std::string mmproj = {};  // GGUF only: the file of the vision part; empty: look beside the model
  // To tell what a model is, and not to use it: reads no weight and copies no vocabulary, however
  // large. tokenizer_proto stays empty, also where tokenizer_missing is, and there is a tokenizer.
  bool headers_only = false;
};

// Opens a Hugging Face folder or a GGUF file. Errors: kIo, kBadModel, kUnsupported, each naming the
// file, the tensor or key, what was expected and what was found.
Result<Checkpoint> OpenCheckpoint(const std::string& path, const OpenOptions& options = {});

}  // namespace gemma3
