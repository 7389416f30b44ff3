// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A loaded model: weights, tokenizer and configuration. Immutable, shared by sessions and threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/options.h"
#include "gemma3/tokenizer.h"

namespace gemma3 {

struct TensorInfo {
  std::string name;
  std::string type;
  std::vector<uint64_t> shape;  // slowest first
  size_t bytes = 0;
  std::string file;
};

struct LoadedModel;  // internal

// What the headers of a model's files say: enough to show it and to know what it will take, without
// reading its weights or copying its vocabulary.
class ModelInfo {
 public:
  const std::string& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  // As those of Model, but for what only the vocabulary or the weights would tell.
  const std::vector<std::string>& notes() const { return notes_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  bool has_tokenizer() const { return has_tokenizer_; }

  // As Model::Plan of the model loaded with the options that Inspect was given. Where an output
  // head is stored that may repeat the embedding, both count.
  Result<MemoryPlan> Plan(const SessionOptions& options = {}) const;
  // The options as a session would use them: what was left to the library (0, kAuto) filled in.
  // Errors: kInvalidArgument, naming the option.
  Result<SessionOptions> Resolve(const SessionOptions& options = {}) const;

 private:
  friend class Model;
  ModelInfo() = default;

  std::string path_;
  ModelConfig config_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::string> notes_, warnings_;
  bool has_tokenizer_ = false;
  size_t weight_bytes_ = 0;
};

// A cheap handle; copies share one model.
class Model {
 public:
  // Opens a Hugging Face folder, a GGUF file, or a name known to FindModel. Weights are mapped, not
  // copied; every tensor is checked against the shape table of the configuration first.
  // Errors: kIo, kBadModel, kUnsupported, kOutOfMemory, kCancelled.
  static Result<Model> Load(const std::string& path, const LoadOptions& options = {});

  // Reads headers only, in a few megabytes and well under a second for a model of any size, and
  // writes nothing. Of the options, mmproj and weights count. Errors: kIo, kBadModel, kUnsupported.
  static Result<ModelInfo> Inspect(const std::string& path, const LoadOptions& options = {});

  const ModelConfig& config() const;
  // Errors: kBadModel where the checkpoint came without one.
  Result<const Tokenizer*> tokenizer() const;
  const std::vector<TensorInfo>& tensors() const;  // used; as the model's own files store them
  const std::vector<std::string>& notes() const;   // repairs made while loading, for who asks
  // What of the files is computed in another way than they say, or not at all: to be shown to
  // everybody who uses the model, for its answers may differ from what its maker intended.
  const std::vector<std::string>& warnings() const;
  const std::string& path() const;

  // What model and session will take. Errors: kInvalidArgument for an impossible context;
  // kOutOfMemory, with the plan, if it is more than options.max_memory_bytes.
  Result<MemoryPlan> Plan(const SessionOptions& options) const;

  const LoadedModel& impl() const { return *impl_; }  // internal

 private:
  explicit Model(std::shared_ptr<const LoadedModel> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const LoadedModel> impl_;
};

// Writes the model at `path`, its matrices in the form `weights`, to one file that starts at once
// by memory map. By convention its name ends in ".gemma3": that is how Load knows it. Progress:
// packing, then writing; cancelling leaves nothing behind. Errors: those of Load; kInvalidArgument
// for another ending.
Status Convert(const std::string& path, const std::string& out, const LoadOptions& options);
// The same with adapters merged into the weights, W + scale B A, which are rounded then: with
// `weights` kAsStored to BF16. (Computed on the fly, beside weights that stay as they are, small
// changes are not rounded away.) Errors: also those of Adapter::Load.
struct AdapterPath {
  std::string path;
  float scale = 1;
};
Status ConvertMerged(const std::string& path, std::span<const AdapterPath> adapters,
                     const std::string& out, const LoadOptions& options);

// Resolves what a user calls a model: an existing path (a folder of GGUF files stands for the one
// model in it); else a Hugging Face cache name ("google/gemma-3-1b-it" or "gemma-3-1b-it"), an
// Ollama name, an LM Studio name, a llama.cpp one. A quantisation behind a colon chooses among
// several GGUF files ("unsloth/gemma-3-4b-it-GGUF:Q4_K_M"). Reads environment variables (HF_HOME,
// HF_HUB_CACHE, OLLAMA_MODELS, ...). Errors: kIo, listing where it looked; kBadModel, listing
// several to choose from.
Result<std::string> FindModel(const std::string& name);

}  // namespace gemma3
