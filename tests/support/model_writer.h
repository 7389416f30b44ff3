// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Small models with random weights, written to disk as a Hugging Face folder: for tests that need a
// model but not a clever one. The same seed gives the same bytes everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/tensor.h"
#include "src/formats/shape_table.h"
#include "tests/support/hf_config_writer.h"

namespace gemma3::testing {

// 7 layers (one global), 4 heads over 2, head_dim 16, hidden 32, 300 tokens, a window of 8.
ModelConfig TinyTextConfig();
// The same with a tower of 2 layers: 56 pixels, patches of 14, a grid of 4 x 4 pooled to 4 tokens.
ModelConfig TinyVisionConfig();

// Tensors and the bytes that they view.
class TensorBank {
 public:
  TensorBank() = default;
  TensorBank(TensorBank&&) = default;
  TensorBank& operator=(TensorBank&&) = default;

  // Replaces a tensor of that name. `values` in row-major order, one for each element.
  void Add(const std::string& name, TensorType type, std::vector<uint64_t> shape,
           const std::vector<float>& values);
  // The same from raw bytes, for types that are no floats.
  void AddBytes(const std::string& name, TensorType type, std::vector<uint64_t> shape,
                std::vector<std::byte> bytes);
  void Remove(const std::string& name) { views_.erase(name); }
  const TensorMap& views() const { return views_; }

 private:
  std::deque<std::vector<std::byte>> storage_;
  TensorMap views_;
};

// Normal values: of standard deviation 1/sqrt(inputs) for matrices, 0.1 for vectors.
std::vector<float> RandomValues(const std::vector<uint64_t>& shape, uint32_t seed);

// Every tensor of the table, under its canonical name.
TensorBank RandomTensors(const ShapeTable& table, TensorType type, uint32_t seed);

enum class HfNames { kTextOnly, kOfficial, kNew };  // the prefix families of published checkpoints
std::string HfName(const std::string& canonical, HfNames names);

// Writes config.json, generation_config.json and model.safetensors into `folder`, making it.
// Text-only models get HfNames::kTextOnly, others `names`.
Status WriteHfFolder(const std::string& folder, const ModelConfig& config, uint32_t seed = 1,
                     TensorType type = TensorType::kBF16, HfNames names = HfNames::kOfficial);

}  // namespace gemma3::testing
