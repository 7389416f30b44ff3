// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/work.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace gemma3::cli {
namespace {

TextConfig Small() {
  TextConfig config;
  config.vocab_size = 11;
  config.hidden_size = 6;
  config.intermediate_size = 10;
  config.num_layers = 3;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 3;
  config.sliding_window = 5;
  config.layers = {LayerKind::kLocal, LayerKind::kGlobal, LayerKind::kLocal};
  return config;
}

TEST(Work, LayerParametersAreTheSevenMatricesOfEachLayer) {
  const double q = 6 * 12, k = 6 * 6, v = 6 * 6, o = 12 * 6, mlp = 3 * 6 * 10;
  EXPECT_EQ(LayerParameters(Small()), 3 * (q + k + v + o + mlp));
}

TEST(Work, PrefillFlopsAgreeWithCountingEachQuery) {
  const TextConfig config = Small();
  for (const size_t tokens : {1u, 4u, 5u, 6u, 20u}) {
    double flops = 2.0 * 11 * 6;
    for (size_t token = 0; token < tokens; ++token) {
      flops += 2 * LayerParameters(config);
      for (const LayerKind kind : config.layers) {
        const size_t keys = kind == LayerKind::kLocal ? std::min<size_t>(token + 1, 5) : token + 1;
        flops += 4.0 * 4 * 3 * static_cast<double>(keys);
      }
    }
    EXPECT_EQ(PrefillFlops(config, tokens), flops) << tokens;
  }
}

TEST(Work, DecodeReadsWeightsAndTheKeysInReach) {
  ModelWork work;
  work.decode_weight_bytes = 1000;
  work.global_kv_bytes = 7;
  work.local_kv_bytes = 3;
  EXPECT_EQ(DecodeBytes(Small(), work, 0), 1000 + 7 + 2 * 3);
  EXPECT_EQ(DecodeBytes(Small(), work, 100), 1000 + 7 * 101 + 2 * 3 * 5);
}

// The published tower: 27 layers, 4096 patches, 5.45e12 operations a picture.
TEST(Work, ImageFlopsOfTheSigLipTower) {
  VisionConfig vision;
  vision.hidden_size = 1152;
  vision.intermediate_size = 4304;
  vision.num_layers = 27;
  vision.num_heads = 16;
  vision.image_size = 896;
  vision.patch_size = 14;
  vision.tokens_per_image = 256;
  TextConfig text;
  text.hidden_size = 2560;
  EXPECT_NEAR(ImageFlops(vision, text) / 1e12, 5.45, 0.02);
}

TEST(Work, Bf16ProductsCountByTheBetterOfTwoPeaks) {
  MachineLimits limits;
  limits.f32_flops = 2;
  limits.bf16_flops = 1;
  limits.int8_ops = 5;
  EXPECT_EQ(PeakOf(limits, Multiply::kBF16).rate, 2);
  EXPECT_STREQ(PeakOf(limits, Multiply::kBF16).name, "f32");
  limits.bf16_flops = 4;
  EXPECT_EQ(PeakOf(limits, Multiply::kBF16).rate, 4);
  EXPECT_STREQ(PeakOf(limits, Multiply::kBF16).name, "bf16");
  EXPECT_EQ(PeakOf(limits, Multiply::kF32).rate, 2);
  EXPECT_EQ(PeakOf(limits, Multiply::kInt8).rate, 5);
}

}  // namespace
}  // namespace gemma3::cli
