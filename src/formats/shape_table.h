// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which tensors a model of a given configuration has, and their shapes, under the canonical names
// of checkpoint.h. Both containers are checked against this one table before anything is computed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/tensor.h"

namespace gemma3 {

// Canonical name -> shape, slowest dimension first.
using ShapeTable = std::map<std::string, std::vector<uint64_t>>;

// embed_tokens.weight [vocab_size, hidden_size], norm.weight, and 13 tensors for each layer;
// without tie_word_embeddings lm_head.weight [vocab_size, hidden_size], too.
ShapeTable TextShapes(const TextConfig& text);

// The tower's and the projector's tensors. The projector's matrix is [vision hidden, text hidden]
// and is applied as x * W, not transposed like the other matrices.
ShapeTable VisionShapes(const VisionConfig& vision, const TextConfig& text);

// The layers behind the mean of an embedding model: dense.N.weight [outputs, inputs], and
// dense.N.bias [outputs] where there is one.
ShapeTable DenseShapes(const EmbeddingConfig& embedding);

// All of a model.
ShapeTable ShapesOf(const ModelConfig& config);

// Every entry of `table` must be in `tensors` with exactly that shape and a type that can be
// computed with: BF16, F16, F32 anywhere, block types only in matrices whose rows are whole blocks.
// `model` names the folder or file where a tensor is missing.
// Errors: kBadModel, naming file, tensor, expected and found.
Status CheckTensors(const ShapeTable& table, const TensorMap& tensors, const std::string& model);

// Sizes so large or so inconsistent that they cannot be a Gemma 3 model are refused here, for both
// containers: ranges, divisibility, finite and positive numbers, token ids inside the vocabulary.
// `where` names the file. Errors: kBadModel naming the setting. Stop tokens outside the vocabulary
// are dropped.
Status CheckConfig(ModelConfig& config, const std::string& where);

}  // namespace gemma3
