// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What `gemma3 bench --json` has written: an earlier run, or another machine's, to compare with.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "gemma3/error.h"

namespace gemma3::cli {

class BenchRecord {
 public:
  BenchRecord() = default;  // of nothing
  // Errors: kIo; kInvalidArgument for what is not such a file.
  static Result<BenchRecord> Read(const std::string& path);

  // Under what conditions; empty where the file does not say.
  const std::string& model() const { return model_; }
  const std::string& simd() const { return simd_; }
  const std::string& threads() const { return threads_; }

  // Tokens a second, and pictures; null where that was not measured.
  std::optional<double> Prefill(size_t tokens) const { return Find(prefill_, tokens); }
  std::optional<double> Decode(size_t depth) const { return Find(decode_, depth); }
  std::optional<double> Pictures() const { return pictures_; }

 private:
  using Figures = std::map<size_t, double>;
  static std::optional<double> Find(const Figures& figures, size_t at) {
    const auto it = figures.find(at);
    return it == figures.end() ? std::nullopt : std::optional(it->second);
  }

  std::string model_, simd_, threads_;
  Figures prefill_, decode_;  // by tokens of prompt; by tokens in the cache
  std::optional<double> pictures_;
};

}  // namespace gemma3::cli
