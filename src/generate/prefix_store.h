// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What was computed and nobody computes on now, kept for whoever comes with the same beginning: the
// next turn of a conversation, the same question again, another one behind the same text.
//
// Two kinds of entries. An end is where a computed text stopped; there are as many as conversations
// are to be kept. A checkpoint is a place on the way that cannot be gone back to from an end any
// more, because local layers have let go of what it needs: it pins a window of theirs, and all
// checkpoints together have a budget of bytes. What was used longest ago goes first.
//
// Beginnings are compared token by token, not by hashes: there are few entries, the first
// difference ends a comparison, and nothing has to be said about collisions.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "src/generate/token_sequence.h"
#include "src/model/kv_cache.h"

namespace gemma3 {

// Thread rule: one at a time.
class PrefixStore {
 public:
  // min_checkpoints: this many, the latest, stay whatever they take.
  PrefixStore(size_t max_ends, size_t checkpoint_bytes, size_t min_checkpoints)
      : max_ends_(max_ends),
        checkpoint_bytes_(checkpoint_bytes),
        min_checkpoints_(min_checkpoints) {}

  // How much of the beginning of `sequence`, at most `most` tokens, somebody with this salt has
  // computed and can be gone on from.
  size_t Match(const TokenSequence& sequence, std::string_view salt, size_t most) const;
  // A fork that holds just that; an empty optional where it is nothing.
  std::optional<KvCache> Find(const TokenSequence& sequence, std::string_view salt, size_t most);

  // Keeps what `cache` holds, the beginning of `sequence`. `beside`, if not null, is a cache that
  // lives on and shares pages with this one: they cost nothing.
  void KeepCheckpoint(const TokenSequence& sequence, KvCache cache, std::string_view salt,
                      const KvCache* beside);
  // Entries that it makes superfluous go, and those of the texts that it takes the place of.
  void KeepEnd(const TokenSequence& sequence, KvCache cache, std::string_view salt);

  // Lets go of what was kept of this text beyond `size` tokens.
  void Drop(const TokenSequence& sequence, std::string_view salt, size_t size);
  // Lets go of the entry that was used longest ago. False: there is none.
  bool EvictOne();
  void Clear() { entries_.clear(); }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    TokenSequence sequence;  // just what the cache holds
    KvCache cache;
    std::string salt;
    bool is_end = false;
  };
  static size_t Resumable(const Entry& entry, const TokenSequence& sequence, std::string_view salt,
                          size_t most);
  static bool Begins(const Entry& entry, const TokenSequence& sequence, std::string_view salt);
  void TrimEnds();
  void TrimCheckpoints(const KvCache* beside);

  const size_t max_ends_, checkpoint_bytes_, min_checkpoints_;
  std::list<Entry> entries_;  // the most recently used first
};

}  // namespace gemma3
