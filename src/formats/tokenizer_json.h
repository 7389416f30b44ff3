// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Vocabularies in the JSON files of huggingface/tokenizers and transformers.
//
// A folder may name tokens in four files: tokenizer.model (the base vocabulary), tokenizer.json
// (the base again, and `added_tokens`), tokenizer_config.json (`added_tokens_decoder`) and
// added_tokens.json. Fine-tunes add theirs to the last three and leave the first as it was.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/base/remarks.h"
#include "src/base/vocabulary.h"

namespace gemma3 {

struct NamedToken {
  uint64_t id = 0;
  std::string content;
  AddedToken how;
};

// A file's text and its name in messages. Empty: the folder has no such file.
struct NamedText {
  std::string_view text;
  std::string name;
};
struct TokenizerTexts {
  NamedText tokenizer = {};           // tokenizer.json
  NamedText config = {};              // tokenizer_config.json
  NamedText added = {};               // added_tokens.json
  NamedText special_tokens_map = {};  // special_tokens_map.json
};

// The tokens that these files add, each once. Where they contradict each other, the earlier file of
// TokenizerTexts counts, as in transformers, but a token that any of them calls special is special;
// both leave a warning. Of tokenizer.json no more is parsed than that needs: it may have 33 MB.
// Errors: kBadModel for what is no list of tokens.
Result<std::vector<NamedToken>> ReadAddedTokens(const TokenizerTexts& texts, Remarks* remarks);

// Puts tokens into a vocabulary whose types are those of a tokenizer.model. An <unusedN> may get
// another name, with a note. Errors: kBadModel where another piece has a token's id (the files
// belong to different vocabularies), or an id is far behind the others.
Status AddTokens(const std::vector<NamedToken>& tokens, const std::string& where,
                 SpmVocabulary* vocabulary, Remarks* remarks);

// The vocabulary of a tokenizer.json of type BPE with `tokens` added; merge ranks become scores,
// the types follow from the added tokens and the spellings. Errors: kBadModel for a damaged file;
// kUnsupported for one that is not Gemma's kind of tokenizer.
Result<SpmVocabulary> VocabularyFromTokenizerJson(std::string_view json, const std::string& where,
                                                  const std::vector<NamedToken>& tokens,
                                                  Remarks* remarks);
// The same with the tokens that the file itself adds.
Result<SpmVocabulary> VocabularyFromTokenizerJson(std::string_view json, const std::string& where);

}  // namespace gemma3
