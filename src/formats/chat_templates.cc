// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Where chat templates lie in a Hugging Face folder.
#include "src/formats/chat_templates.h"

#include <filesystem>
#include <utility>

#include "src/base/file_map.h"
#include "src/base/json.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxBytes = 64 << 20;  // tokenizer_config.json lists every added token
constexpr std::string_view kKey = "chat_template";

}  // namespace

Result<std::string> ChatTemplateFromJson(std::string_view json, const std::string& where) {
  // The file may be large, and most that are have none.
  if (json.find(kKey) == std::string_view::npos) return std::string();
  GEMMA3_TRY(const JsonValue root, JsonValue::Parse(json, where));
  const auto found = root.Find(kKey);
  if (!found) return std::string();
  if (!found->IsArray()) return found->AsString();
  std::string text;
  for (size_t i = found->size(); i-- > 0;) {
    const JsonValue item = (*found)[i];
    GEMMA3_TRY(const std::string name, item.String("name", ""));
    GEMMA3_TRY(std::string value, item.String("template", ""));
    text = std::move(value);
    if (name == "default") return text;
  }
  return text;
}

std::vector<StoredTemplate> ReadChatTemplates(const std::string& folder, Remarks* remarks) {
  std::vector<StoredTemplate> templates;
  for (const char* name : {"chat_template.jinja", "chat_template.json", "tokenizer_config.json"}) {
    const std::string path = (fs::path(folder) / name).string();
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    Result<std::string> text = ReadFile(path, kMaxBytes);
    if (text && path.ends_with(".json")) text = ChatTemplateFromJson(*text, path);
    if (!text) {
      remarks->warnings.push_back("no chat template is read from " + path + ": " +
                                  text.error().message);
    } else if (!text->empty()) {
      templates.push_back({path, *std::move(text)});
    }
  }
  return templates;
}

}  // namespace gemma3
