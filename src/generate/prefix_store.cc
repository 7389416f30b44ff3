// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/prefix_store.h"

#include <algorithm>
#include <utility>

namespace gemma3 {

size_t PrefixStore::Resumable(const Entry& entry, const TokenSequence& sequence,
                              std::string_view salt, size_t most) {
  if (entry.salt != salt) return 0;
  const size_t common = CommonPrefix(entry.sequence, sequence, most);
  return entry.cache.CanTruncate(common) ? common : 0;
}

// Whether the whole entry is the beginning of the sequence.
bool PrefixStore::Begins(const Entry& entry, const TokenSequence& sequence, std::string_view salt) {
  const size_t size = entry.sequence.ids.size();
  return entry.salt == salt && CommonPrefix(entry.sequence, sequence, size) == size;
}

size_t PrefixStore::Match(const TokenSequence& sequence, std::string_view salt, size_t most) const {
  size_t best = 0;
  for (const Entry& entry : entries_) {
    best = std::max(best, Resumable(entry, sequence, salt, most));
  }
  return best;
}

std::optional<KvCache> PrefixStore::Find(const TokenSequence& sequence, std::string_view salt,
                                         size_t most) {
  size_t best = 0;
  auto found = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    const size_t size = Resumable(*it, sequence, salt, most);
    if (size > best) best = size, found = it;
  }
  if (found == entries_.end()) return std::nullopt;
  KvCache fork = found->cache.Fork();
  fork.Truncate(best);
  entries_.splice(entries_.begin(), entries_, found);
  return fork;
}

void PrefixStore::KeepCheckpoint(const TokenSequence& sequence, KvCache cache,
                                 std::string_view salt, const KvCache* beside) {
  const size_t size = cache.size();
  // What an entry can be gone back to already is only marked as used.
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (Resumable(*it, sequence, salt, size) == size) {
      entries_.splice(entries_.begin(), entries_, it);
      return;
    }
  }
  Entry entry{sequence, std::move(cache), std::string(salt), false};
  entry.sequence.Truncate(size);
  entries_.push_front(std::move(entry));
  TrimCheckpoints(beside);
}

void PrefixStore::KeepEnd(const TokenSequence& sequence, KvCache cache, std::string_view salt) {
  Entry entry{sequence, std::move(cache), std::string(salt), true};
  entry.sequence.Truncate(entry.cache.size());
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (!Begins(*it, entry.sequence, salt)) {
      ++it;
    } else if (entry.cache.CanTruncate(it->cache.size())) {
      it = entries_.erase(it);
    } else {
      (it++)->is_end = false;
    }
  }
  entries_.push_front(std::move(entry));
  TrimEnds();
  TrimCheckpoints(nullptr);
}

void PrefixStore::TrimEnds() {
  size_t ends = 0;
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (!it->is_end || ++ends <= max_ends_) {
      ++it;
      continue;
    }
    // Checkpoints of this text alone go with it.
    const Entry gone = std::move(*it);
    it = entries_.erase(it);
    for (auto other = entries_.begin(); other != entries_.end();) {
      const bool of_another = std::ranges::any_of(entries_, [&](const Entry& end) {
        return end.is_end && Begins(*other, end.sequence, end.salt);
      });
      const bool goes = !other->is_end && Begins(*other, gone.sequence, gone.salt) && !of_another;
      if (goes && it == other) ++it;
      other = goes ? entries_.erase(other) : std::next(other);
    }
  }
}

void PrefixStore::TrimCheckpoints(const KvCache* beside) {
  size_t bytes = 0, count = 0;
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (it->is_end) {
      ++it;
      continue;
    }
    // What it alone pins: pages are shared with what goes on from it, and with its neighbours.
    size_t own = beside ? it->cache.BytesBeside(*beside) : SIZE_MAX;
    for (auto other = entries_.begin(); other != entries_.end(); ++other) {
      if (other->is_end) own = std::min(own, it->cache.BytesBeside(other->cache));
    }
    for (auto other = entries_.begin(); other != it; ++other) {
      own = std::min(own, it->cache.BytesBeside(other->cache));
    }
    if (own != SIZE_MAX) bytes += own;
    ++count;
    it = bytes > checkpoint_bytes_ && count > min_checkpoints_ ? entries_.erase(it) : std::next(it);
  }
}

void PrefixStore::Drop(const TokenSequence& sequence, std::string_view salt, size_t size) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.cache.size() > size && Begins(entry, sequence, salt);
  });
}

bool PrefixStore::EvictOne() {
  if (entries_.empty()) return false;
  entries_.pop_back();
  return true;
}

}  // namespace gemma3
