// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A configuration as JSON, field for field (config_fields.h), as packed files hold it. What is
// written is read back as it was: nothing is derived, repaired or left out.
#pragma once

#include <string>
#include <string_view>

#include "gemma3/config.h"
#include "gemma3/error.h"

namespace gemma3 {

std::string ConfigJson(const ModelConfig& config);

// `where` names the text in messages. Errors: kBadModel, naming the field, for one that is missing,
// unknown or of another type.
Result<ModelConfig> ParseConfigJson(std::string_view json, const std::string& where);

}  // namespace gemma3
