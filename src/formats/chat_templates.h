// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Where chat templates lie in a Hugging Face folder.
#pragma once

#include <string>
#include <vector>

#include "src/base/remarks.h"
#include "src/formats/checkpoint.h"

namespace gemma3 {

// From chat_template.jinja, chat_template.json and tokenizer_config.json, in this order, the one in
// which transformers prefers them. Of a list of named templates, the one called "default", else the
// first. A file that cannot be read is no reason to refuse the model: it gets a warning.
std::vector<StoredTemplate> ReadChatTemplates(const std::string& folder, Remarks* remarks);

// The template in one of the two JSON files; nothing without one. Errors: kBadModel.
Result<std::string> ChatTemplateFromJson(std::string_view json, const std::string& where);

}  // namespace gemma3
