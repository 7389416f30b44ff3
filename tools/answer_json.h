// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// An answer as a JSON object: what run --json prints, and each line of run --batch.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "gemma3/generation.h"
#include "tools/models.h"

namespace gemma3::cli {

nlohmann::ordered_json AnswerJson(const GenerationResult& result, const OpenedModel& opened);

// An object on one line, with a line end. Bytes that are no UTF-8 become U+FFFD. Calls, if there
// are some, are its last member, their arguments as the model wrote them: reading numbers changes
// them.
std::string JsonLine(const nlohmann::ordered_json& json, std::span<const ToolCall> calls = {});

}  // namespace gemma3::cli
