// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Pictures to soft tokens, remembering what was encoded: the tower costs seconds a picture, and the
// next turn, a regenerated answer or a second question needs the same rows again.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <vector>

#include "gemma3/generation.h"
#include "gemma3/image.h"
#include "src/engine/loaded_model.h"
#include "src/engine/runner.h"
#include "src/image/hash.h"
#include "src/image/view.h"
#include "src/vision/vision_tower.h"

namespace gemma3 {

class ImageEncoder {
 public:
  // The model must have a tower and outlive this.
  ImageEncoder(const LoadedModel& model, const ResolvedOptions& options, Workspace& workspace);

  // What encoding a set of views did.
  struct Report {
    size_t encoded = 0;  // the others were remembered
    double seconds = 0;
  };

  // Soft tokens of each view of a picture (see PlanViews). `progress` counts layers over several
  // calls; its total is the caller's. Errors: kCancelled.
  Result<std::vector<SoftTokenRows>> Encode(const Image& picture, std::span<const CropBox> views,
                                            Progress& progress, const ProgressCallback& on_progress,
                                            Report& report);

  // Errors: kInvalidArgument for a tower input that is not [channels, image_size, image_size], or
  // not finite.
  Status CheckPixels(std::span<const float> pixels) const;

  // Soft tokens of a tower input that is sound. Nothing is remembered.
  Result<SoftTokenRows> EncodePixels(std::span<const float> pixels,
                                     const VisionTower::LayerCallback& on_layer);

 private:
  // One view of one picture. What is no longer kept here can still be found as long as something
  // else, such as the sequence that the key/value cache holds, keeps it: it costs no memory then.
  struct Entry {
    ImageHash picture;
    CropBox view;
    std::weak_ptr<const std::vector<float>> rows;
    SoftTokenRows kept = nullptr;
  };
  SoftTokenRows Find(const ImageHash& picture, const CropBox& view);
  void Remember(Entry entry);
  void Trim();

  const VisionConfig& config_;
  const size_t text_hidden_;
  const size_t max_bytes_;
  const size_t text_floats_;  // of the workspace, that the language model will want again
  Workspace& workspace_;
  const ImageHasher hasher_;
  const VisionTower tower_;
  std::list<Entry> entries_;  // the most recently used first
};

}  // namespace gemma3
