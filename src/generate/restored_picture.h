// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A picture of a saved conversation: without pixels, but with what the tower made of them.
#pragma once

#include <vector>

#include "src/base/hash.h"
#include "src/image/view.h"
#include "src/model/image_run.h"

namespace gemma3 {

struct RestoredPicture {
  struct View {
    CropBox box;
    SoftTokenRows rows;
  };
  Hash128 hash;  // of the pixels that there were
  std::vector<View> views;

  // Null: the view was not saved.
  SoftTokenRows Find(const CropBox& box) const {
    for (const View& view : views) {
      if (view.box == box) return view.rows;
    }
    return nullptr;
  }
};

}  // namespace gemma3
