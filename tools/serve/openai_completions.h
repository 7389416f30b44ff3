// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// POST /v1/completions: raw text goes on, without a chat template, behind BOS.
#pragma once

#include "tools/serve/ask.h"
#include "tools/serve/json_in.h"

namespace gemma3::serve {

// Errors: 400 with `param`.
Api<Ask> ReadCompletion(const JsonIn& body, const ModelView& model, const AskDefaults& defaults);

}  // namespace gemma3::serve
