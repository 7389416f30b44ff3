// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A model with random weights in memory, for tests below the engine.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "src/weights/weights.h"
#include "tests/support/model_writer.h"

namespace gemma3::testing {

// Keeps addresses: what holds references to its parts stays valid.
struct TinyModel {
  explicit TinyModel(const ModelConfig& config, TensorType type = TensorType::kF32,
                     uint32_t seed = 1) {
    ShapeTable table = TextShapes(config.text);
    if (config.has_vision) table.merge(VisionShapes(config.vision, config.text));
    bank = RandomTensors(table, type, seed);
    Load(config);
  }
  TinyModel(const TinyModel&) = delete;
  TinyModel& operator=(const TinyModel&) = delete;

  // Again, after the bank was edited.
  void Load(const ModelConfig& config, const LoadOptions& options = {}) {
    checkpoint.config = config;
    checkpoint.tensors = bank.views();
    ThreadPool pool(2);
    auto loaded = LoadWeights(checkpoint, options, pool);
    ASSERT_TRUE(loaded) << loaded.error().message;
    weights = *std::move(loaded);
  }

  TensorBank bank;
  Checkpoint checkpoint;
  ModelWeights weights;
};

}  // namespace gemma3::testing
