// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// POST /v1/responses, as far as agents need it. Nothing is stored: a client sends the whole
// conversation each time, and previous_response_id is refused.
#pragma once

#include "tools/serve/ask.h"
#include "tools/serve/json_in.h"

namespace gemma3::serve {

// Errors: 400 with `param`.
Api<Ask> ReadResponses(const JsonIn& body, const ModelView& model, const AskDefaults& defaults);

}  // namespace gemma3::serve
