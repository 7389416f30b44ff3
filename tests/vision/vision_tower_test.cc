// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The tower and the projector against plain loops in double precision, at sizes that no vector
// width divides.
#include "src/vision/vision_tower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/support/reference.h"
#include "tests/support/tiny_model.h"

namespace gemma3 {
namespace {

using testing::RelativeDistance;
using testing::TinyModel;

// ---- The reference: vectors of rows, one operation after the other

using Matrix = std::vector<std::vector<double>>;

Matrix Zeros(size_t rows, size_t cols) { return Matrix(rows, std::vector<double>(cols)); }

// x * w^T + bias.
Matrix Times(const Matrix& x, const MatrixView& w, const Vector* bias = nullptr) {
  Matrix out = Zeros(x.size(), w.rows);
  std::vector<float> row(w.cols);
  for (size_t o = 0; o < w.rows; ++o) {
    UnpackRow(w, o, row.data());
    for (size_t r = 0; r < x.size(); ++r) {
      double sum = bias ? (*bias)[o] : 0;
      for (size_t i = 0; i < w.cols; ++i) sum += x[r][i] * row[i];
      out[r][o] = sum;
    }
  }
  return out;
}

Matrix LayerNormed(Matrix x, const Vector& weight, const Vector& bias, double eps) {
  for (auto& row : x) {
    const auto n = static_cast<double>(row.size());
    double mean = 0, variance = 0;
    for (const double v : row) mean += v / n;
    for (const double v : row) variance += (v - mean) * (v - mean) / n;
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] = (row[i] - mean) / std::sqrt(variance + eps) * weight[i] + bias[i];
    }
  }
  return x;
}

void AddRows(Matrix& x, const Matrix& y) {
  for (size_t r = 0; r < x.size(); ++r) {
    for (size_t i = 0; i < x[r].size(); ++i) x[r][i] += y[r][i];
  }
}

Matrix Attended(const Matrix& q, const Matrix& k, const Matrix& v, size_t heads) {
  const size_t dim = q[0].size() / heads;
  Matrix out = Zeros(q.size(), q[0].size());
  std::vector<double> weights(k.size());
  for (size_t h = 0; h < heads; ++h) {
    for (size_t r = 0; r < q.size(); ++r) {
      double total = 0;
      for (size_t j = 0; j < k.size(); ++j) {
        double dot = 0;
        for (size_t i = h * dim; i < (h + 1) * dim; ++i) dot += q[r][i] * k[j][i];
        total += weights[j] = std::exp(dot / std::sqrt(static_cast<double>(dim)));
      }
      for (size_t j = 0; j < k.size(); ++j) {
        for (size_t i = h * dim; i < (h + 1) * dim; ++i) out[r][i] += weights[j] / total * v[j][i];
      }
    }
  }
  return out;
}

std::vector<float> ReferenceSoftTokens(const VisionConfig& c, const VisionWeights& w,
                                       const std::vector<float>& pixels) {
  const size_t grid = c.image_size / c.patch_size;
  Matrix x = Zeros(grid * grid, 0);
  for (size_t y = 0; y < grid; ++y) {
    for (size_t column = 0; column < grid; ++column) {
      for (size_t channel = 0; channel < c.num_channels; ++channel) {
        for (size_t dy = 0; dy < c.patch_size; ++dy) {
          for (size_t dx = 0; dx < c.patch_size; ++dx) {
            const size_t row = channel * c.image_size + y * c.patch_size + dy;
            x[y * grid + column].push_back(pixels[row * c.image_size + column * c.patch_size + dx]);
          }
        }
      }
    }
  }
  x = Times(x, w.patch.w, &w.patch.bias);
  std::vector<float> position(c.hidden_size);
  for (size_t p = 0; p < x.size(); ++p) {
    UnpackRow(w.position, p, position.data());
    for (size_t i = 0; i < c.hidden_size; ++i) x[p][i] += position[i];
  }
  const double eps = c.layer_norm_eps;
  for (const VisionLayerWeights& layer : w.layers) {
    const Matrix n1 = LayerNormed(x, layer.norm1_weight, layer.norm1_bias, eps);
    const Matrix attended =
        Attended(Times(n1, layer.q.w, &layer.q.bias), Times(n1, layer.k.w, &layer.k.bias),
                 Times(n1, layer.v.w, &layer.v.bias), c.num_heads);
    AddRows(x, Times(attended, layer.out.w, &layer.out.bias));
    Matrix inner = Times(LayerNormed(x, layer.norm2_weight, layer.norm2_bias, eps), layer.fc1.w,
                         &layer.fc1.bias);
    for (auto& row : inner) {
      for (double& v : row) {
        v = 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
      }
    }
    AddRows(x, Times(inner, layer.fc2.w, &layer.fc2.bias));
  }
  x = LayerNormed(x, w.post_norm_weight, w.post_norm_bias, eps);

  size_t side = 1;
  while (side * side < c.tokens_per_image) ++side;
  const size_t square = grid / side;
  Matrix pooled = Zeros(c.tokens_per_image, c.hidden_size);
  for (size_t p = 0; p < x.size(); ++p) {
    const size_t token = p / grid / square * side + p % grid / square;
    for (size_t i = 0; i < c.hidden_size; ++i) {
      pooled[token][i] += x[p][i] / static_cast<double>(square * square);
    }
  }
  for (auto& row : pooled) {
    double squares = 0;
    for (const double v : row) squares += v * v / static_cast<double>(row.size());
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] = row[i] / std::sqrt(squares + eps) * w.projector_norm[i];
    }
  }
  std::vector<float> out;
  for (const auto& row : Times(pooled, w.projection)) out.insert(out.end(), row.begin(), row.end());
  return out;
}

// ---- Tests

struct Shape {
  const char* name;
  size_t head_dim, heads, intermediate, patch, grid, tokens, text_hidden;
};

// Against one order of sums, another is off by about the square root of the length times the
// rounding of f32; the project's bound on parity leaves room for the layers.
constexpr double kParity = 2e-4;

class VisionTowerTest : public ::testing::TestWithParam<Shape> {
 protected:
  static ModelConfig Config() {
    const Shape& shape = GetParam();
    ModelConfig config = testing::TinyVisionConfig();
    config.text.hidden_size = shape.text_hidden;
    VisionConfig& vision = config.vision;
    vision.hidden_size = shape.head_dim * shape.heads;
    vision.num_heads = shape.heads;
    vision.intermediate_size = shape.intermediate;
    vision.patch_size = shape.patch;
    vision.image_size = shape.patch * shape.grid;
    vision.tokens_per_image = shape.tokens;
    return config;
  }

  VisionTowerTest() : model_(Config()) {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform(-1, 1);
    pixels_.resize(3 * vision().image_size * vision().image_size);
    for (float& value : pixels_) value = uniform(random);
  }

  const VisionConfig& vision() const { return model_.checkpoint.config.vision; }
  Rows<float> OutRows(std::vector<float>& out) const {
    out.assign(vision().tokens_per_image * GetParam().text_hidden, -1);
    return {out.data(), vision().tokens_per_image, GetParam().text_hidden};
  }
  std::vector<float> Encoded(Compute compute, size_t threads) const {
    ThreadPool pool(threads);
    const VisionTower tower(vision(), model_.weights.vision, compute);
    Workspace workspace(pool);
    std::vector<float> out;
    EXPECT_TRUE(tower.Encode(pixels_, OutRows(out), workspace, [](size_t) { return true; }));
    return out;
  }

  TinyModel model_;
  std::vector<float> pixels_;
};

TEST_P(VisionTowerTest, EqualsPlainLoops) {
  const auto expected = ReferenceSoftTokens(vision(), model_.weights.vision, pixels_);
  EXPECT_LT(RelativeDistance(Encoded(Compute::kExact, 2), expected), kParity);
  // bf16 rounds by up to 2^-9; see reference_test.cc for the factors.
  const double bound =
      4 * 6 * std::sqrt(7 * static_cast<double>(vision().num_layers)) * 0x1p-9 / std::sqrt(3.0);
  EXPECT_LT(RelativeDistance(Encoded(Compute::kFast, 2), expected), bound);
}

TEST_P(VisionTowerTest, ThreadsDoNotShow) {
  for (const Compute compute : {Compute::kExact, Compute::kFast}) {
    const auto expected = Encoded(compute, 1);
    EXPECT_EQ(Encoded(compute, 2), expected);
    EXPECT_EQ(Encoded(compute, 3), expected);
  }
}

TEST_P(VisionTowerTest, CancelsAfterEachLayerAndEncodesAgain) {
  ThreadPool pool(2);
  const VisionTower tower(vision(), model_.weights.vision, Compute::kFast);
  Workspace workspace(pool);
  std::vector<float> out;
  for (size_t last = 1; last <= vision().num_layers; ++last) {
    std::vector<size_t> seen;
    const Status status = tower.Encode(pixels_, OutRows(out), workspace, [&](size_t done) {
      seen.push_back(done);
      return done < last;
    });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
    ASSERT_EQ(seen.size(), last);
    for (size_t i = 0; i < last; ++i) EXPECT_EQ(seen[i], i + 1);
  }
  ASSERT_TRUE(tower.Encode(pixels_, OutRows(out), workspace, [](size_t) { return true; }));
  EXPECT_EQ(out, Encoded(Compute::kFast, 2));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, VisionTowerTest,
    ::testing::Values(
        Shape{"OddHeads", 11, 3, 37, 5, 6, 9, 21}, Shape{"OneToken", 7, 1, 19, 3, 5, 1, 13},
        Shape{"NoPooling", 10, 2, 41, 7, 3, 9, 32}, Shape{"RealHeads", 72, 2, 150, 14, 8, 16, 40},
        // More patches than go through the MLP at a time, and a patch wider than the hidden size.
        Shape{"ManyPatches", 5, 2, 23, 2, 34, 289, 17}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace gemma3
