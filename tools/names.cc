// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/names.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace gemma3::cli {

size_t EditDistance(std::string_view a, std::string_view b) {
  // Rows of the usual table, the two before the current one kept for swaps (optimal string
  // alignment).
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string NearestName(std::string_view name, std::span<const std::string> candidates) {
  // Names are short; a longer word is no misspelling of one, and its table would cost.
  constexpr size_t kMaxLength = 64;
  if (name.empty() || name.size() > kMaxLength) return "";
  const std::string* best = nullptr;
  std::pair<size_t, size_t> best_distance;  // then the difference in length: --topk is not --to
  for (const std::string& candidate : candidates) {
    size_t distance = EditDistance(name, candidate);
    const size_t shorter = std::min(name.size(), candidate.size());
    if (shorter >= 3 && name.substr(0, shorter) == std::string_view(candidate).substr(0, shorter)) {
      distance = std::min<size_t>(distance, 1);
    }
    const size_t longer = std::max(name.size(), candidate.size());
    if (distance > std::max<size_t>(1, longer / 3)) continue;
    const std::pair<size_t, size_t> whole(distance, longer - shorter);
    if (best == nullptr || whole < best_distance) {
      best = &candidate;
      best_distance = whole;
    }
  }
  return best == nullptr ? "" : *best;
}

std::string DidYouMean(std::string_view name, std::span<const std::string> candidates) {
  const std::string nearest = NearestName(name, candidates);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

}  // namespace gemma3::cli
