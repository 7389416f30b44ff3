// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Windows: huggingface/transformers, models/gemma3/configuration_gemma3.py (half of the window and
// one, an exclusive bound on distances), and its pull request 47940.
#include "src/formats/embedding.h"

#include <utility>

#include "src/base/status.h"

namespace gemma3 {

std::vector<TaskPrompt> PublishedTaskPrompts() {
  constexpr const char* kSearch = "task: search result | query: ";
  constexpr const char* kDocument = "title: none | text: ";
  constexpr const char* kClassification = "task: classification | query: ";
  constexpr const char* kSimilarity = "task: sentence similarity | query: ";
  return {
      {"query", kSearch},
      {"document", kDocument},
      {"BitextMining", kSearch},
      {"Clustering", "task: clustering | query: "},
      {"Classification", kClassification},
      {"InstructionRetrieval", "task: code retrieval | query: "},
      {"MultilabelClassification", kClassification},
      {"PairClassification", kSimilarity},
      {"Reranking", kSearch},
      {"Retrieval", kSearch},
      {"Retrieval-query", kSearch},
      {"Retrieval-document", kDocument},
      {"STS", kSimilarity},
      {"Summarization", "task: summarization | query: "},
  };
}

Result<size_t> SeenOnEitherSide(size_t window, const std::string& where) {
  constexpr size_t kSavedHalved = 257;
  if (window == kSavedHalved) return kSavedHalved;
  if (window % 2 == 0) return window / 2 + 1;
  return Fail(
      ErrorCode::kUnsupported, where, ": a sliding window of ", window,
      " with bidirectional attention: the published model has 512, and an odd number may be "
      "half of a window, saved by transformers, or a whole one");
}

}  // namespace gemma3
