// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Pages: what they cost, who holds them, and from where computation can go on.
#include "src/model/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "tests/support/model_writer.h"

namespace gemma3 {
namespace {

constexpr KvTypes kTypes = {.local = KvType::kBF16, .global = KvType::kF32};

// 6 local layers and 1 global, 2 heads of 16.
TextConfig Config(size_t window) {
  TextConfig config = testing::TinyTextConfig().text;
  config.sliding_window = window;
  return config;
}

constexpr size_t kLocalPage = 6 * (64 * 2 * 16 * 2 * 2);
constexpr size_t kGlobalPage = 64 * 2 * 16 * 4 * 2;

TEST(KvPoolTest, PagesHoldAllLayersOfAKind) {
  const TextConfig config = Config(8);
  EXPECT_EQ(KvPool::PageBytes(config, kTypes, LayerKind::kLocal), kLocalPage);
  EXPECT_EQ(KvPool::PageBytes(config, kTypes, LayerKind::kGlobal), kGlobalPage);
  const KvPool pool(config, kTypes, SIZE_MAX);
  size_t local = 0, global = 0;
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    const bool is_local = config.layers[layer] == LayerKind::kLocal;
    const KvView& view = pool.layer(layer);
    EXPECT_EQ(view.type, is_local ? kTypes.local : kTypes.global);
    EXPECT_EQ(view.offset, is_local ? local : global);
    (is_local ? local : global) += KvPageBytes(view.type, view.num_kv_heads, view.head_dim);
  }
  EXPECT_EQ(local, kLocalPage);
  EXPECT_EQ(global, kGlobalPage);
}

TEST(KvPoolTest, PagesAreZeroWhateverStoodInThemBefore) {
  const TextConfig config = Config(8);
  KvPool pool(config, kTypes, SIZE_MAX);
  std::mt19937 random(1);
  std::vector<KvPage> held;
  for (int i = 0; i < 300; ++i) {
    const LayerKind kind = i % 2 ? LayerKind::kLocal : LayerKind::kGlobal;
    auto page = pool.Take(kind);
    ASSERT_TRUE(page);
    const size_t bytes = pool.page_bytes(kind);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(page->get()) % 64, 0u);
    ASSERT_TRUE(std::all_of(page->get(), page->get() + bytes,
                            [](std::byte b) { return b == std::byte{0}; }));
    std::memset(page->get(), 0xFF, bytes);  // overlapping pages would not be zero any more
    held.push_back(*std::move(page));
    while (held.size() > 1 && random() % 3 == 0) held.erase(held.begin() + random() % held.size());
  }
  held.clear();
  EXPECT_EQ(pool.bytes_in_use(), 0u);
}

TEST(KvPoolTest, TheLimitIsKeptAndPagesOutliveThePool) {
  const TextConfig config = Config(8);
  KvPage page;
  {
    KvPool pool(config, kTypes, 2 * kGlobalPage + kLocalPage);
    page = *pool.Take(LayerKind::kLocal);
    KvPage first = *pool.Take(LayerKind::kGlobal), second = *pool.Take(LayerKind::kGlobal);
    const auto third = pool.Take(LayerKind::kGlobal);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, ErrorCode::kOutOfMemory);
    EXPECT_EQ(pool.bytes_in_use(), pool.max_bytes());
    first = nullptr;
    EXPECT_TRUE(pool.Take(LayerKind::kGlobal));
  }
  std::memset(page.get(), 1, kLocalPage);
}

class KvCacheTest : public ::testing::Test {
 protected:
  // The local and global pages that a cache holds.
  static std::pair<size_t, size_t> Pages(const KvCache& cache) {
    const KvCache empty(cache.pool());
    const size_t bytes = cache.BytesBeside(empty);
    for (size_t local = 0; local * kLocalPage <= bytes; ++local) {
      const size_t rest = bytes - local * kLocalPage;
      if (rest % kGlobalPage == 0 && rest / kGlobalPage == (cache.size() + 63) / 64) {
        return {local, rest / kGlobalPage};
      }
    }
    ADD_FAILURE() << bytes << " bytes are no pages of a cache of " << cache.size();
    return {};
  }
  static void Store(KvCache& cache, size_t end) {
    ASSERT_TRUE(cache.MakeRoom(end));
    cache.Append(end);
  }
};

TEST_F(KvCacheTest, LocalLayersKeepTheirWindow) {
  for (const size_t window : {1, 2, 63, 64, 65, 512, 1024}) {
    const TextConfig config = Config(window);
    const auto pool = std::make_shared<KvPool>(config, kTypes, SIZE_MAX);
    KvCache cache(pool);
    size_t most = 0;
    for (size_t end = 0; end < 3000;) {
      end += 1 + end % 97;
      Store(cache, end);
      most = std::max(most, pool->bytes_in_use());
      cache.Settle(end);
      // Exactly the pages with a position in (end - window, end): what the next query sees.
      const size_t first = end >= window ? (end - window + 1) / 64 : 0;
      ASSERT_EQ(Pages(cache).first, (end + 63) / 64 - first) << window << " at " << end;
      ASSERT_TRUE(cache.CanTruncate(end));
    }
    EXPECT_LE(most, KvCache::MostBytes(config, kTypes, cache.size(), 97));
    // 1024: 17 pages, however long the text.
    EXPECT_LE(Pages(cache).first, (window - 1 + 63) / 64 + 1);
  }
}

TEST_F(KvCacheTest, CanGoBackExactlyWhereEveryKeyIsStillHeld) {
  std::mt19937 random(1);
  for (const size_t window : {1, 8, 64, 100}) {
    const auto pool = std::make_shared<KvPool>(Config(window), kTypes, SIZE_MAX);
    KvCache cache(pool);
    std::vector<bool> held;  // [pages]
    for (size_t step = 0; step < 400; ++step) {
      const size_t end = cache.size() + 1 + random() % 50;
      Store(cache, end);
      held.resize((end + 63) / 64, true);
      if (random() % 2) {
        cache.Settle(end);
        for (size_t q = 0; q + window <= end; ++q) {  // what no query at `end` or later sees
          if (q % 64 == 63) held[q / 64] = false;
        }
      }
      for (size_t n = 0; n <= end + 1; ++n) {
        bool possible = n <= end;
        for (size_t q = n >= window ? n - window + 1 : 0; possible && q < n; ++q) {
          possible = held[q / 64];
        }
        // The page that will be written on as well.
        if (possible && n % 64 != 0) possible = held[n / 64];
        ASSERT_EQ(cache.CanTruncate(n), possible) << window << ": " << n << " of " << end;
      }
      if (random() % 5 == 0) {
        const size_t n = random() % (end + 1);
        if (cache.CanTruncate(n)) {
          cache.Truncate(n);
          held.resize((n + 63) / 64);
        }
      }
    }
  }
}

TEST_F(KvCacheTest, ForksShareAndCopyWhatTheyWrite) {
  const auto pool = std::make_shared<KvPool>(Config(100), kTypes, SIZE_MAX);
  KvCache cache(pool);
  Store(cache, 150);
  const KvView layer = cache.layer(0);
  layer.pages[1][0] = std::byte{1};
  layer.pages[2][0] = std::byte{2};
  const size_t before = pool->bytes_in_use();
  KvCache fork = cache.Fork();
  EXPECT_EQ(pool->bytes_in_use(), before);
  EXPECT_EQ(fork.BytesBeside(cache), 0u);

  // The last page is not full: whoever goes on first copies it, and the other one keeps it.
  Store(fork, 151);
  EXPECT_EQ(pool->bytes_in_use(), before + kLocalPage + kGlobalPage);
  EXPECT_EQ(fork.layer(0).pages[1], cache.layer(0).pages[1]);
  EXPECT_NE(fork.layer(0).pages[2], cache.layer(0).pages[2]);
  EXPECT_EQ(fork.layer(0).pages[2][0], std::byte{2});
  fork.layer(0).pages[2][0] = std::byte{3};
  EXPECT_EQ(cache.layer(0).pages[2][0], std::byte{2});
  std::byte* const own = cache.layer(0).pages[2];
  Store(cache, 160);
  EXPECT_EQ(cache.layer(0).pages[2], own);  // nobody else has it any more

  // Going back into a shared page and on again copies it as well.
  fork.Truncate(70);
  Store(fork, 80);
  EXPECT_NE(fork.layer(0).pages[1], cache.layer(0).pages[1]);
  EXPECT_EQ(fork.layer(0).pages[1][0], std::byte{1});

  // Pages that were taken in advance, for a step that was cancelled, belong to one alone.
  KvCache early(pool);
  Store(early, 64);
  ASSERT_TRUE(early.MakeRoom(100));
  KvCache other = early.Fork();
  Store(other, 100);
  Store(early, 100);
  EXPECT_NE(other.layer(0).pages[1], early.layer(0).pages[1]);

  // A full last page is never written again.
  KvCache full(pool);
  Store(full, 128);
  KvCache next = full.Fork();
  Store(next, 129);
  EXPECT_EQ(next.layer(0).pages[1], full.layer(0).pages[1]);
}

TEST_F(KvCacheTest, PagesFilledElsewhereMustBeThoseOfASequence) {
  const auto pool = std::make_shared<KvPool>(Config(100), kTypes, SIZE_MAX);
  // Of each tile, whether there is a local and a global page.
  const auto make = [&](size_t size, std::vector<bool> local, std::vector<bool> global) {
    std::vector<KvPage> locals, globals;
    for (const bool held : local) {
      locals.push_back(held ? *pool->Take(LayerKind::kLocal) : nullptr);
    }
    for (const bool held : global) {
      globals.push_back(held ? *pool->Take(LayerKind::kGlobal) : nullptr);
    }
    return KvCache::FromPages(pool, size, std::move(locals), std::move(globals));
  };
  // Position 230 sees 131 to 229, the tiles 2 and 3.
  auto cache = make(230, {false, false, true, true}, {true, true, true, true});
  ASSERT_TRUE(cache);
  EXPECT_EQ(cache->size(), 230u);
  EXPECT_EQ(Pages(*cache), std::pair(size_t{2}, size_t{4}));
  EXPECT_EQ(cache->page(LayerKind::kLocal, 1), nullptr);
  EXPECT_EQ(cache->page(LayerKind::kLocal, 2), cache->layer(0).pages[2]);
  EXPECT_TRUE(cache->CanTruncate(230));
  EXPECT_FALSE(cache->CanTruncate(220));
  Store(*cache, 300);
  EXPECT_TRUE(make(0, {}, {}));
  EXPECT_TRUE(make(230, {true, true, true, true}, {true, true, true, true}));

  EXPECT_FALSE(make(230, {false, false, false, true}, {true, true, true, true}));
  EXPECT_FALSE(make(230, {true, false, true, true}, {true, true, true, true}));
  EXPECT_FALSE(make(230, {false, false, true, false}, {true, true, true, true}));
  EXPECT_FALSE(make(230, {false, true, true, true}, {true, true, false, true}));
  EXPECT_FALSE(make(230, {false, true, true}, {true, true, true}));
  EXPECT_FALSE(make(230, {false, true, true, true}, {true, true, true, true, true}));
  cache = std::unexpected(Error{});  // lets go of it
  EXPECT_EQ(pool->bytes_in_use(), 0u);
}

TEST_F(KvCacheTest, WithoutRoomNothingIsLost) {
  const TextConfig config = Config(100);
  const auto pool = std::make_shared<KvPool>(config, kTypes, 3 * (kLocalPage + kGlobalPage));
  KvCache cache(pool);
  Store(cache, 100);
  cache.layer(0).pages[1][0] = std::byte{7};
  KvCache fork = cache.Fork();
  EXPECT_FALSE(fork.MakeRoom(300));
  EXPECT_EQ(fork.size(), 100u);
  EXPECT_EQ(cache.layer(0).pages[1][0], std::byte{7});
  fork.Truncate(100);
  EXPECT_TRUE(cache.CanTruncate(100));
  fork.Truncate(0);
  Store(cache, 190);
}

}  // namespace
}  // namespace gemma3
