// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Files and expected pixels for the image tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gemma3/image.h"
#include "src/base/tensor.h"
#include "src/formats/safetensors.h"

namespace gemma3 {

// Small pictures of every kind, made by make_pictures.py there.
inline const std::string kPictures = GEMMA3_SOURCE_DIR "/tests/image/data/";
// What the published image processor makes of larger ones.
inline const std::string kReference = GEMMA3_SOURCE_DIR "/tests/data/reference/images/";

inline std::vector<uint8_t> ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

inline SafetensorsSet OpenExpected(const std::string& path) {
  auto set = OpenSafetensors(path);
  if (!set) {
    ADD_FAILURE() << set.error().message;
    return {};
  }
  return *std::move(set);
}

// The U8 [height, width, 3] tensor as a picture.
inline Image ToImage(const TensorView& tensor) {
  const auto* data = reinterpret_cast<const uint8_t*>(tensor.data);
  return {tensor.shape[1], tensor.shape[0], {data, data + tensor.bytes}};
}

// The largest difference of two bytes; 256 where the sizes differ.
inline int MaxDifference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  if (a.size() != b.size()) return 256;
  int max = 0;
  for (size_t i = 0; i < a.size(); ++i) max = std::max(max, std::abs(a[i] - b[i]));
  return max;
}

}  // namespace gemma3
