// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A loaded model: weights, tokenizer and configuration. Immutable, shared by sessions and threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

// A cheap handle; copies share one model.
class Model {
 public:
  // Opens a Hugging Face folder, a GGUF file, or a name known to FindModel. Weights are mapped, not
  // copied; every tensor is checked against the shape table of the configuration first.
  // Errors: kIo, kBadModel, kUnsupported, kOutOfMemory.
  static Result<Model> Load(const std::string& path, const LoadOptions& options = {});

  const ModelConfig& config() const;
  // Errors: kBadModel where the checkpoint came without one.
  Result<const Tokenizer*> tokenizer() const;
  const std::vector<TensorInfo>& tensors() const;
  const std::vector<std::string>& notes() const;  // repairs made while loading, for who asks
  // What of the files is computed in another way than they say, or not at all: to be shown to
  // everybody who uses the model, for its answers may differ from what its maker intended.
  const std::vector<std::string>& warnings() const;
  const std::string& path() const;

  // Errors: kInvalidArgument for an impossible context.
  Result<MemoryPlan> Plan(const SessionOptions& options) const;

  const LoadedModel& impl() const { return *impl_; }  // internal

 private:
  explicit Model(std::shared_ptr<const LoadedModel> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const LoadedModel> impl_;
};

// Writes the model at `path`, its matrices in the form `weights`, to one file that starts at once
// by memory map. By convention its name ends in ".gemma3": that is how Load knows it. Errors: those
// of Load; kIo; kInvalidArgument for another ending.
Status Convert(const std::string& path, const std::string& out, const LoadOptions& options);

// Resolves what a user calls a model: an existing path (a folder of GGUF files stands for the one
// model in it); else a Hugging Face cache name ("google/gemma-3-1b-it" or "gemma-3-1b-it"), an Ollama
// name, an LM Studio name, a llama.cpp one. A quantisation behind a colon chooses among several GGUF
// files ("unsloth/gemma-3-4b-it-GGUF:Q4_K_M"). Reads environment variables (HF_HOME, HF_HUB_CACHE,
// OLLAMA_MODELS, ...). Errors: kIo, listing where it looked; kBadModel, listing several to choose
// from.
Result<std::string> FindModel(const std::string& name);

}  // namespace gemma3
