// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How a sequence is cut into batches never shows in the result, and who sees whom: keys behind the
// window, pictures, neighbours. That the numbers are Gemma 3's is proved in tests/engine.
#include "src/model/transformer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/support/tiny_model.h"

namespace gemma3 {
namespace {

using testing::TinyModel;

constexpr size_t kImageTokens = 12;  // more than the window of 8
constexpr size_t kContext = 200;
constexpr size_t kMaxBatch = kContext;

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

  // The residual stream of all positions, computed in batches that end at `ends`.
  std::vector<float> Residual(const Sequence& sequence, const std::vector<size_t>& ends,
                              size_t max_batch = kMaxBatch) {
    const bool exact = GetParam() == Compute::kExact;
    const KvType type = exact ? KvType::kF32 : KvType::kBF16;
    KvCache cache(config(),
                  {.context = kContext, .max_batch = max_batch, .local = type, .global = type});
    Transformer transformer(config(), model_.weights.text, GetParam(), RopeFrequencies::kF32,
                            max_batch, pool_);
    const std::atomic<bool> cancel = false;
    std::vector<float> out;
    size_t begin = 0;
    for (const size_t end : ends) {
      std::vector<SoftTokens> images;
      for (size_t i = 0; i < sequence.images.size(); ++i) {
        const size_t at = sequence.images[i];
        if (at < begin || at >= end) continue;
        images.push_back({at - begin, kImageTokens, sequence.image_rows[i].data()});
      }
      const std::span<const TokenId> ids(sequence.ids.data() + begin, end - begin);
      const auto rows = transformer.Forward({ids, begin, images}, cache, cancel);
      EXPECT_TRUE(rows);
      if (!rows) return {};
      out.insert(out.end(), rows->data, rows->data + rows->rows * rows->cols);
      begin = end;
    }
    return out;
  }

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
      // Rings just large enough for the batch: they wrap around many times.
      EXPECT_EQ(Residual(sequence, Pieces(sequence, batch), batch), expected)
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
        EXPECT_EQ(Residual(sequence, Pieces(sequence, batch), std::max<size_t>(batch, n)), expected)
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
    const std::atomic<bool> cancel = false;
    KvCache cache(config.text, {.context = kContext, .max_batch = 60});
    Transformer transformer(config.text, model.weights.text, GetParam(), RopeFrequencies::kF32, 60,
                            pool_);
    const auto rows = transformer.Forward({sequence.ids, 0, {}}, cache, cancel);
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
  KvCache cache(config(), {.context = kContext,
                           .max_batch = kMaxBatch,
                           .local = GetParam() == Compute::kExact ? KvType::kF32 : KvType::kBF16,
                           .global = GetParam() == Compute::kExact ? KvType::kF32 : KvType::kBF16});
  Transformer transformer(config(), model_.weights.text, GetParam(), RopeFrequencies::kF32,
                          kMaxBatch, pool_);
  std::atomic<bool> cancel = true;
  const auto cancelled = transformer.Forward({sequence.ids, 0, {}}, cache, cancel);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  cancel = false;
  const auto rows = transformer.Forward({sequence.ids, 0, {}}, cache, cancel);
  ASSERT_TRUE(rows);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), rows->data));
}

INSTANTIATE_TEST_SUITE_P(Modes, TransformerTest, ::testing::Values(Compute::kExact, Compute::kFast),
                         [](const auto& info) {
                           return info.param == Compute::kExact ? "Exact" : "Fast";
                         });

}  // namespace
}  // namespace gemma3
