// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "gemma3/bench.h"

#include <algorithm>
#include <span>

#include "ops/peak.h"
#include "ops/targets.h"
#include "src/base/aligned_buffer.h"
#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/engine/loaded_model.h"
#include "src/threading/processors.h"
#include "src/threading/thread_pool.h"
#include "src/weights/pack.h"

namespace gemma3 {
namespace {

size_t MatrixBytes(const MatrixView& w) { return FormBytes(w.type, w.rows, w.cols); }

Multiply MultiplyOf(const MatrixView& w, const ResolvedOptions& options) {
  if (options.compute == Compute::kExact) return Multiply::kF32;
  switch (w.type) {
    case WeightType::kF32:
    case WeightType::kF16:
      return Multiply::kF32;
    case WeightType::kBF16:
      return HasNativeBf16Dot() ? Multiply::kBF16 : Multiply::kF32;
    default:
      return Multiply::kInt8;
  }
}

// The largest piece of the weights' own memory: one matrix, or the mapped file it lies in.
std::span<const std::byte> WeightMemory(const LoadedModel& model) {
  const MatrixView& embedding = model.weights.text.embedding;
  std::span<const std::byte> largest(static_cast<const std::byte*>(embedding.data),
                                     MatrixBytes(embedding));
  for (const auto& file : model.checkpoint.files) {
    const std::span<const std::byte> bytes = file->bytes();
    const bool in_use =
        largest.data() >= bytes.data() && largest.data() < bytes.data() + bytes.size();
    if (in_use) return bytes;
  }
  return largest;
}

}  // namespace

Result<HostInfo> DescribeHost() {
  return Guarded("describe this machine", "", []() -> Result<HostInfo> {
    const CpuInfo cpus = DescribeCpus();
    HostInfo info;
    info.simd_target = SimdTargetName();
    info.simd_targets = SimdTargetNames();
    info.native_bf16 = HasNativeBf16Dot();
    info.native_int8 = HasInt8Dot();
    info.online_cpus = cpus.online_cpus;
    info.allowed_cpus = cpus.allowed_cpus;
    info.allowed_cores = cpus.allowed_cores;
    info.slow_cores = cpus.slow_cores;
    info.quota_cpus = cpus.quota_cpus;
    info.default_threads = DefaultThreads(cpus);
    return info;
  });
}

Status UseSimd(std::string_view name) {
  return Guarded("choose instructions", "", [&]() -> Status {
    if (!name.empty() && UseSimdTarget(name)) return {};
    std::string names;
    for (const std::string& known : SimdTargetNames()) names += (names.empty() ? "" : ", ") + known;
    return Fail(ErrorCode::kInvalidArgument, "no instruction set \"", name,
                "\" here; this processor and program have ", names);
  });
}

Result<MachineLimits> MeasureLimits(const Model* model, const SessionOptions& options) {
  return Guarded("measure this machine", "", [&]() -> Result<MachineLimits> {
    ThreadPool pool(options.threads);
    MachineLimits limits;
    const ComputePeaks peaks = MeasureComputePeaks(pool);
    limits.f32_flops = peaks.f32;
    limits.bf16_flops = peaks.bf16;
    limits.int8_ops = peaks.int8;
    if (model) {
      GEMMA3_CHECK_OK(model->impl().CheckFilesUnchanged());
      limits.read_bytes_per_second = MeasureReadBandwidth(WeightMemory(model->impl()), pool);
    } else {
      const AlignedBuffer<std::byte> buffer(size_t{1} << 30);
      std::ranges::fill(buffer.span(), std::byte{1});  // pages that were never written are one page
      limits.read_bytes_per_second = MeasureReadBandwidth(buffer.span(), pool);
    }
    return limits;
  });
}

Result<ModelWork> WorkOf(const Model& model, const SessionOptions& options) {
  return Guarded("count the work", "", [&]() -> Result<ModelWork> {
    GEMMA3_TRY(const ResolvedOptions resolved, Resolve(model.config(), options));
    const TextWeights& text = model.impl().weights.text;
    const TextConfig& config = model.config().text;
    ModelWork work;
    work.decode_weight_bytes = MatrixBytes(text.head);
    for (const LayerWeights& w : text.layers) {
      for (const MatrixView& matrix : {w.q, w.k, w.v, w.o, w.gate, w.up, w.down}) {
        work.decode_weight_bytes += MatrixBytes(matrix);
      }
    }
    const auto position_bytes = [&](KvType type) {
      return KvPageBytes(type, config.num_kv_heads, config.head_dim) / kKvTile;
    };
    work.global_kv_bytes = position_bytes(resolved.kv.global);
    work.local_kv_bytes = position_bytes(resolved.kv.local);
    work.text = MultiplyOf(text.layers[0].gate, resolved);
    if (model.config().has_vision) {
      work.vision = MultiplyOf(model.impl().weights.vision.layers[0].fc1.w, resolved);
    }
    return work;
  });
}

}  // namespace gemma3
