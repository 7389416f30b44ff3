// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of rings: how large they are, and from where computation can go on.
#include "src/model/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "tests/support/model_writer.h"

namespace gemma3 {
namespace {

TextConfig Config(size_t window) {
  TextConfig config = testing::TinyTextConfig().text;
  config.sliding_window = window;
  return config;
}

// A query sees window - 1 keys before it, and max_batch keys are stored before the first of them
// attends; a ring never needs more slots than the context has.
TEST(KvCacheTest, RingsHoldTheWindowAndOneBatch) {
  for (const size_t window : {1, 8, 63, 64, 65, 512, 1024}) {
    for (const size_t batch : {1, 2, 64, 65, 512}) {
      for (const size_t context : {1, 64, 100, 5000}) {
        const size_t slots =
            KvCache::RingSlots(Config(window), {.context = context, .max_batch = batch});
        EXPECT_EQ(slots % kKvTile, 0u);
        EXPECT_TRUE(slots >= window - 1 + batch || slots >= context);
        EXPECT_LT(slots, std::min(window - 1 + batch, context) + kKvTile);
      }
    }
  }
}

TEST(KvCacheTest, BytesAreThoseOfTheLayersAndOfWhatIsAllocated) {
  const TextConfig config = Config(8);  // 6 local layers and 1 global, 2 heads of 16
  const KvCache::Shape shape{
      .context = 300, .max_batch = 16, .local = KvType::kBF16, .global = KvType::kF32};
  // Rings: 7 + 16 slots, rounded up to a tile; the global layer: 300 rounded up to 320. Both keys
  // and values.
  const size_t expected = 6 * (64 * 2 * 16 * 2 * 2) + 320 * 2 * 16 * 4 * 2;
  EXPECT_EQ(KvCache::Bytes(config, shape), expected);

  KvCache cache(config, shape);
  EXPECT_EQ(cache.context(), 300u);
  size_t bytes = 0;
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    const KvView& view = cache.layer(layer);
    const bool local = config.layers[layer] == LayerKind::kLocal;
    EXPECT_EQ(view.capacity, local ? 64u : 320u);
    EXPECT_EQ(view.type, local ? KvType::kBF16 : KvType::kF32);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data) % 64, 0u);
    const size_t size = KvBytes(view.type, view.num_kv_heads, view.head_dim, view.capacity);
    EXPECT_TRUE(
        std::all_of(view.data, view.data + size, [](std::byte b) { return b == std::byte{0}; }));
    std::memset(view.data, 1, size);  // overlapping layers would not be zero any more
    bytes += size;
  }
  EXPECT_EQ(bytes, expected);
}

// Against a cache that remembers for each slot which position it holds.
TEST(KvCacheTest, CanResumeExactlyWhereEveryKeyIsStillThere) {
  std::mt19937 random(1);
  for (const size_t window : {1, 8, 64, 100}) {
    for (const size_t batch : {1, 5, 64}) {
      const TextConfig config = Config(window);
      const KvCache::Shape shape{.context = 1000, .max_batch = batch};
      const size_t slots = KvCache::RingSlots(config, shape);
      KvCache cache(config, shape);
      std::vector<size_t> held(slots, SIZE_MAX);  // the position in each slot
      size_t end = 0;                             // positions stored in this conversation
      for (size_t step = 0; step < 300; ++step) {
        const auto resumable = [&](size_t p) {
          if (p > end) return false;
          for (size_t q = p >= window ? p - window + 1 : 0; q < p; ++q) {
            if (held[q % slots] != q) return false;
          }
          return true;
        };
        for (size_t p = 0; p <= end; ++p) {
          // The cache need not know that rewound positions were rewritten with other tokens, but
          // it must not claim what is gone.
          if (cache.CanResumeAt(p)) {
            EXPECT_TRUE(resumable(p)) << p << " of " << end;
          }
        }
        EXPECT_TRUE(cache.CanResumeAt(end)) << "appending must always be possible";
        EXPECT_FALSE(cache.CanResumeAt(end + slots + 1));
        if (step % 7 == 3) {  // rewind
          const size_t p = random() % (end + 1);
          if (cache.CanResumeAt(p)) {
            end = p;
          } else {
            cache.Clear();
            end = 0;
            std::ranges::fill(held, SIZE_MAX);
          }
        }
        const size_t count = std::min(1 + random() % batch, shape.context - end);
        if (count == 0) {
          cache.Clear();
          end = 0;
          std::ranges::fill(held, SIZE_MAX);
          continue;
        }
        cache.WillWrite(end + count);
        for (size_t q = end; q < end + count; ++q) held[q % slots] = q;
        end += count;
      }
    }
  }
}

// Without a rewind, computation can go on from as far back as the ring allows, not only at its end.
TEST(KvCacheTest, RewindsReachAsFarAsTheRing) {
  const KvCache::Shape shape{.context = 1000, .max_batch = 57};  // 7 + 57 = 64 slots
  KvCache cache(Config(8), shape);
  cache.WillWrite(500);
  // Positions 436 to 499 are held; a query at p needs p - 7 to p - 1.
  EXPECT_TRUE(cache.CanResumeAt(443));
  EXPECT_FALSE(cache.CanResumeAt(442));
  EXPECT_FALSE(cache.CanResumeAt(0));
  EXPECT_FALSE(cache.CanResumeAt(501));
  cache.Clear();
  EXPECT_TRUE(cache.CanResumeAt(0));
  EXPECT_FALSE(cache.CanResumeAt(1));
}

}  // namespace
}  // namespace gemma3
