// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the tests of requests share: a model to ask, and bodies that are read.
#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "tools/serve/json_in.h"
#include "tools/serve/json_out.h"
#include "tools/serve/openai_fields.h"

namespace gemma3::serve {

inline ModelView View() {
  return {.id = "tiny", .system = "", .end_tokens = {1, 106}, .context = 100, .has_vision = true};
}

inline JsonIn In(const Json& json) {
  auto parsed = JsonIn::ParseObject(json.dump());
  EXPECT_TRUE(parsed) << parsed.error().message;
  return *std::move(parsed);
}

}  // namespace gemma3::serve
