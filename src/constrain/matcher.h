// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A constraint that follows one text: which tokens may come next, and which must.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/constraint.h"
#include "gemma3/error.h"
#include "src/constrain/parse_states.h"
#include "src/constrain/token_mask.h"
#include "src/constrain/token_trie.h"

namespace gemma3 {

struct MaskStore;

// One text. Not for several threads at once; texts of one constraint share, behind a lock, what
// they have learnt about it. An error (kUnsupported: a grammar too ambiguous to follow) is final:
// the answer has to end there, as nothing may be written without the constraint.
class ConstraintMatcher {
 public:
  // Keeps the constraint alive. `vocabulary` outlives this; without one, only bytes can be
  // followed.
  ConstraintMatcher(const Constraint& constraint, const ConstraintVocabulary* vocabulary);

  // A copy at the same place: for another answer, or a draft that may be dropped. Cheap.
  std::unique_ptr<ConstraintMatcher> Fork() const;

  // The text tokens that may come next; the end of the turn is not among them (MayEnd). Empty only
  // where MustEnd. The mask lives until the next call.
  Result<const TokenMask*> Allowed();
  // Whether the text is complete as it is; and whether nothing can follow, so that there is nothing
  // to sample.
  bool MayEnd() const;
  bool MustEnd() const;
  // Goes on by a token. False where it is not allowed: nothing has changed then.
  Result<bool> Accept(TokenId token);
  // The tokens that must come next, cut as the tokenizer cuts text, without those that the model
  // may want to cut otherwise. They are not accepted yet. Empty where there is a choice.
  Status Forced(std::vector<TokenId>* tokens);

  // By bytes: goes on as far as the text is allowed and returns how many bytes that were.
  Result<size_t> AcceptBytes(std::string_view bytes);
  // The bytes that must come next.
  std::string ForcedBytes();

  // What the store of this constraint holds now, for figures.
  size_t store_bytes() const;

 private:
  ConstraintMatcher(const ConstraintMatcher&) = default;
  void MakeRoom();
  std::unexpected<Error> TooAmbiguous() const;

  std::shared_ptr<const Constraint::Impl> impl_;
  const ConstraintVocabulary* vocabulary_;
  std::shared_ptr<MaskStore> store_;
  ParseStates::Id state_;
  size_t bytes_read_ = 0;
  std::shared_ptr<const TokenMask> mask_;
};

}  // namespace gemma3
