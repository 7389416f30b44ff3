// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/image_encoder.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/base/finite.h"
#include "src/base/status.h"
#include "src/image/preprocess.h"

namespace gemma3 {

ImageEncoder::ImageEncoder(const LoadedModel& model, const ResolvedOptions& options,
                           Workspace& workspace)
    : config_(model.checkpoint.config.vision),
      text_hidden_(model.checkpoint.config.text.hidden_size),
      max_bytes_(options.session.image_cache_bytes),
      text_floats_(Transformer::WorkspaceFloats(model.checkpoint.config.text, options.max_batch)),
      workspace_(workspace),
      tower_(config_, model.weights.vision, options.compute) {}

SoftTokenRows ImageEncoder::Find(const ImageHash& picture, const CropBox& view) {
  const auto it = std::ranges::find_if(
      entries_, [&](const Entry& entry) { return entry.picture == picture && entry.view == view; });
  if (it == entries_.end()) return nullptr;
  SoftTokenRows rows = it->rows.lock();
  if (!rows) {
    entries_.erase(it);
    return nullptr;
  }
  it->kept = rows;
  entries_.splice(entries_.begin(), entries_, it);
  Trim();
  return rows;
}

void ImageEncoder::Remember(Entry entry) {
  entries_.push_front(std::move(entry));
  Trim();
}

// Lets go of what does not fit, the least recently used first.
void ImageEncoder::Trim() {
  // All entries have the same size.
  const size_t bytes = config_.tokens_per_image * text_hidden_ * sizeof(float);
  size_t kept = 0;
  for (Entry& entry : entries_) {
    if (entry.kept && ++kept * bytes > max_bytes_) entry.kept = nullptr;
  }
  std::erase_if(entries_, [](const Entry& entry) { return entry.rows.expired(); });
}

Status ImageEncoder::CheckPixels(std::span<const float> pixels) const {
  const size_t expected = config_.num_channels * config_.image_size * config_.image_size;
  if (pixels.size() != expected) {
    return Fail(ErrorCode::kInvalidArgument, "pixel_values of a picture must be [",
                config_.num_channels, ", ", config_.image_size, ", ", config_.image_size,
                "], that is ", expected, " values, not ", pixels.size());
  }
  if (!AllFinite(pixels)) {
    return Fail(ErrorCode::kInvalidArgument, "pixel_values holds a number that is infinite or NaN");
  }
  return {};
}

Result<SoftTokenRows> ImageEncoder::EncodePixels(std::span<const float> pixels,
                                                 const VisionTower::LayerCallback& on_layer) {
  auto rows = std::make_shared<std::vector<float>>(config_.tokens_per_image * text_hidden_);
  const Status encoded =
      tower_.Encode(pixels, Rows<float>(rows->data(), config_.tokens_per_image, text_hidden_),
                    workspace_, on_layer);
  workspace_.Shrink(text_floats_);  // the tower needs several times as much
  GEMMA3_CHECK_OK(encoded);
  return rows;
}

Result<std::vector<SoftTokenRows>> ImageEncoder::Encode(const Image& picture,
                                                        std::span<const CropBox> views,
                                                        Progress& progress,
                                                        const ProgressCallback& on_progress,
                                                        Report& report) {
  const auto start = std::chrono::steady_clock::now();
  const ImageHash hash = hasher_(picture);
  std::vector<SoftTokenRows> out;
  std::vector<float> pixels;
  for (const CropBox& view : views) {
    SoftTokenRows rows = Find(hash, view);
    if (rows) {
      progress.done += config_.num_layers;
      if (!on_progress(progress)) return Fail(ErrorCode::kCancelled, "cancelled by the caller");
    } else {
      pixels.resize(3 * config_.image_size * config_.image_size);
      PreprocessView(picture, view, config_.image_size, workspace_.pool(), pixels);
      GEMMA3_TRY(rows, EncodePixels(pixels, [&](size_t) {
                   ++progress.done;
                   return on_progress(progress);
                 }));
      Remember({hash, view, rows, rows});
      ++report.encoded;
    }
    out.push_back(std::move(rows));
  }
  report.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

}  // namespace gemma3
