// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Remembers what the texts of a conversation were encoded to, so that a turn encodes what is new in
// it and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gemma3/tokenizer.h"
#include "src/base/status.h"

namespace gemma3 {

// For one tokenizer. Thread rule: one at a time.
class TextMemo {
 public:
  // As Tokenizer::Encode; stop is as for EncodeBegin. Valid until the next call of anything.
  Result<std::span<const TokenId>> Encode(const Tokenizer& tokenizer, const std::string& text,
                                          const std::function<bool()>& stop = {}) {
    auto found = texts_.find(text);
    if (found == texts_.end()) {
      GEMMA3_TRY(std::vector<TokenId> ids, tokenizer.EncodeBegin(text, SIZE_MAX, stop));
      found = texts_.emplace(text, Encoded{std::move(ids), 0}).first;
    }
    found->second.used = now_;
    return std::span<const TokenId>(found->second.ids);
  }

  // A prompt is laid out: forgets the texts that neither this one nor the one before it had.
  void EndPrompt() {
    std::erase_if(texts_, [this](const auto& text) { return text.second.used + 1 < now_; });
    ++now_;
  }

 private:
  struct Encoded {
    std::vector<TokenId> ids;
    size_t used;  // by which prompt, counted
  };
  std::unordered_map<std::string, Encoded> texts_;
  size_t now_ = 1;
};

}  // namespace gemma3
