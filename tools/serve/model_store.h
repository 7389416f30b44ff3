// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The models that a server offers: each is loaded when it is first asked for, and those that were
// used longest ago give their memory back where another one needs it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/adapter.h"
#include "gemma3/cancel.h"
#include "gemma3/embedder.h"
#include "gemma3/engine.h"
#include "gemma3/model.h"
#include "tools/options.h"
#include "tools/serve/api_error.h"
#include "tools/serve/ask.h"
#include "tools/serve/metrics.h"

namespace gemma3::serve {

// A model in memory, as long as somebody holds it. One that makes vectors has an embedder in place
// of an engine.
struct ServedModel {
  Model model;
  std::optional<Model> draft;
  std::optional<Engine> engine;
  std::optional<Embedder> embedder;
  std::vector<AdapterUse> adapters;  // in the order of --lora; all are the engine's own choice
  ModelView view;
  double load_seconds = 0;
};

// What is known of a model, loaded or not.
struct ListedModel {
  std::string id;
  std::string path;  // of its files
  ModelConfig config;
  size_t file_bytes = 0;  // of its tensors
  size_t context = 0;
  std::string weights;  // as most of its bytes are stored: "BF16"
  size_t parameters = 0;
  std::vector<std::string> adapters;  // names that mean the model with one of them
  bool loaded = false;
  std::string digest;    // 64 hexadecimal digits that stand for its files
  int64_t modified = 0;  // seconds since 1970
};

class ModelStore {
 public:
  // settings: of all models; its limit to memory is one for all together. any_name: a name that
  // is not known means the first model.
  ModelStore(const cli::Settings& settings, bool any_name)
      : settings_(settings), any_name_(any_name) {}

  // Reads the headers of its files. word: "MODEL" or "NAME=MODEL". Errors: those of Model::Inspect,
  // and kInvalidArgument for a name that is taken.
  Status Add(const std::string& word);

  // The model of that name, loaded; the first one for an empty name. Waits for memory that others
  // use, until `gone` is set. Errors: 404; 503 where there is no memory; what loading says.
  Api<std::shared_ptr<ServedModel>> Get(std::string_view name, const CancelFlag& gone);
  // Its place in the list, or nothing. An adapter's name stands for its model.
  std::optional<size_t> Find(std::string_view name) const;
  // The place among its model's adapters of the one that is called so.
  std::optional<size_t> FindAdapter(std::string_view name) const;
  // Gives its memory back once nobody uses it. Asked for before that, it is the same one again.
  void Unload(size_t index);
  // Nothing is loaded any more; what is being loaded ends with an error.
  void Stop() { stop_.Cancel(); }

  std::vector<ListedModel> List() const;
  std::vector<ModelFigures> Figures() const;
  ModelMetrics& metrics(size_t index) { return *slots_[index]->metrics; }

 private:
  struct Slot {
    ListedModel listed;
    std::vector<std::string> names;  // that it goes by, in lower case
    size_t plan_bytes = 0;
    std::shared_ptr<ServedModel> served;
    std::weak_ptr<ServedModel> last;  // which requests may hold after it was unloaded
    bool loading = false;
    std::chrono::steady_clock::time_point used;
    EngineUsage total;    // tokens, of all its engines
    EngineUsage counted;  // those of the last one that are in `total`
    std::unique_ptr<ModelMetrics> metrics = std::make_unique<ModelMetrics>();
  };
  Result<std::shared_ptr<ServedModel>> Load(const Slot& slot) const;
  bool MakeRoom(const Slot& slot, std::vector<std::shared_ptr<ServedModel>>& leaving);
  static void Drop(Slot& slot, std::vector<std::shared_ptr<ServedModel>>& leaving);
  static EngineUsage Count(Slot& slot);

  const cli::Settings settings_;
  const bool any_name_;
  std::vector<std::unique_ptr<Slot>> slots_;  // fixed once requests come
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  CancelFlag stop_;
};

}  // namespace gemma3::serve
