// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A model that a test cannot do without.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "gemma3/model.h"

namespace gemma3::testing {

inline Model LoadAt(const std::string& path, const LoadOptions& options = {}) {
  auto model = Model::Load(path, options);
  if (!model) {
    ADD_FAILURE() << model.error().message;
    std::exit(1);
  }
  return *std::move(model);
}

}  // namespace gemma3::testing
