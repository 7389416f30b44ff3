// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// That the codebooks are ggml's, to the last number: check sums of its lists, and of what they
// stand for.
#include "src/formats/iq_grids.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <span>
#include <vector>

namespace gemma3 {
namespace {

uint32_t Crc32(std::span<const uint8_t> bytes) {
  uint32_t crc = ~0u;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

struct Grid {
  const char* name;
  std::span<const uint16_t> entries;
  std::span<const int8_t> values;
  size_t elements;  // of an entry
  size_t count;
  uint64_t sum;
  uint32_t crc, expanded_crc;
  std::vector<uint16_t> first;
  uint16_t last;
};

std::vector<Grid> Grids() {
  return {
      {"2XXS",
       kIq2XxsGrid,
       kIq2Values,
       8,
       256,
       3697703,
       0xd01c53f2,
       0x9924ff02,
       {0, 2, 5, 8, 10, 17},
       43268},
      {"2XS", kIq2XsGrid, kIq2Values, 8, 512, 8004683, 0x622e679a, 0xfa1e1bfd, {}, 43690},
      {"2S", kIq2SGrid, kIq2Values, 8, 1024, 16519059, 0xf8ad4e5e, 0x25ae5bf1, {}, 43690},
      {"1",
       kIq1Grid,
       kIq1Values,
       8,
       2048,
       44428132,
       0xa0911588,
       0xb85e6ccf,
       {0, 2, 5, 8, 10, 17},
       43690},
      {"3XXS",
       kIq3XxsGrid,
       kIq3XxsValues,
       4,
       256,
       391138,
       0xf68a6a07,
       0x07ba9ed0,
       {0, 2, 4, 9, 11, 15},
       3992},
      {"3S",
       kIq3SGrid,
       kIq3SValues,
       4,
       512,
       777331,
       0xa43c1089,
       0xf576e4f3,
       {0, 1, 2, 5, 7, 8},
       4032},
  };
}

TEST(IqGrids, AreThoseOfTheReference) {
  for (const Grid& grid : Grids()) {
    SCOPED_TRACE(grid.name);
    ASSERT_EQ(grid.entries.size(), grid.count);
    std::vector<uint8_t> bytes, expanded;
    uint64_t sum = 0;
    for (const uint16_t entry : grid.entries) {
      sum += entry;
      bytes.push_back(static_cast<uint8_t>(entry & 255));
      bytes.push_back(static_cast<uint8_t>(entry >> 8));
      for (size_t k = 0; k < grid.elements; ++k) {
        const size_t digit = grid.elements == 8 ? Digit8(entry, k) : Digit4(entry, k);
        ASSERT_LT(digit, grid.values.size());
        expanded.push_back(static_cast<uint8_t>(grid.values[digit]));
      }
    }
    EXPECT_EQ(sum, grid.sum);
    EXPECT_EQ(Crc32(bytes), grid.crc);
    EXPECT_EQ(Crc32(expanded), grid.expanded_crc);
    EXPECT_TRUE(std::ranges::equal(grid.entries.first(grid.first.size()), grid.first));
    EXPECT_EQ(grid.entries.back(), grid.last);
    EXPECT_EQ(std::ranges::adjacent_find(grid.entries, std::ranges::greater_equal()),
              grid.entries.end());
  }
}

// Points of lattices: what the entries of a codebook have in common.
TEST(IqGrids, HaveTheirParity) {
  for (const Grid& grid : Grids()) {
    const bool twos = grid.values.data() == kIq2Values.data();
    const bool threes = grid.values.data() == kIq3XxsValues.data();
    for (const uint16_t entry : grid.entries) {
      size_t ones = 0, digits = 0;
      for (size_t k = 0; k < grid.elements; ++k) {
        const size_t digit = grid.elements == 8 ? Digit8(entry, k) : Digit4(entry, k);
        ones += digit == 1;
        digits += digit;
      }
      ASSERT_TRUE(!twos || ones % 2 == 0) << grid.name << " " << entry;
      ASSERT_TRUE(!threes || digits % 2 == 0) << grid.name << " " << entry;
    }
  }
}

}  // namespace
}  // namespace gemma3
