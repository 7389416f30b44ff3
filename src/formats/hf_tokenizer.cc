// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_tokenizer.h"

#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "src/base/file_map.h"
#include "src/base/shown.h"
#include "src/base/spm_proto.h"
#include "src/base/status.h"
#include "src/formats/lfs_pointer.h"
#include "src/formats/tokenizer_json.h"
#include "src/formats/vocabulary.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxTokenizerBytes = 128 << 20;

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// The folder's JSON files, mapped: of the largest one little is read.
class JsonFiles {
 public:
  Result<NamedText> Open(const fs::path& path) {
    NamedText file{{}, path.string()};
    if (!Exists(path)) return file;
    GEMMA3_CHECK_OK(RefuseLfsPointer(file.name));
    GEMMA3_TRY(auto map, FileMap::Open(file.name));
    const auto bytes = map->bytes();
    if (bytes.empty()) {
      return Fail(ErrorCode::kBadModel, file.name, " is empty; is the download complete?");
    }
    if (bytes.size() > kMaxTokenizerBytes) {
      return Fail(ErrorCode::kBadModel, file.name, ": ", bytes.size(), " bytes, expected at most ",
                  kMaxTokenizerBytes);
    }
    file.text = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    maps_.push_back(std::move(map));
    return file;
  }

 private:
  std::vector<std::shared_ptr<const FileMap>> maps_;
};

// Drops tokens that the embedding has no row for.
void DropTokensWithoutRow(size_t rows, const std::string& folder, std::vector<NamedToken>* tokens,
                          Remarks* remarks) {
  const NamedToken* first = nullptr;
  size_t count = 0;
  for (const NamedToken& token : *tokens) {
    // Published text models list the mark of pictures, which they have no row for.
    if (token.id < rows || token.content == "<image_soft_token>") continue;
    if (count++ == 0) first = &token;
  }
  if (first != nullptr) {
    remarks->warnings.push_back(
        folder + ": token " + std::to_string(first->id) + ", \"" + Shown(first->content, 60) +
        "\"" + (count > 1 ? ", and " + std::to_string(count - 1) + " more" : "") +
        " have no row in the embedding of " + std::to_string(rows) + " rows and were left out");
  }
  std::erase_if(*tokens, [&](const NamedToken& token) { return token.id >= rows; });
}

// The vocabulary of a tokenizer.model with the tokens added, serialized.
Result<std::string> AddToModel(std::string proto, const fs::path& folder,
                               const std::vector<NamedToken>& tokens, Remarks* remarks) {
  if (tokens.empty()) return proto;
  SpmSettings settings;
  GEMMA3_TRY(SpmVocabulary vocabulary,
             ParseSpmProto(proto, (folder / "tokenizer.model").string(), &settings));
  // Not Gemma's kind of tokenizer: the tokenizer refuses it, and says why.
  if (!(settings == SpmSettings::Gemmas())) return proto;
  GEMMA3_CHECK_OK(AddTokens(tokens, folder.string(), &vocabulary, remarks));
  DropTrailingPadding(&vocabulary);
  return SerializeSpmProto(vocabulary);
}

}  // namespace

Result<HfTokenizer> ReadHfTokenizer(const fs::path& folder, size_t rows, Remarks* remarks,
                                    bool headers_only) {
  const std::string none = folder.string() + " holds neither tokenizer.model nor tokenizer.json";
  if (headers_only) {
    const bool there = Exists(folder / "tokenizer.model") || Exists(folder / "tokenizer.json");
    return HfTokenizer{.proto = "", .missing = there ? "" : none};
  }
  JsonFiles files;
  TokenizerTexts texts;
  GEMMA3_TRY(texts.tokenizer, files.Open(folder / "tokenizer.json"));
  GEMMA3_TRY(texts.config, files.Open(folder / "tokenizer_config.json"));
  GEMMA3_TRY(texts.added, files.Open(folder / "added_tokens.json"));
  GEMMA3_TRY(texts.special_tokens_map, files.Open(folder / "special_tokens_map.json"));
  const fs::path model = folder / "tokenizer.model";
  const bool has_model = Exists(model);
  HfTokenizer out;
  if (!has_model && texts.tokenizer.text.empty()) {
    out.missing = none;
    return out;
  }
  GEMMA3_TRY(std::vector<NamedToken> tokens, ReadAddedTokens(texts, remarks));
  DropTokensWithoutRow(rows, folder.string(), &tokens, remarks);
  if (has_model) {
    GEMMA3_CHECK_OK(RefuseLfsPointer(model.string()));
    GEMMA3_TRY(std::string proto, ReadFile(model.string(), kMaxTokenizerBytes));
    GEMMA3_TRY(out.proto, AddToModel(std::move(proto), folder, tokens, remarks));
    return out;
  }
  const std::string& name = texts.tokenizer.name;
  GEMMA3_TRY(const SpmVocabulary vocabulary,
             VocabularyFromTokenizerJson(texts.tokenizer.text, name, tokens, remarks));
  GEMMA3_TRY(out.proto, BuildSpmProto(vocabulary, name));
  return out;
}

}  // namespace gemma3
