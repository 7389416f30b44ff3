// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What to say about tensors of a file that Gemma 3 has no place for. Inside the model's own tree (a
// bias of a projection, half of an adapter, a scale) they take part in what the model computes, so
// that leaving them out would give another model's answers; elsewhere they may be anything.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

// The error about a tensor inside the model: kUnsupported, with what it seems to be. `name` is the
// file's own.
std::unexpected<Error> RefuseInside(std::string_view file, std::string_view name);

class StrayTensors {
 public:
  void Add(std::string_view name);
  bool empty() const { return count_ == 0; }
  // "3 tensors (a, b, c)".
  std::string Describe() const;

 private:
  static constexpr size_t kNamed = 3;
  size_t count_ = 0;
  std::vector<std::string> names_;  // the first, fit to be shown
};

}  // namespace gemma3
