// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Google's form: POST /v1beta/models/NAME:generateContent and :streamGenerateContent.
#pragma once

#include <span>

#include "tools/serve/ask.h"
#include "tools/serve/json_in.h"
#include "tools/serve/json_out.h"
#include "tools/serve/model_store.h"

namespace gemma3::serve {

// How an answer is told: whole, as events (?alt=sse), or as a JSON list in pieces.
enum class GoogleForm { kWhole, kEvents, kList };

// Errors: 400 with `param`.
Api<Ask> ReadGoogle(const JsonIn& body, const ModelView& model, const AskDefaults& defaults,
                    GoogleForm form);

// A schema in Google's form (types in capitals, nullable, propertyOrdering, numbers as texts) as
// JSON Schema.
std::string JsonSchemaOf(const JsonIn& schema);

Json GoogleModel(const ListedModel& model);
Json GoogleModels(std::span<const ListedModel> models);

}  // namespace gemma3::serve
