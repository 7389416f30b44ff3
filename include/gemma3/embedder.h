// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Vectors of texts, for search and comparison, with EmbeddingGemma.
//
//   auto embedder = gemma3::Embedder::Create(*model);
//   auto documents = embedder->Embed(texts, {.prompt = "document"});
//   auto question = embedder->Embed({{"Which planet is red?"}}, {.prompt = "query"});
//   float near = gemma3::Cosine(question->vector(0), documents->vector(2));
//
// Thread rule: any thread. Calls take turns, a batch of texts at a time. A call computes on the
// thread that makes it, with the embedder's helper threads.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/adapter.h"
#include "gemma3/cancel.h"
#include "gemma3/error.h"
#include "gemma3/generation.h"
#include "gemma3/model.h"
#include "gemma3/options.h"

namespace gemma3 {

struct EmbedderOptions {
  size_t threads = 0;  // 0: all cores this process may use
  ComputeMode compute = ComputeMode::kFast;
  size_t batch = 1024;          // tokens computed at once, whole texts; does not change results
  size_t max_memory_bytes = 0;  // 0: no limit; else creation fails with the plan
  // kF32 is what sentence-transformers computes, whose vectors collections hold.
  ReferenceRounding reference = ReferenceRounding::kF32;
  // Of all vectors. Loaded for the same model.
  std::vector<AdapterUse> adapters = {};
};

struct EmbedOptions {
  // The name of one of the model's task prompts (ModelConfig::embedding), which are put before each
  // text: "query" and "document" for search, "STS" for similarity, ... Upper and lower case are
  // alike. Empty: the model's default, which is none in EmbeddingGemma; "none": none.
  std::string prompt = {};
  // A prompt of the caller's own ("title: Mars | text: "), in place of a named one.
  std::optional<std::string> prefix = {};
  // Numbers of a vector; 0: all. EmbeddingGemma is trained for 768, 512, 256 and 128. Shorter
  // vectors are the beginnings of longer ones, brought to length 1 again.
  size_t dimensions = 0;
  // Of a text that is too long (EmbeddingConfig::max_tokens), the beginning counts; else it is an
  // error.
  bool truncate = false;
  std::optional<CancelFlag> cancel = {};
};

struct Embeddings {
  size_t dimensions = 0;
  std::vector<float> values;  // [texts, dimensions]
  // Of each text, all that were computed: its prompt, BOS and EOS included.
  std::vector<size_t> tokens;
  std::vector<size_t> truncated;  // the texts that were cut

  size_t size() const { return tokens.size(); }
  std::span<const float> vector(size_t text) const {
    return {values.data() + text * dimensions, dimensions};
  }
};

// The cosine of the angle between two vectors of one length; 0 where one of them is zero.
float Cosine(std::span<const float> a, std::span<const float> b);

struct EmbedderState;  // internal

// A cheap handle; copies share one embedder.
class Embedder {
 public:
  // Errors: kUnsupported for a model that generates text; kInvalidArgument for an option out of
  // range or an adapter of another model; kOutOfMemory with the plan.
  static Result<Embedder> Create(const Model& model, const EmbedderOptions& options = {});

  // The vectors of the texts, in their order. A vector is the same, to the last bit, alone or among
  // others. Progress: Stage::kEmbed. Errors: kInvalidArgument for a text that is not UTF-8 (the
  // message says which), an unknown prompt or dimensions out of range; kContextTooLong for a text
  // that is too long, unless it may be cut; kCancelled; kInternal for numbers that overflowed.
  Result<Embeddings> Embed(std::span<const std::string> texts, const EmbedOptions& options = {},
                           const ProgressCallback& on_progress = {}) const;

  // The tokens that Embed computes of a text, BOS and EOS included, however many they are. Errors:
  // as for Embed.
  Result<std::vector<TokenId>> Tokens(const std::string& text,
                                      const EmbedOptions& options = {}) const;

  size_t dimensions() const;  // of a whole vector
  size_t max_tokens() const;  // of a text
  const EmbedderOptions& options() const;
  const Model& model() const;

 private:
  explicit Embedder(std::shared_ptr<EmbedderState> state) : state_(std::move(state)) {}
  std::shared_ptr<EmbedderState> state_;
};

}  // namespace gemma3
