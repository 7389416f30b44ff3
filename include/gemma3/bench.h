// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What this machine could reach, measured, and what a model asks of it: the two numbers that turn
// tokens per second into a share of the limit.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/model.h"
#include "gemma3/session.h"

namespace gemma3 {

// How the library sees the processor. Reading it measures nothing.
struct HostInfo {
  std::string simd_target;                // the one that runs, e.g. "AVX3_ZEN4"
  std::vector<std::string> simd_targets;  // all in this binary that the CPU can run, best first
  bool native_bf16 = false;               // bf16 is multiplied as such; else as f32
  bool native_int8 = false;               // int8 dot products are one instruction
  size_t online_cpus = 0;                 // logical processors that are switched on
  size_t allowed_cpus = 0;                // of these, in this process's affinity mask
  size_t allowed_cores = 0;               // physical cores behind allowed_cpus
  size_t slow_cores = 0;                  // of these, left out: less than half as fast as others
  double quota_cpus = 0;                  // processor time that the cgroup grants; 0: no limit
  size_t default_threads = 0;             // what SessionOptions::threads = 0 stands for
};
// Errors: kOutOfMemory.
Result<HostInfo> DescribeHost();

// Makes all computation in this process use one of HostInfo::simd_targets, by its name, in place of
// the best: to measure and to test what other processors run. Only while nothing else of the
// library runs. Errors: kInvalidArgument for any other name.
Status UseSimd(std::string_view name);

// Rates that all threads of a session reach together, best of several short runs (about two
// seconds in all).
struct MachineLimits {
  double read_bytes_per_second = 0;  // streaming reads over the model's own weights
  double f32_flops = 0;              // per second; a multiply-add counts as two
  double bf16_flops = 0;             // bf16 products, f32 sums
  double int8_ops = 0;               // int8 products, int32 sums; a multiply-add counts as two
};

// Measures with the threads that `options` asks for. The bandwidth depends on where the bytes lie,
// so it is taken over the weights of `model`; without one, over a buffer larger than the caches.
// Errors: kOutOfMemory.
Result<MachineLimits> MeasureLimits(const Model* model, const SessionOptions& options);

// In what the large multiplications of a session run: which of the peaks above is their limit.
enum class Multiply { kF32, kBF16, kInt8 };

// What one step costs, as the weights lie in memory.
struct ModelWork {
  size_t decode_weight_bytes = 0;  // text matrices, the output matrix included: read once a token
  size_t global_kv_bytes = 0;      // key and value of one position in one global layer
  size_t local_kv_bytes = 0;       // the same in one local layer
  Multiply text = Multiply::kBF16;
  Multiply vision = Multiply::kBF16;
};
// Errors: kInvalidArgument as for Model::Plan.
Result<ModelWork> WorkOf(const Model& model, const SessionOptions& options);

}  // namespace gemma3
