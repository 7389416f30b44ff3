// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/image_encoder.h"

#include <algorithm>
#include <utility>

#include "src/base/finite.h"
#include "src/base/status.h"
#include "src/generate/restored_picture.h"
#include "src/image/preprocess.h"

namespace gemma3 {

ImageEncoder::ImageEncoder(const ModelConfig& config, const VisionWeights& weights, Compute compute,
                           size_t max_bytes, size_t text_floats, Workspace& workspace)
    : config_(config.vision),
      text_hidden_(config.text.hidden_size),
      max_bytes_(max_bytes),
      text_floats_(text_floats),
      workspace_(workspace),
      tower_(config_, weights, compute) {}

ImageHash ImageEncoder::HashOf(const std::shared_ptr<const Image>& picture) {
  std::erase_if(known_, [](const Known& known) { return known.picture.expired(); });
  for (const Known& known : known_) {
    if (known.picture.lock() == picture) return known.hash;
  }
  const ImageHash hash = hasher_(*picture);
  known_.push_back({picture, hash});
  return hash;
}

SoftTokenRows ImageEncoder::Find(const std::shared_ptr<const Image>& picture, const CropBox& view,
                                 std::string_view salt) {
  if (picture->restored) return picture->restored->Find(view);
  const ImageHash hash = HashOf(picture);
  const auto it = std::ranges::find_if(entries_, [&](const Entry& entry) {
    return entry.picture == hash && entry.view == view && entry.salt == salt;
  });
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

void ImageEncoder::Remember(const std::shared_ptr<const Image>& picture, const CropBox& view,
                            std::string_view salt, const SoftTokenRows& rows) {
  entries_.push_front({HashOf(picture), view, std::string(salt), rows, rows});
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
                                                 const VisionTower::LayerCallback& on_layer,
                                                 const AdapterSet* adapters) {
  auto rows = std::make_shared<std::vector<float>>(config_.tokens_per_image * text_hidden_);
  const Status encoded =
      tower_.Encode(pixels, Rows<float>(rows->data(), config_.tokens_per_image, text_hidden_),
                    workspace_, on_layer, adapters);
  workspace_.Shrink(text_floats_);  // the tower needs several times as much
  GEMMA3_CHECK_OK(encoded);
  return rows;
}

Result<SoftTokenRows> ImageEncoder::Encode(const std::shared_ptr<const Image>& picture,
                                           const CropBox& view, std::string_view salt,
                                           const VisionTower::LayerCallback& on_layer,
                                           const AdapterSet* adapters) {
  std::vector<float> pixels(3 * config_.image_size * config_.image_size);
  PreprocessView(*picture, view, config_.image_size, workspace_.pool(), pixels);
  GEMMA3_TRY(SoftTokenRows rows, EncodePixels(pixels, on_layer, adapters));
  Remember(picture, view, salt, rows);
  return rows;
}

}  // namespace gemma3
