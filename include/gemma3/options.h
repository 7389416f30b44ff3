// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How a model is loaded and a session is set up, and what that costs in memory. Plain values.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gemma3/adapter.h"
#include "gemma3/generation.h"

namespace gemma3 {

enum class ComputeMode {
  kFast,   // bf16 multiplications where the CPU has them, f32 sums
  kExact,  // f32 throughout; slower, for comparing with other implementations
};

// Types of the key/value cache. bf16 takes as much as f16 and holds three bits less; where the CPU
// multiplies bf16 faster than f32 (AMD Zen 4 and 5), attention takes half the time with it: 4 % of
// a prompt of 512 tokens, 15 % of one of 16384.
enum class KvCacheType {
  kAuto /* f16; f32 with kExact */,
  kF32,
  kF16,
  kBF16,
  kInt8 /* global layers; f16 in the others */
};

// What the weights are kept as in memory.
enum class WeightFormat { kAsStored, kBF16, kInt8, kInt4 };

struct LoadOptions {
  WeightFormat weights = WeightFormat::kAsStored;
  std::string mmproj = {};  // GGUF only: the vision part; empty: look beside the model
  // Folder in which packed matrices are kept, so that the next start with the same files and the
  // same `weights` maps them at once; made if missing. All else of a model is read from its own
  // files each time. Empty: nothing is kept.
  std::string cache_folder = {};
  size_t cache_max_bytes = size_t{32} << 30;  // the files used longest ago go first
  // 0: no limit; else loading fails with the plan that exceeds it, before anything is packed.
  size_t max_memory_bytes = 0;
  size_t threads = 0;  // for packing; 0: all cores this process may use
  // Called while weights are packed, and while packed ones are written; false cancels.
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
  size_t kv_cache = 0;     // keys and values, touched as the context fills
  size_t activations = 0;  // scratch of the largest prefill batch, logits included
  size_t vision = 0;       // scratch of encoding one picture; 0 without a tower
  size_t tokenizer = 0;    // the vocabulary's tables
  size_t program = 0;      // code, this library's and that of the libraries it needs
  size_t total() const { return weights + kv_cache + activations + vision + tokenizer + program; }
};

// Which of two constants are rounded to bf16: the scale of the embedding, sqrt(hidden_size), and
// the rotary embedding's inverse frequencies. The outputs of models that differ in it differ by up
// to a percent of their spread, so that comparing implementations needs to know.
enum class ReferenceRounding {
  kPublished,  // the scale alone, as the models were trained and as Google's code runs them
  kF32,        // neither: a PyTorch model loaded in float32
  kBF16,       // both: a PyTorch model that was cast as a whole, model.to(torch.bfloat16)
};

// How the blank lines around a picture become tokens. kIds: as ids of their own, never joined with
// newlines of the text, as Google trained Gemma 3. kMerged: joined with the text beside them, as
// transformers renders prompts. kAuto: kIds for models with Google's vocabulary, kMerged for
// others, which were trained with transformers.
enum class ImageNewlines { kAuto, kIds, kMerged };

// How an engine computes and how much memory it may take. A session that is made without an engine
// makes one for itself, with these.
struct EngineOptions {
  size_t context = 0;  // tokens; 0: min(trained context, 8192). At most the trained context
  // Conversations that there is memory for: as many answers are computed together, and as many
  // conversations stay computed between their turns. More wait for their turn. Answers that cannot
  // fill the context, because of max_tokens, take their share of it only.
  size_t parallel = 1;
  size_t threads = 0;  // 0: all cores this process may use
  ComputeMode compute = ComputeMode::kFast;
  KvCacheType kv = KvCacheType::kAuto;
  size_t prefill_batch = 512;  // prompt tokens computed at once; does not change results
  // Of these, at most so many in a step that answers wait for: what one token of an answer is late
  // beside a long prompt. Does not change results either.
  size_t prompt_piece = 128;
  size_t image_cache_bytes = 64 << 20;  // encoded pictures kept for later turns
  // Memory for places within conversations that computation can go on from, so that regenerating
  // and going back do not begin anew, the oldest go first; 0: enough for the last turn of each of
  // `parallel`. Part of the plan.
  size_t checkpoint_bytes = 0;
  // Folder in which what was computed of long prompts is kept by its content, so that the same
  // document with another question is answered at once, by a later process as well. Made if
  // missing, for its owner alone. It holds what prompts say. Empty: nothing is kept.
  std::string prompt_cache_folder = {};
  size_t prompt_cache_max_bytes = size_t{8} << 30;  // the files used longest ago go first
  size_t max_memory_bytes = 0;  // 0: no limit; else creation fails with the plan
  PanAndScan pan_and_scan = PanAndScan::kAuto;
  ReferenceRounding reference = ReferenceRounding::kPublished;  // for comparisons only
  ImageNewlines image_newlines = ImageNewlines::kAuto;
  // Of every answer that names none itself, and of whatever is measured. Their memory is part of
  // the plan.
  std::vector<AdapterUse> adapters = {};
};
using SessionOptions = EngineOptions;

}  // namespace gemma3
