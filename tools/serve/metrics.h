// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the server counts, as Prometheus reads it (text format 0.0.4). Each figure has our own name
// (gemma3_...) and, where routers look for one, vLLM's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/engine.h"

namespace gemma3::serve {

// Thread rule: any.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds)
      : bounds_(bounds), counts_(bounds.size() + 1) {}
  void Add(double value);
  void Write(std::string_view name, std::string_view labels, std::string& out) const;

 private:
  const std::span<const double> bounds_;
  mutable std::mutex mutex_;
  std::vector<uint64_t> counts_;
  double sum_ = 0;
  uint64_t total_ = 0;
};

// Of one model, since the server began: what its engine counts goes with it when it is unloaded.
class ModelMetrics {
 public:
  ModelMetrics();
  Histogram first_token, between_tokens, whole, queued;
  void CountEnd(std::string_view reason);  // "stop", "length", "tool_calls", "abort", "error"
  std::map<std::string, uint64_t> ends() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> ends_;
};

// What is written of a model.
struct ModelFigures {
  std::string name;
  EngineUsage usage;  // with what earlier engines of it have counted
  bool loaded = false;
  size_t waiting = 0;  // in front of the engine
  const ModelMetrics* metrics = nullptr;
};

struct ServerFigures {
  size_t connections = 0;
  std::map<int, uint64_t> responses;  // by status
  uint64_t refused = 0;               // for want of a place
};

std::string MetricsText(std::span<const ModelFigures> models, const ServerFigures& server);

}  // namespace gemma3::serve
