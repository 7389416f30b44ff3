// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A model in a store, and what the store says about it besides its files.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "src/base/remarks.h"

namespace gemma3 {

// What whoever made the model in the store wants where the user says nothing.
struct StoreDefaults {
  std::optional<std::string> system;  // a system message
  std::optional<float> temperature;
  std::optional<int> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repeat_penalty;
  std::optional<size_t> repeat_last_n;
  std::vector<std::string> stop;
  std::optional<size_t> context;
};

struct FoundModel {
  std::string path;         // a folder or a file
  std::string mmproj = {};  // a separate vision file that the store ties to it; usually empty
  std::string name = {};    // for people, where the path does not tell; else empty
  // The store's own chat template, where it has one, in Go's template language.
  std::optional<std::string> chat_template = {};
  StoreDefaults defaults = {};
  Remarks remarks = {};
};

}  // namespace gemma3
