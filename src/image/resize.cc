// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The definition is Pillow's (python-pillow/Pillow, src/libImaging/Resample.c), which the published
// image processor uses. Its intermediate picture, as tall as the input, is never made: an input row
// is resized horizontally and at once added to the output rows that it takes part in.
#include "src/image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace gemma3 {
namespace {

constexpr int kWeightBits = 22;  // 8 bits of pixel, 2 bits of headroom, of 32
constexpr int32_t kHalf = 1 << (kWeightBits - 1);

uint8_t ToByte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255)); }

// For each output position along one side, the run of input positions it takes from and their
// weights, in units of 2^-22.
struct SideWeights {
  struct Run {
    size_t begin;   // first input position
    size_t end;     // one past the last
    size_t weight;  // index of the first one's weight
  };
  std::vector<Run> runs;  // [out]
  std::vector<int32_t> weights;
};

SideWeights MakeWeights(size_t in, size_t out) {
  SideWeights side;
  side.runs.reserve(out);
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);  // enlarging interpolates between neighbours
  const double slope = 1.0 / support;
  std::vector<double> taps;
  for (size_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto begin = static_cast<size_t>(std::max(center - support + 0.5, 0.0));
    const auto end = std::min(static_cast<size_t>(center + support + 0.5), in);
    double total = 0;
    taps.clear();
    for (size_t x = begin; x < end; ++x) {
      const double distance = std::abs((static_cast<double>(x) - center + 0.5) * slope);
      taps.push_back(std::max(1.0 - distance, 0.0));
      total += taps.back();
    }
    side.runs.push_back({begin, end, side.weights.size()});
    for (double tap : taps) {
      side.weights.push_back(static_cast<int32_t>(tap / total * (1 << kWeightBits) + 0.5));
    }
  }
  return side;
}

// One input row to [width, 3] bytes.
void ResizeRow(const uint8_t* in, const SideWeights& side, uint8_t* out) {
  for (const SideWeights::Run& run : side.runs) {
    int32_t red = kHalf;
    int32_t green = kHalf;
    int32_t blue = kHalf;
    const int32_t* weight = side.weights.data() + run.weight;
    for (const uint8_t* p = in + 3 * run.begin; p != in + 3 * run.end; p += 3, ++weight) {
      red += *weight * p[0];
      green += *weight * p[1];
      blue += *weight * p[2];
    }
    *out++ = ToByte(red);
    *out++ = ToByte(green);
    *out++ = ToByte(blue);
  }
}

}  // namespace

void ResizeBilinear(const ImageView& image, size_t width, size_t height, ThreadPool& pool,
                    std::span<uint8_t> out) {
  const SideWeights across = MakeWeights(image.width, width);
  const SideWeights down = MakeWeights(image.height, height);
  const size_t row_values = 3 * width;
  // Bands share input rows at their edges, and those are resized twice: with 16 rows, about one in
  // eight. More rows would leave threads idle at the end.
  constexpr size_t kBandRows = 16;
  const size_t num_bands = (height + kBandRows - 1) / kBandRows;

  pool.ParallelFor(num_bands, [&](size_t band, size_t thread) {
    const size_t first = band * kBandRows;
    const size_t last = std::min(first + kBandRows, height);
    const size_t sums_bytes = (last - first) * row_values * sizeof(int32_t);
    const auto scratch = pool.Scratch(thread, sums_bytes + row_values);
    auto* sums = reinterpret_cast<int32_t*>(scratch.data());
    auto* row = reinterpret_cast<uint8_t*>(scratch.data() + sums_bytes);
    std::fill_n(sums, (last - first) * row_values, kHalf);

    // Runs begin and end in order, so those that hold input row y are consecutive.
    size_t open = first;
    for (size_t y = down.runs[first].begin; y < down.runs[last - 1].end; ++y) {
      while (open < last && down.runs[open].end <= y) ++open;
      ResizeRow(image.pixels + y * image.row_bytes, across, row);
      for (size_t o = open; o < last && down.runs[o].begin <= y; ++o) {
        const int32_t weight = down.weights[down.runs[o].weight + (y - down.runs[o].begin)];
        int32_t* sum = sums + (o - first) * row_values;
        for (size_t i = 0; i < row_values; ++i) sum[i] += weight * row[i];
      }
    }
    uint8_t* to = out.data() + first * row_values;
    for (size_t i = 0; i < (last - first) * row_values; ++i) to[i] = ToByte(sums[i]);
  });
}

}  // namespace gemma3
