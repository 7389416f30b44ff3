// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Pictures to soft tokens, remembering what was encoded: the tower costs seconds a picture, and the
// next turn, a regenerated answer or a second question needs the same rows again.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/generation.h"
#include "gemma3/image.h"
#include "ops/matmul.h"
#include "src/image/hash.h"
#include "src/image/view.h"
#include "src/model/image_run.h"
#include "src/threading/workspace.h"
#include "src/vision/vision_tower.h"
#include "src/weights/weights.h"

namespace gemma3 {

// Thread rule: one at a time.
class ImageEncoder {
 public:
  // The configuration, that of a model with a tower, the weights and the workspace must outlive
  // this. max_bytes: of soft tokens that are kept although nobody uses them. text_floats: of the
  // workspace, what the language model will want again.
  ImageEncoder(const ModelConfig& config, const VisionWeights& weights, Compute compute,
               size_t max_bytes, size_t text_floats, Workspace& workspace);

  // Soft tokens of a view (see PlanViews) that was encoded before under this salt, which names the
  // adapters (JoinSalt), or null. Who does not share what was computed does not share this either:
  // how long a picture takes would tell that another one has shown it. A picture must not change
  // while somebody holds it: it is hashed once.
  SoftTokenRows Find(const std::shared_ptr<const Image>& picture, const CropBox& view,
                     std::string_view salt);
  // Encodes it and remembers it. Errors: kCancelled where on_layer says so.
  Result<SoftTokenRows> Encode(const std::shared_ptr<const Image>& picture, const CropBox& view,
                               std::string_view salt, const VisionTower::LayerCallback& on_layer,
                               const AdapterSet* adapters = nullptr);

  // Takes the rows of a view from elsewhere.
  void Remember(const std::shared_ptr<const Image>& picture, const CropBox& view,
                std::string_view salt, const SoftTokenRows& rows);

  // Errors: kInvalidArgument for a tower input that is not [channels, image_size, image_size], or
  // not finite.
  Status CheckPixels(std::span<const float> pixels) const;

  // Soft tokens of a tower input that is sound. Nothing is remembered.
  Result<SoftTokenRows> EncodePixels(std::span<const float> pixels,
                                     const VisionTower::LayerCallback& on_layer,
                                     const AdapterSet* adapters = nullptr);

  size_t num_layers() const { return config_.num_layers; }

 private:
  // One view of one picture. What is no longer kept here can still be found as long as something
  // else, such as a sequence that was computed, keeps it: it costs no memory then.
  struct Entry {
    ImageHash picture;
    CropBox view;
    std::string salt;
    std::weak_ptr<const std::vector<float>> rows;
    SoftTokenRows kept = nullptr;
  };
  // A picture that somebody holds, and its hash.
  struct Known {
    std::weak_ptr<const Image> picture;
    ImageHash hash;
  };
  ImageHash HashOf(const std::shared_ptr<const Image>& picture);
  void Trim();

  const VisionConfig& config_;
  const size_t text_hidden_;
  const size_t max_bytes_;
  const size_t text_floats_;
  Workspace& workspace_;
  const ImageHasher hasher_;
  const VisionTower tower_;
  std::list<Entry> entries_;  // the most recently used first
  std::vector<Known> known_;
};

}  // namespace gemma3
