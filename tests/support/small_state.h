// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What tests of saved states share: a model whose pages are small, and making a file sound again
// that was changed, so that what is behind the checksums is reached.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "gemma3/config.h"
#include "src/base/hash.h"
#include "src/model/kv_pool.h"
#include "tests/support/model_writer.h"

namespace gemma3::testing {

// Its pages are of 2176 bytes with kSmallStateTypes. fuzz/make_state_seeds.py knows them.
inline TextConfig SmallStateConfig() {
  TextConfig config = TinyTextConfig().text;
  config.num_layers = 2;
  config.layers = {LayerKind::kLocal, LayerKind::kGlobal};
  config.num_heads = config.num_kv_heads = 1;
  config.head_dim = 1;
  config.hidden_size = 4;
  config.sliding_window = 70;
  return config;
}
inline constexpr KvTypes kSmallStateTypes = {.local = KvType::kF16, .global = KvType::kF16};

inline constexpr size_t kStateHeadBytes = 80;

inline uint64_t NumberAt(std::string_view file, size_t at) {
  uint64_t n = 0;
  std::memcpy(&n, file.data() + at, sizeof(n));
  return n;
}
inline void SetNumber(std::string& file, size_t at, uint64_t n) {
  std::memcpy(file.data() + at, &n, sizeof(n));
}
inline Hash128 StateSum(std::string_view bytes) {
  return SipHash128({0x67656D6D6133, 0x7374617465},
                    {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}
inline void SetSum(std::string& file, size_t at, std::string_view covered) {
  const Hash128 sum = StateSum(covered);
  SetNumber(file, at, sum.low);
  SetNumber(file, at + 8, sum.high);
}

// Makes the sums of notes, index and head right, as far as there are such.
inline void SealState(std::string& file) {
  if (file.size() < kStateHeadBytes) return;
  const std::string_view all = file;
  const uint64_t notes = NumberAt(file, 16), index = NumberAt(file, 24);
  const uint64_t left = file.size() - kStateHeadBytes;
  if (notes <= left) {
    SetSum(file, 32, all.substr(kStateHeadBytes, notes));
    if (index <= left - notes) SetSum(file, 48, all.substr(kStateHeadBytes + notes, index));
  }
  SetSum(file, 64, all.substr(0, 64));
}

}  // namespace gemma3::testing
