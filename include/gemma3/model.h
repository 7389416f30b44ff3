// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A loaded model: weights, tokenizer and configuration. Immutable, shared by sessions and threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/generation.h"
#include "gemma3/tokenizer.h"

namespace gemma3 {

enum class ComputeMode {
  kFast,   // bf16 multiplications where the CPU has them, f32 sums
  kExact,  // f32 throughout; slower, for comparing with other implementations
};

enum class KvCacheType {
  kAuto /* bf16; f32 with kExact */,
  kF32,
  kBF16,
  kInt8 /* global layers */
};

// What the weights are kept as in memory.
enum class WeightFormat { kAsStored, kBF16, kInt8, kInt4 };

struct LoadOptions {
  WeightFormat weights = WeightFormat::kAsStored;
  std::string mmproj;  // GGUF only: the vision part; empty: look beside the model
  // Folder in which packed weights are kept, so that the next start with the same file and the same
  // `weights` maps them at once; made if missing. Empty: nothing is kept.
  std::string cache_folder = {};
  size_t cache_max_bytes = size_t{32} << 30;  // the files used longest ago go first
  size_t max_memory_bytes = 0;  // 0: no limit; else loading fails with the plan that exceeds it
  size_t threads = 0;           // for packing; 0: all cores this process may use
  // Called while weights are packed; false cancels.
  ProgressCallback on_progress = {};
};

// Whether a picture is also shown to the model in square crops (published pan-and-scan): better
// answers on wide or detailed pictures, for one more encode and tokens_per_image tokens a crop.
enum class PanAndScan {
  kAuto /* as the model's files say; off where they are silent */,
  kOff,
  kOn
};

// Bytes, as they will be once everything is touched.
struct MemoryPlan {
  size_t weights = 0;      // mapped or packed, text and vision
  size_t kv_cache = 0;     // allocated at session creation, touched as the context fills
  size_t activations = 0;  // scratch of the largest prefill batch, logits included
  size_t vision = 0;       // scratch of encoding one picture; 0 without a tower
  size_t tokenizer = 0;    // the vocabulary's tables
  size_t total() const { return weights + kv_cache + activations + vision + tokenizer; }
};

// Precision of the rotary embedding's inverse frequencies. Gemma 3 is defined, and its official
// code runs, with f32. A PyTorch model that was cast as a whole (model.to(torch.bfloat16)) has
// rounded them to bf16 along with its weights, and its outputs differ by about a percent of their
// spread; kBF16 reproduces such outputs, for comparison only.
enum class RopeFrequencies { kF32, kBF16 };

struct SessionOptions {
  size_t context = 0;  // tokens; 0: min(trained context, 8192). At most the trained context
  size_t threads = 0;  // 0: all cores this process may use
  ComputeMode compute = ComputeMode::kFast;
  KvCacheType kv = KvCacheType::kAuto;
  size_t prefill_batch = 512;           // prompt tokens computed at once; does not change results
  size_t image_cache_bytes = 64 << 20;  // encoded pictures kept for later turns
  size_t max_memory_bytes = 0;          // 0: no limit; else session creation fails with the plan
  PanAndScan pan_and_scan = PanAndScan::kAuto;
  RopeFrequencies rope_frequencies = RopeFrequencies::kF32;
  bool merged_image_newlines = false;  // tokenise the newlines around images as transformers does
};

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
  // Errors: kUnsupported where the checkpoint came without one.
  Result<const Tokenizer*> tokenizer() const;
  const std::vector<TensorInfo>& tensors() const;
  const std::vector<std::string>& notes() const;  // repairs made while loading, for people
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

// Resolves what a user calls a model: an existing path as it is; else a Hugging Face cache name
// ("google/gemma-3-1b-it" or "gemma-3-1b-it"), an Ollama name, an LM Studio name. Reads environment
// variables (HF_HOME, HF_HUB_CACHE, OLLAMA_MODELS, ...). Errors: kIo, listing where it looked.
Result<std::string> FindModel(const std::string& name);

}  // namespace gemma3
