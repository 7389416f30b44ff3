// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/resolve.h"

#include <algorithm>
#include <string>

#include "ops/targets.h"
#include "src/base/status.h"
#include "src/model/kv_cache.h"
#include "src/threading/processors.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {
namespace {

constexpr size_t kDefaultContext = 8192;

Status OutOfRange(const char* option, const std::string& range, size_t value) {
  return Fail(ErrorCode::kInvalidArgument, option, " must be ", range, ", not ", value);
}

// The better of the cache types of 16 bits. The oldest processors have no conversions to f16: they
// are emulated, slowly, and make numbers of infinities, which would hide a broken computation.
KvCacheType SmallCache() {
  return SimdTargetName().starts_with("SSE") ? KvCacheType::kBF16 : KvCacheType::kF16;
}

KvTypes TypesOf(KvCacheType type) {
  switch (type) {
    case KvCacheType::kF32:
      return {KvType::kF32, KvType::kF32};
    case KvCacheType::kBF16:
      return {KvType::kBF16, KvType::kBF16};
    case KvCacheType::kInt8:
      // Windows are small; only what grows with the context is worth the loss.
      return {TypesOf(SmallCache()).local, KvType::kInt8};
    case KvCacheType::kF16:
    case KvCacheType::kAuto:  // resolved before
      break;
  }
  return {KvType::kF16, KvType::kF16};
}

}  // namespace

MachineOptions MachineOptionsOf(const ResolvedOptions& options) {
  return {.threads = options.threads,
          .compute = options.compute,
          .reference = options.session.reference,
          .kv = options.kv,
          .max_batch = options.max_batch,
          .kv_bytes = options.kv_bytes,
          .image_cache_bytes = options.session.image_cache_bytes};
}

Status CheckGenerates(const ModelConfig& config) {
  if (!config.embedding) return {};
  return Fail(ErrorCode::kUnsupported, config.name,
              " is an embedding model: it makes vectors of texts and generates none; use gemma3 "
              "embed, or Embedder in a program");
}

Result<ResolvedOptions> Resolve(const ModelConfig& config, const SessionOptions& options) {
  ResolvedOptions out;
  out.session = options;
  const size_t trained = config.text.max_context;
  const size_t usual = config.default_context != 0 ? config.default_context : kDefaultContext;
  out.context = options.context == 0 ? std::min(trained, usual) : options.context;
  if (out.context > trained) {
    GEMMA3_CHECK_OK(
        OutOfRange("context", "at most the trained " + std::to_string(trained), out.context));
  }
  constexpr size_t kMaxThreads = ThreadPool::kMaxThreads;
  if (options.threads > kMaxThreads) {
    GEMMA3_CHECK_OK(
        OutOfRange("threads", "at most " + std::to_string(kMaxThreads), options.threads));
  }
  out.threads = options.threads == 0 ? DefaultThreads(DescribeCpus()) : options.threads;
  constexpr size_t kMaxBatch = 1 << 16;
  if (options.prefill_batch == 0 || options.prefill_batch > kMaxBatch) {
    GEMMA3_CHECK_OK(
        OutOfRange("prefill_batch", "1 to " + std::to_string(kMaxBatch), options.prefill_batch));
  }
  if (options.prompt_piece == 0) {
    GEMMA3_CHECK_OK(OutOfRange("prompt_piece", "at least 1", options.prompt_piece));
  }
  out.max_batch = std::min(options.prefill_batch, out.context);
  // The soft tokens of a picture see each other, so they are computed in one batch.
  if (config.has_vision) out.max_batch = std::max(out.max_batch, config.vision.tokens_per_image);
  out.compute = options.compute == ComputeMode::kExact ? Compute::kExact : Compute::kFast;
  if (out.session.kv == KvCacheType::kAuto) {
    out.session.kv = out.compute == Compute::kExact ? KvCacheType::kF32 : SmallCache();
  }
  out.kv = TypesOf(out.session.kv);
  constexpr size_t kMaxParallel = 1024;
  if (options.parallel == 0 || options.parallel > kMaxParallel) {
    GEMMA3_CHECK_OK(
        OutOfRange("parallel", "1 to " + std::to_string(kMaxParallel), options.parallel));
  }
  // Enough for the begin of the last turn behind an answer longer than a window. Turns that are
  // shorter share pages with the cache, and more of them fit.
  out.checkpoint_bytes = options.checkpoint_bytes != 0
                             ? options.checkpoint_bytes
                             : options.parallel * KvCache::ForkBytes(config.text, out.kv);
  out.kv_bytes =
      options.parallel * KvCache::MostBytes(config.text, out.kv, out.context, out.max_batch) +
      out.checkpoint_bytes;
  SessionOptions& session = out.session;
  session.checkpoint_bytes = out.checkpoint_bytes;
  session.context = out.context;
  session.threads = out.threads;
  session.prefill_batch = std::min(options.prefill_batch, out.context);
  if (session.pan_and_scan == PanAndScan::kAuto) {
    session.pan_and_scan = config.pan_and_scan.enabled ? PanAndScan::kOn : PanAndScan::kOff;
  }
  if (session.image_newlines == ImageNewlines::kAuto) {
    const bool googles = config.tokens.start_of_image == SpecialTokens().start_of_image;
    session.image_newlines = googles ? ImageNewlines::kIds : ImageNewlines::kMerged;
  }
  return out;
}

}  // namespace gemma3
