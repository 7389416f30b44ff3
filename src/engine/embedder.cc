// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A text's vector (sentence-transformers' arithmetic): the mean of the normalised states of all of
// its tokens, dense layers in f32, and length 1.
#include "gemma3/embedder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "src/base/aligned_buffer.h"
#include "src/base/ascii.h"
#include "src/base/guard.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/engine/adapters.h"
#include "src/engine/loaded_model.h"
#include "src/engine/memory_plan.h"
#include "src/model/transformer.h"
#include "src/threading/processors.h"
#include "src/threading/workspace.h"

namespace gemma3 {
namespace {

using Text = std::span<const TokenId>;

Compute ComputeOf(const EmbedderOptions& options) {
  return options.compute == ComputeMode::kExact ? Compute::kExact : Compute::kFast;
}

// The prompt that goes before each text.
Result<std::string> PrefixOf(const EmbeddingConfig& config, const EmbedOptions& options) {
  if (options.prefix) return *options.prefix;
  const std::string& name = options.prompt.empty() ? config.default_prompt : options.prompt;
  if (name.empty()) return std::string();
  // As it is spelled before any other spelling.
  const auto exact = std::ranges::find(config.prompts, name, &TaskPrompt::name);
  if (exact != config.prompts.end()) return exact->text;
  for (const TaskPrompt& prompt : config.prompts) {
    if (EqualIgnoringCase(prompt.name, name)) return prompt.text;
  }
  if (EqualIgnoringCase(name, "none")) return std::string();
  std::string known;
  for (const TaskPrompt& prompt : config.prompts) known += prompt.name + ", ";
  return Fail(ErrorCode::kInvalidArgument, "the model has no task prompt \"", Shown(name, 60),
              "\"; there are ", known, "and none");
}

// Brings a vector to length 1. False where it has no length, or numbers that are none.
bool Normalize(std::span<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += double{value} * value;
  const double length = std::sqrt(squares);
  if (!std::isfinite(length) || length == 0) return false;
  for (float& value : vector) value = static_cast<float>(value / length);
  return true;
}

}  // namespace

struct EmbedderState {
  EmbedderState(const Model& model, const EmbedderOptions& options,
                std::shared_ptr<const AdapterSet> adapters)
      : model(model),
        options(options),
        adapters(std::move(adapters)),
        config(*model.config().embedding),
        pool(options.threads),
        workspace(pool),
        transformer(model.config().text, model.impl().weights.text, ComputeOf(options),
                    options.reference) {}

  size_t width() const {
    return config.dense.empty() ? model.config().text.hidden_size : config.dense.back().outputs;
  }

  // All of a text, or at least `most` tokens of it, and what stands around it.
  Result<std::vector<TokenId>> Encode(const Tokenizer& tokenizer, const std::string& prefix,
                                      const std::string& text, size_t most,
                                      const StopCheck& stop) const {
    const SpecialTokens& special = model.config().tokens;
    GEMMA3_TRY(const std::vector<TokenId> inner, tokenizer.EncodeBegin(prefix + text, most, stop));
    std::vector<TokenId> ids;
    ids.reserve(inner.size() + 2);
    if (config.add_bos) ids.push_back(special.bos);
    ids.insert(ids.end(), inner.begin(), inner.end());
    if (config.add_eos) ids.push_back(special.eos);
    return ids;
  }

  // Writes the whole vectors of some texts to out, [texts.size(), width()].
  Status Vectors(std::span<const Text> texts, const StopCheck& stop, float* out);

  const Model model;
  const EmbedderOptions options;
  const std::shared_ptr<const AdapterSet> adapters;  // null: the model as it is
  const EmbeddingConfig& config;
  std::mutex turn;  // of what follows
  ThreadPool pool;
  Workspace workspace;
  const Transformer transformer;
  std::vector<float> normed, hidden;
};

Status EmbedderState::Vectors(std::span<const Text> texts, const StopCheck& stop, float* out) {
  const std::scoped_lock lock(turn);
  GEMMA3_TRY(const Rows<const float> states,
             transformer.Encode(texts, adapters.get(), workspace, stop));
  normed.resize(std::max(normed.size(), states.rows * states.cols));
  const Rows<float> rows(normed.data(), states.rows, states.cols);
  transformer.FinalNorm(states, rows, pool);

  std::vector<size_t> begins;
  size_t begin = 0;
  for (const Text& text : texts) {
    begins.push_back(begin);
    begin += text.size();
  }
  std::vector<float> x(texts.size() * rows.cols);
  pool.ParallelFor(texts.size(), [&](size_t i, size_t) {
    std::vector<double> sums(rows.cols);
    for (size_t r = begins[i]; r < begins[i] + texts[i].size(); ++r) {
      for (size_t c = 0; c < rows.cols; ++c) sums[c] += rows.row(r)[c];
    }
    const auto count = static_cast<double>(texts[i].size());
    for (size_t c = 0; c < rows.cols; ++c) {
      x[i * rows.cols + c] = static_cast<float>(sums[c] / count);
    }
  });
  for (size_t i = 0; i < config.dense.size(); ++i) {
    const Linear& dense = model.impl().weights.dense[i];
    std::vector<float> y(texts.size() * dense.w.rows);
    MatMul(Rows<const float>(x.data(), texts.size(), dense.w.cols), dense.w,
           Rows<float>(y.data(), texts.size(), dense.w.rows), Compute::kExact, pool,
           dense.bias.empty() ? nullptr : dense.bias.data());
    if (config.dense[i].activation == DenseActivation::kTanh) {
      for (float& value : y) value = std::tanh(value);
    }
    x = std::move(y);
  }
  std::memcpy(out, x.data(), x.size() * sizeof(float));
  return {};
}

float Cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    dot += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return aa > 0 && bb > 0 ? static_cast<float>(dot / std::sqrt(aa * bb)) : 0.0f;
}

Result<Embedder> Embedder::Create(const Model& model, const EmbedderOptions& options) {
  return Guarded("start the embedder", "", [&]() -> Result<Embedder> {
    if (!model.config().embedding) {
      return Fail(ErrorCode::kUnsupported, model.config().name,
                  " generates text and is no embedding model; vectors of texts need one, such as "
                  "google/embeddinggemma-300m");
    }
    EmbedderOptions own = options;
    constexpr size_t kMaxBatch = 1 << 16;
    if (own.threads > ThreadPool::kMaxThreads || own.batch == 0 || own.batch > kMaxBatch) {
      return Fail(ErrorCode::kInvalidArgument, "an embedder takes 0 to ", ThreadPool::kMaxThreads,
                  " threads and a batch of 1 to ", kMaxBatch, " tokens, not ", own.threads, " and ",
                  own.batch);
    }
    if (own.threads == 0) own.threads = DefaultThreads(DescribeCpus());
    GEMMA3_CHECK_OK(PlanEmbedding(model.config(), model.impl().sizes(), own.batch, own.threads,
                                  ComputeOf(own), own.max_memory_bytes, own.adapters));
    GEMMA3_TRY(auto adapters, MakeAdapterSet(model, own.adapters));
    return Embedder(std::make_shared<EmbedderState>(model, own, std::move(adapters)));
  });
}

Result<Embeddings> Embedder::Embed(std::span<const std::string> texts, const EmbedOptions& options,
                                   const ProgressCallback& on_progress) const {
  return Guarded("embed the texts", "", [&]() -> Result<Embeddings> {
    const size_t whole = state_->width();
    if (options.dimensions > whole) {
      return Fail(ErrorCode::kInvalidArgument, "dimensions must be at most the model's ", whole,
                  ", not ", options.dimensions);
    }
    GEMMA3_CHECK_OK(state_->model.impl().CheckFilesUnchanged());
    GEMMA3_TRY(const Tokenizer* tokenizer, state_->model.tokenizer());
    GEMMA3_TRY(const std::string prefix, PrefixOf(state_->config, options));
    const size_t longest = state_->config.max_tokens;
    Embeddings out;
    out.dimensions = options.dimensions == 0 ? whole : options.dimensions;
    std::vector<std::vector<TokenId>> ids;
    Progress progress{Progress::Stage::kEmbed, 0, 0};
    const auto cancelled = [&] { return options.cancel && options.cancel->cancelled(); };
    const auto too_long = [&](size_t i, const char* about, size_t tokens) {
      return Fail(ErrorCode::kContextTooLong, "text ", i, " has ", about, tokens,
                  " tokens, with what stands around it; the model takes ", longest,
                  ": cut it into pieces, or let it be truncated");
    };
    for (size_t i = 0; i < texts.size(); ++i) {
      if (cancelled()) return Fail(ErrorCode::kCancelled, "cancelled by the caller");
      const size_t least = tokenizer->LeastTokens(texts[i]);
      if (least > longest && !options.truncate) return too_long(i, "at least ", least);
      // Where it is cut, no more of it is encoded than tells that.
      auto encoded = state_->Encode(*tokenizer, prefix, texts[i],
                                    options.truncate ? longest + 1 : SIZE_MAX, cancelled);
      if (!encoded && encoded.error().code == ErrorCode::kCancelled) {
        return std::unexpected(encoded.error());
      }
      if (!encoded) {
        return Fail(encoded.error().code, "text ", i, ": ", encoded.error().message);
      }
      std::vector<TokenId>& text = ids.emplace_back(*std::move(encoded));
      if (text.empty()) {
        return Fail(ErrorCode::kInvalidArgument, "text ", i,
                    " is empty, and the model puts nothing around texts");
      }
      if (text.size() > longest && !options.truncate) return too_long(i, "", text.size());
      if (text.size() > longest) {
        // What stands behind the text stays.
        text[longest - 1] = state_->config.add_eos ? text.back() : text[longest - 1];
        text.resize(longest);
        out.truncated.push_back(i);
      }
      out.tokens.push_back(text.size());
      progress.total += text.size();
    }
    out.values.resize(texts.size() * out.dimensions);
    std::vector<float> vectors;
    for (size_t begin = 0; begin < ids.size();) {
      if (cancelled() || (on_progress && !on_progress(progress))) {
        return Fail(ErrorCode::kCancelled, "cancelled by the caller");
      }
      std::vector<Text> batch;
      size_t rows = 0, tiles = 0;
      for (size_t i = begin; i < ids.size(); ++i) {
        rows += ids[i].size();
        tiles += KvCache::NumTiles(ids[i].size());
        const bool full =
            rows > state_->options.batch || tiles > EncodedTiles(state_->options.batch);
        if (full && !batch.empty()) break;
        batch.push_back(ids[i]);
        progress.done += ids[i].size();
      }
      vectors.resize(batch.size() * whole);
      GEMMA3_CHECK_OK(state_->Vectors(batch, cancelled, vectors.data()));
      for (size_t i = 0; i < batch.size(); ++i) {
        const std::span<float> vector(out.values.data() + (begin + i) * out.dimensions,
                                      out.dimensions);
        std::copy_n(vectors.data() + i * whole, out.dimensions, vector.data());
        const bool good =
            state_->config.normalize
                ? Normalize(vector)
                : std::ranges::all_of(vector, [](float v) { return std::isfinite(v); });
        if (good) continue;
        return Fail(ErrorCode::kInternal, "the vector of text ", begin + i,
                    " is no vector of numbers: the weights are damaged, or numbers overflowed");
      }
      begin += batch.size();
    }
    if (on_progress) on_progress(progress);
    return out;
  });
}

Result<std::vector<TokenId>> Embedder::Tokens(const std::string& text,
                                              const EmbedOptions& options) const {
  return Guarded("encode the text", "", [&]() -> Result<std::vector<TokenId>> {
    GEMMA3_TRY(const Tokenizer* tokenizer, state_->model.tokenizer());
    GEMMA3_TRY(const std::string prefix, PrefixOf(state_->config, options));
    const StopCheck stop = [&] { return options.cancel && options.cancel->cancelled(); };
    return state_->Encode(*tokenizer, prefix, text, SIZE_MAX, stop);
  });
}

size_t Embedder::dimensions() const { return state_->width(); }
size_t Embedder::max_tokens() const { return state_->config.max_tokens; }
const EmbedderOptions& Embedder::options() const { return state_->options; }
const Model& Embedder::model() const { return state_->model; }

}  // namespace gemma3
