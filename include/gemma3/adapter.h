// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// LoRA adapters: small changes to a model, trained beside it, that are computed on the fly over
// whatever form its weights have.
//
//   auto adapter = gemma3::Adapter::Load(*model, "my-adapter");
//   auto answer = engine->Answer(prompt, {.adapters = {{{*adapter}}}});
//
// One engine answers with different adapters at the same time; an answer is the same, to the last
// bit, whatever the others use.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

class Model;
struct LoadedAdapter;  // internal

// A cheap handle; copies share one adapter, which is immutable.
class Adapter {
 public:
  // Reads a folder of PEFT (Unsloth's among them) or MLX, the safetensors file in one, or a GGUF
  // file. Every tensor must find its place in the model. Errors: kIo; kBadModel, naming the tensor,
  // for an adapter of another size, a damaged one or an empty one; kUnsupported for a kind of
  // adapter that is not computed, and for one whose tokenizer has tokens that the model's lacks.
  static Result<Adapter> Load(const Model& model, const std::string& path);

  const std::string& name() const;  // that of the folder or file
  const std::string& path() const;
  size_t matrices() const;  // that it changes
  size_t bytes() const;     // in memory
  const std::vector<std::string>& notes() const;
  const std::vector<std::string>& warnings() const;

  const std::shared_ptr<const LoadedAdapter>& impl() const { return impl_; }  // internal

 private:
  Adapter(std::shared_ptr<const LoadedAdapter> impl, const void* model)
      : impl_(std::move(impl)), model_(model) {}
  friend struct AdapterAccess;  // internal
  std::shared_ptr<const LoadedAdapter> impl_;
  const void* model_;  // that it was placed in
};

// An adapter and how much of it: 1 is as it was trained, 0 nothing.
struct AdapterUse {
  Adapter adapter;
  float scale = 1;
};

}  // namespace gemma3
