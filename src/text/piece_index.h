// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From a token's spelling to its id.
//
// A hash table of ids only: the spellings stay where their owner keeps them and are passed in as a
// function, so that the table can outlive a move of the buffer they stand in.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace gemma3 {

// Memory: 8 bytes a slot, 4/3 to 8/3 slots a piece.
class PieceIndex {
 public:
  // At most `count` pieces will be inserted.
  explicit PieceIndex(size_t count) : slots_(std::bit_ceil(count + count / 3 + 1)) {}

  // spelling(id) gives the piece of an id that was inserted. Returns the id that is spelled like
  // `piece`, or -1 after inserting `id` for it.
  template <class Spelling>
  int32_t Insert(std::string_view piece, int32_t id, const Spelling& spelling) {
    const uint64_t hash = Hash(piece);
    Slot& slot = slots_[Probe(piece, hash, spelling)];
    if (slot.id >= 0) return slot.id;
    slot = {id, static_cast<uint32_t>(hash >> 32)};
    return -1;
  }

  template <class Spelling>
  int32_t Find(std::string_view piece, const Spelling& spelling) const {
    return slots_[Probe(piece, Hash(piece), spelling)].id;
  }

 private:
  struct Slot {
    int32_t id = -1;    // -1 is free
    uint32_t hash = 0;  // upper half; spares most looks at the spellings
  };

  static uint64_t Hash(std::string_view piece) { return std::hash<std::string_view>()(piece); }

  // The slot of `piece`, or the free one where it belongs.
  template <class Spelling>
  size_t Probe(std::string_view piece, uint64_t hash, const Spelling& spelling) const {
    size_t i = hash & (slots_.size() - 1);
    while (slots_[i].id >= 0 && (slots_[i].hash != static_cast<uint32_t>(hash >> 32) ||
                                 spelling(slots_[i].id) != piece)) {
      i = (i + 1) & (slots_.size() - 1);
    }
    return i;
  }

  std::vector<Slot> slots_;  // a power of two, never full
};

}  // namespace gemma3
