// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How a sequence is cut into batches never shows in the result, and who sees whom: keys behind the
// window, pictures, neighbours. That the numbers are Gemma 3's is proved in tests/engine.
#include "src/model/transformer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ops/targets.h"
#include "tests/support/tiny_model.h"

namespace gemma3 {
namespace {

using testing::TinyModel;

constexpr size_t kImageTokens = 12;  // more than the window of 8
constexpr size_t kContext = 200;

struct Sequence {
  std::vector<TokenId> ids;
  std::vector<size_t> images;                  // where each begins
  std::vector<std::vector<float>> image_rows;  // [kImageTokens, hidden] each
};

class TransformerTest : public ::testing::TestWithParam<Compute> {
 protected:
  TransformerTest() : model_(testing::TinyTextConfig(), TensorType::kBF16), pool_(2) {}

  const TextConfig& config() const { return model_.checkpoint.config.text; }

  Sequence RandomSequence(size_t tokens, std::vector<size_t> images = {}) {
    Sequence out;
    for (size_t i = 0; i < tokens; ++i) {
      out.ids.push_back(static_cast<TokenId>(random_() % config().vocab_size));
    }
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < images.size(); ++i) {
      std::vector<float>& rows = out.image_rows.emplace_back(kImageTokens * config().hidden_size);
      for (float& value : rows) value = normal(random_);
    }
    out.images = std::move(images);
    return out;
  }

  KvTypes Types() const {
    const KvType type = GetParam() == Compute::kExact ? KvType::kF32 : KvType::kF16;
    return {type, type};
  }
  std::shared_ptr<KvPool> Pool(const TextConfig& config) const {
    return std::make_shared<KvPool>(config, Types(), SIZE_MAX);
  }

  static std::vector<ImageRun> Images(const Sequence& sequence) {
    std::vector<ImageRun> images;
    for (size_t i = 0; i < sequence.images.size(); ++i) {
      images.push_back({sequence.images[i], kImageTokens,
                        std::make_shared<const std::vector<float>>(sequence.image_rows[i])});
    }
    return images;
  }

  // The residual stream of all positions, computed in batches that end at `ends`, with no page held
  // that the window has left.
  std::vector<float> Residual(const Sequence& sequence, const std::vector<size_t>& ends) {
    KvCache cache(Pool(config()));
    const Transformer transformer(config(), model_.weights.text, GetParam(),
                                  ReferenceRounding::kPublished);
    Workspace workspace(pool_);
    const std::vector<ImageRun> images = Images(sequence);
    std::vector<float> out;
    for (const size_t end : ends) {
      const std::span<const TokenId> ids(sequence.ids.data() + cache.size(), end - cache.size());
      const BatchPart part{&cache, ids, images};
      const auto rows = transformer.Forward({&part, 1}, workspace, {});
      EXPECT_TRUE(rows);
      if (!rows) return {};
      EXPECT_EQ(cache.size(), end);
      cache.Settle(end);
      out.insert(out.end(), rows->data, rows->data + rows->rows * rows->cols);
    }
    return out;
  }

  void AnyInterleaving(uint32_t seeds);

  std::vector<float> Whole(const Sequence& sequence) {
    return Residual(sequence, {sequence.ids.size()});
  }

  // Ends of batches of at most `batch` tokens that split no picture.
  static std::vector<size_t> Pieces(const Sequence& sequence, size_t batch) {
    std::vector<size_t> ends;
    for (size_t begin = 0; begin < sequence.ids.size();) {
      size_t end = std::min(begin + batch, sequence.ids.size());
      for (const size_t at : sequence.images) {
        if (at < end && end < at + kImageTokens) end = at > begin ? at : at + kImageTokens;
      }
      ends.push_back(end);
      begin = end;
    }
    return ends;
  }

  // Positions whose residual differs.
  std::vector<size_t> Changed(const std::vector<float>& a, const std::vector<float>& b) const {
    std::vector<size_t> out;
    const size_t width = config().hidden_size;
    for (size_t pos = 0; pos < a.size() / width; ++pos) {
      if (!std::equal(a.begin() + static_cast<ptrdiff_t>(pos * width),
                      a.begin() + static_cast<ptrdiff_t>((pos + 1) * width),
                      b.begin() + static_cast<ptrdiff_t>(pos * width))) {
        out.push_back(pos);
      }
    }
    return out;
  }

  static std::vector<size_t> Range(size_t begin, size_t end) {
    std::vector<size_t> out;
    for (size_t i = begin; i < end; ++i) out.push_back(i);
    return out;
  }

  TinyModel model_;
  ThreadPool pool_;
  std::mt19937 random_{7};
};

TEST_P(TransformerTest, BatchesDoNotShowInTheResult) {
  const size_t window = config().sliding_window;
  for (const size_t tokens : {window - 1, window, window + 1, 3 * window, kContext}) {
    const Sequence sequence = RandomSequence(tokens);
    const std::vector<float> expected = Whole(sequence);
    for (const size_t batch : {size_t{1}, size_t{3}, window - 1, window, window + 1, size_t{64}}) {
      EXPECT_EQ(Residual(sequence, Pieces(sequence, batch)), expected)
          << tokens << " tokens in batches of " << batch;
    }
  }
}

TEST_P(TransformerTest, BatchesDoNotShowWithPictures) {
  const size_t n = kImageTokens;
  const std::vector<std::vector<size_t>> layouts = {
      {0},                     // first of all
      {5},                     // text before and behind
      {5, 5 + n},              // adjacent
      {0, n, 2 * n},           // nothing but pictures at first
      {3, 30, 60, 60 + n + 1}  // apart, and with one token between
  };
  for (const auto& images : layouts) {
    for (const size_t behind : {0, 1, 40}) {
      const Sequence sequence = RandomSequence(images.back() + n + behind, images);
      const std::vector<float> expected = Whole(sequence);
      for (const size_t batch : {1, 7, 12, 13, 24, 64}) {
        EXPECT_EQ(Residual(sequence, Pieces(sequence, batch)), expected)
            << images.size() << " pictures, " << behind << " tokens behind, batches of " << batch;
      }
    }
  }
}

TEST_P(TransformerTest, TextSeesOnlyWhatCameBefore) {
  Sequence sequence = RandomSequence(60);
  const std::vector<float> before = Whole(sequence);
  sequence.ids[20] = (sequence.ids[20] + 1) % static_cast<TokenId>(config().vocab_size);
  EXPECT_EQ(Changed(before, Whole(sequence)), Range(20, 60));
}

// Six local layers of window W stand before and behind nothing but one global layer. With local
// layers alone, a token reaches layers * (W - 1) positions ahead and not one more.
TEST_P(TransformerTest, LocalLayersReachAsFarAsTheWindow) {
  ModelConfig config = testing::TinyTextConfig();
  config.text.num_layers = 2;
  config.text.layers = {LayerKind::kLocal, LayerKind::kLocal};
  const TinyModel model(config, TensorType::kBF16);
  // The same sequence with another token at 20.
  std::vector<std::vector<float>> residuals;
  Sequence sequence = RandomSequence(60);
  for (const TokenId id : {1, 2}) {
    sequence.ids[20] = id;
    KvCache cache(Pool(config.text));
    const Transformer transformer(config.text, model.weights.text, GetParam(),
                                  ReferenceRounding::kPublished);
    Workspace workspace(pool_);
    const BatchPart part{&cache, sequence.ids};
    const auto rows = transformer.Forward({&part, 1}, workspace, {});
    ASSERT_TRUE(rows);
    residuals.emplace_back(rows->data, rows->data + rows->rows * rows->cols);
  }
  const size_t reach = 2 * (config.text.sliding_window - 1);
  EXPECT_EQ(Changed(residuals[0], residuals[1]), Range(20, 20 + reach + 1));
}

// Soft tokens of one picture see each other, also forwards and beyond the window; neighbouring
// pictures and the text before see nothing of it.
TEST_P(TransformerTest, SoftTokensOfOnePictureSeeEachOther) {
  const size_t n = kImageTokens;
  Sequence sequence = RandomSequence(70, {5, 5 + n, 40});
  const std::vector<float> before = Whole(sequence);
  // The last soft token of the second picture.
  sequence.image_rows[1][n * config().hidden_size - 1] += 1;
  EXPECT_EQ(Changed(before, Whole(sequence)), Range(5 + n, 70));
  // Ids at the places of soft tokens are not looked up, not even impossible ones.
  const std::vector<float> changed = Whole(sequence);
  for (const size_t at : sequence.images) {
    for (size_t i = 0; i < n; ++i) sequence.ids[at + i] = i % 2 ? -1 : 1 << 30;
  }
  EXPECT_EQ(Whole(sequence), changed);
}

TEST_P(TransformerTest, CancelStopsAndTheNextCallIsRight) {
  const Sequence sequence = RandomSequence(40);
  const std::vector<float> expected = Whole(sequence);
  KvCache cache(Pool(config()));
  const Transformer transformer(config(), model_.weights.text, GetParam(),
                                ReferenceRounding::kPublished);
  Workspace workspace(pool_);
  const BatchPart part{&cache, sequence.ids};
  const auto cancelled = transformer.Forward({&part, 1}, workspace, [] { return true; });
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(cache.size(), 0u);
  const auto rows = transformer.Forward({&part, 1}, workspace, {});
  ASSERT_TRUE(rows);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), rows->data));
}

// What no other engine promises: sequences come and go, fork, go back, give memory back and stand
// in batches together, in any order, and each row has the bits that it has alone. On every SIMD
// target.
TEST_P(TransformerTest, AnyInterleavingGivesTheBitsOfEachSequenceAlone) {
  struct Restore {
    ~Restore() { UseSimdTarget(""); }
  } restore;
  const std::vector<std::string> targets = SimdTargetNames();
  for (const std::string& target : targets) {
    SCOPED_TRACE(target);
    ASSERT_TRUE(UseSimdTarget(target));
    AnyInterleaving(target == targets.front() ? 12 : 3);
    if (HasFatalFailure()) return;
  }
}

void TransformerTest::AnyInterleaving(uint32_t seeds) {
  const Transformer transformer(config(), model_.weights.text, GetParam(),
                                ReferenceRounding::kPublished);
  const size_t width = config().hidden_size;
  const StopCheck run = {}, stop = [] { return true; };
  for (uint32_t seed = 1; seed <= seeds; ++seed) {
    std::mt19937 random(seed);
    const auto kv_pool = std::make_shared<KvPool>(
        config(),
        KvTypes{seed % 3 == 1 ? KvType::kBF16 : Types().local, seed % 3 == 2   ? KvType::kInt8
                                                               : seed % 3 == 1 ? KvType::kBF16
                                                                               : Types().global},
        SIZE_MAX);
    ThreadPool threads(1 + seed % 3);
    Workspace workspace(threads);
    // Some begin alike, so that forks are what they share.
    std::vector<Sequence> texts;
    std::vector<std::vector<ImageRun>> images;
    std::vector<std::vector<float>> expected;
    const Sequence base = RandomSequence(kContext, {20, 20 + kImageTokens, 140});
    for (size_t i = 0; i < 5; ++i) {
      Sequence& text = texts.emplace_back(base);
      for (size_t j = 15 + 45 * i; j < kContext; ++j) {
        text.ids[j] = static_cast<TokenId>(random() % config().vocab_size);
      }
      // One object for one picture, in all sequences.
      images.push_back(i == 0 ? Images(base) : images[0]);
      KvCache alone(kv_pool);
      const BatchPart part{&alone, text.ids, images.back()};
      const auto rows = transformer.Forward({&part, 1}, workspace, run);
      ASSERT_TRUE(rows);
      expected.emplace_back(rows->data, rows->data + rows->rows * rows->cols);
    }
    struct Live {
      size_t text;
      KvCache cache;
    };
    std::vector<Live> live;
    const auto begins_alike = [&](size_t a, size_t b, size_t n) {
      return std::equal(texts[a].ids.begin(), texts[a].ids.begin() + static_cast<ptrdiff_t>(n),
                        texts[b].ids.begin());
    };
    for (int step = 0; step < 120; ++step) {
      const size_t what = random() % 8;
      if (live.size() < 2 || what == 0) {
        live.push_back({random() % texts.size(), KvCache(kv_pool)});
      } else if (what == 1) {  // fork, to go on as any text that begins alike
        const Live& from = live[random() % live.size()];
        const size_t to = random() % texts.size();
        if (begins_alike(from.text, to, from.cache.size())) {
          live.push_back({to, from.cache.Fork()});
        }
      } else if (what == 2) {  // go back, though not into a picture
        Live& one = live[random() % live.size()];
        size_t n = random() % (one.cache.size() + 1);
        for (const ImageRun& image : images[one.text]) {
          if (n > image.begin && n < image.end()) n = image.begin;
        }
        if (one.cache.CanTruncate(n)) one.cache.Truncate(n);
      } else if (what == 3 && live.size() > 4) {
        live.erase(live.begin() + static_cast<ptrdiff_t>(random() % live.size()));
      } else {  // a step of some of them
        std::vector<BatchPart> batch;
        std::vector<std::pair<size_t, size_t>> parts;  // text, first position
        for (Live& one : live) {
          if (random() % 3 == 0 || one.cache.size() == kContext) continue;
          const size_t begin = one.cache.size();
          size_t end = std::min(kContext, begin + 1 + random() % (random() % 4 == 0 ? 60 : 3));
          for (const ImageRun& image : images[one.text]) {
            if (image.begin >= begin && image.begin < end) end = std::max(end, image.end());
          }
          batch.push_back({&one.cache, std::span(texts[one.text].ids).subspan(begin, end - begin),
                           images[one.text]});
          parts.emplace_back(one.text, begin);
        }
        if (batch.empty()) continue;
        if (what == 4) {  // cancelled: nothing has happened
          ASSERT_FALSE(transformer.Forward(batch, workspace, stop));
          continue;
        }
        const auto rows = transformer.Forward(batch, workspace, run);
        ASSERT_TRUE(rows);
        size_t row = 0;
        for (size_t i = 0; i < batch.size(); ++i) {
          const auto [text, begin] = parts[i];
          const size_t count = batch[i].ids.size();
          ASSERT_TRUE(std::equal(rows->row(row), rows->row(row) + count * width,
                                 expected[text].begin() + static_cast<ptrdiff_t>(begin * width)))
              << "seed " << seed << ", step " << step << ", sequence " << text << " at " << begin;
          row += count;
          if (random() % 2 == 0) batch[i].cache->Settle(batch[i].cache->size());
        }
      }
    }
    live.clear();
    EXPECT_EQ(kv_pool->bytes_in_use(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, TransformerTest, ::testing::Values(Compute::kExact, Compute::kFast),
                         [](const auto& info) {
                           return info.param == Compute::kExact ? "Exact" : "Fast";
                         });

}  // namespace
}  // namespace gemma3
