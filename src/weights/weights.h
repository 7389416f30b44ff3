// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The tensors of a checkpoint in named slots, in the form that the kernels read. Matrices point
// into the mapped file; vectors (norms, biases) are small and kept as f32.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/options.h"
#include "ops/matmul.h"
#include "src/formats/checkpoint.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

using Vector = std::vector<float>;

// One transformer layer. Gains are whole factors: a stored offset w has become 1 + w.
struct LayerWeights {
  Vector input_norm;           // [hidden]
  MatrixView q, k, v;          // [heads * head_dim, hidden], 2 x [kv_heads * head_dim, hidden]
  Vector q_norm, k_norm;       // [head_dim]
  MatrixView o;                // [hidden, heads * head_dim]
  Vector post_attention_norm;  // [hidden]
  Vector pre_ffw_norm;         // [hidden]
  MatrixView gate, up;         // [intermediate, hidden]
  MatrixView down;             // [hidden, intermediate]
  Vector post_ffw_norm;        // [hidden]
};

struct TextWeights {
  MatrixView embedding;  // [vocab, hidden]
  MatrixView head;       // [vocab, hidden]: the output head; mostly the embedding itself
  std::vector<LayerWeights> layers;
  Vector final_norm;  // [hidden]
};

struct Linear {
  MatrixView w;  // [outputs, inputs]
  Vector bias;   // [outputs]
};

struct VisionLayerWeights {
  Vector norm1_weight, norm1_bias;
  Linear q, k, v, out;
  Vector norm2_weight, norm2_bias;
  Linear fc1, fc2;
};

struct VisionWeights {
  Linear patch;         // [hidden, channels * patch * patch], input order channel, row, column
  MatrixView position;  // [patches, hidden]
  std::vector<VisionLayerWeights> layers;
  Vector post_norm_weight, post_norm_bias;
  Vector projector_norm;  // [hidden], whole factors
  MatrixView projection;  // [text hidden, hidden]: the stored matrix transposed
};

class AlignedBuffers;

struct ModelWeights {
  TextWeights text;
  VisionWeights vision;       // empty without a tower
  std::vector<Linear> dense;  // behind the mean of an embedding model
  // Memory that is not in the mapped files: what had to be realigned, transposed or repacked.
  std::shared_ptr<const AlignedBuffers> owned;
  size_t owned_bytes = 0;
  std::map<std::string, MatrixView> rewritten;  // by canonical name: not as they are in the file
  size_t mapped_bytes = 0;                      // of the tensors that are read in place
};

// What LoadWeights with these options will take, from types and shapes alone: no weight is read.
// The sums are exact but where values decide about a form (FormOf in pack.h), and then for forms of
// equal size (towers in F16), or if the usual case holds (MLX's groups, in halves).
struct WeightsPlan {
  size_t owned_bytes = 0;
  size_t mapped_bytes = 0;
  bool packs = false;  // a matrix of products gets another form
};
Result<WeightsPlan> PlanWeights(const Checkpoint& checkpoint, const LoadOptions& options);

// Fills the slots. The checkpoint must outlive the result and has been checked against its shape
// table (OpenCheckpoint does). Matrices that are not in the wanted form are packed, one after the
// other and each by all threads of the pool; their source pages are given back as they are done, so
// that memory never holds two copies. Errors: kBadModel; kCancelled; kOutOfMemory when more than
// options.max_memory_bytes come together.
Result<ModelWeights> LoadWeights(const Checkpoint& checkpoint, const LoadOptions& options,
                                 ThreadPool& pool);

}  // namespace gemma3
