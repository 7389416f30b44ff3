// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/load.h"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "src/base/bytes_text.h"
#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/chat/answer_marks.h"
#include "src/engine/chat_defaults.h"
#include "src/engine/merge.h"
#include "src/formats/grouped_codes.h"
#include "src/weights/head.h"
#include "src/weights/pack.h"
#include "src/weights/packed_file.h"
#include "src/weights/packed_store.h"

namespace gemma3 {
namespace {

bool IsPackedFile(const std::string& path) { return path.ends_with(kPackedFileSuffix); }

// Loads the matrices of an entry of the store. False where it does not serve.
Result<bool> LoadKept(const Checkpoint& source, const StoreEntry& entry, const LoadOptions& options,
                      ThreadPool& pool, LoadedModel& model) {
  auto checkpoint = WithKeptMatrices(source, entry);
  if (!checkpoint) return false;
  const auto plan = PlanWeights(*checkpoint, options);
  if (!plan || plan->packs) return false;  // it lacks matrices
  auto weights = LoadWeights(*checkpoint, options, pool);
  if (!weights) {
    if (weights.error().code == ErrorCode::kCancelled) return std::unexpected(weights.error());
    return false;
  }
  if (!weights->rewritten.empty()) return false;
  model.checkpoint = *std::move(checkpoint);
  model.weights = *std::move(weights);
  return true;
}

// Fills model.checkpoint and model.weights.
Status LoadMatrices(Checkpoint source, const LoadOptions& options, LoadedModel& model) {
  ThreadPool pool(options.threads);
  std::vector<std::string>& notes = source.remarks.notes;
  std::optional<StoreEntry> entry;
  GEMMA3_TRY(const WeightsPlan plan, PlanWeights(source, options));
  if (!options.cache_folder.empty() && plan.packs) {
    auto found = EntryFor(source, options);
    if (found) {
      entry = *std::move(found);
      GEMMA3_TRY(const bool loaded, LoadKept(source, *entry, options, pool, model));
      if (loaded) return {};
    } else {
      notes.push_back("packed weights were not kept: " + found.error().message);
    }
  }
  ShareEqualHead(source, pool);
  GEMMA3_TRY(model.weights, LoadWeights(source, options, pool));
  if (entry) {
    // Failing to keep the result costs time at the next start and nothing else.
    const Status kept = KeepMatrices(source, model.weights, *entry, options.on_progress);
    if (!kept && kept.error().code == ErrorCode::kCancelled) return kept;
    if (!kept) notes.push_back("packed weights were not kept: " + kept.error().message);
    TrimPackedStore(options.cache_folder, options.cache_max_bytes, entry->path);
    if (kept) {
      // From now on as at the next start: mapped, and so shared and reclaimable. The file is whole,
      // so that only a disk that fails, or another process that removes it, can be in the way.
      LoadedModel mapped;
      GEMMA3_TRY(const bool loaded, LoadKept(source, *entry, options, pool, mapped));
      if (loaded) {
        model.checkpoint = std::move(mapped.checkpoint);
        model.weights = std::move(mapped.weights);
        return {};
      }
    }
  }
  model.checkpoint = std::move(source);
  return {};
}

}  // namespace

Result<Checkpoint> OpenModelFiles(const FoundModel& found, const LoadOptions& options,
                                  bool headers_only) {
  const std::string& mmproj = options.mmproj.empty() ? found.mmproj : options.mmproj;
  const OpenOptions open = {.mmproj = mmproj, .headers_only = headers_only};
  GEMMA3_TRY(Checkpoint checkpoint, IsPackedFile(found.path) ? OpenPackedFile(found.path, open)
                                                             : OpenCheckpoint(found.path, open));
  TakeChatDefaults(found, &checkpoint);
  return checkpoint;
}

std::vector<TensorInfo> ListTensors(const Checkpoint& checkpoint) {
  std::vector<TensorInfo> list;
  for (const auto& [name, view] : checkpoint.tensors) {
    list.push_back({name, StoredType(view), view.shape, StoredBytes(view),
                    view.file ? *view.file : std::string()});
  }
  return list;
}

Result<ModelSizes> PlanLoading(const Checkpoint& checkpoint, const LoadOptions& options) {
  GEMMA3_TRY(const WeightsPlan weights, PlanWeights(checkpoint, options));
  const ModelSizes sizes = {.weights = weights.mapped_bytes + weights.owned_bytes,
                            .has_tokenizer = checkpoint.tokenizer_missing.empty()};
  const MemoryPlan plan = PlanModel(checkpoint.config, sizes);
  if (options.max_memory_bytes != 0 && plan.total() > options.max_memory_bytes) {
    return Fail(ErrorCode::kOutOfMemory, "loading ", checkpoint.config.name, " needs ",
                DescribePlan(plan), ", more than the limit of ",
                BytesText(options.max_memory_bytes),
                "; use a smaller or more strongly quantised model");
  }
  return sizes;
}

Result<std::shared_ptr<LoadedModel>> LoadModelFiles(const FoundModel& found,
                                                    const LoadOptions& options) {
  auto model = std::make_shared<LoadedModel>();
  model->path = found.path;
  GEMMA3_TRY(Checkpoint source, OpenModelFiles(found, options));
  GEMMA3_CHECK_OK(PlanLoading(source, options));
  model->tensors = ListTensors(source);
  GEMMA3_CHECK_OK(LoadMatrices(std::move(source), options, *model));
  // A stored head that repeats the embedding is not used.
  std::erase_if(model->tensors, [&](const TensorInfo& tensor) {
    return !model->checkpoint.tensors.contains(tensor.name);
  });
  if (model->checkpoint.tokenizer_proto.empty()) {
    model->tokenizer_missing = model->checkpoint.tokenizer_missing;
  } else {
    GEMMA3_TRY(Tokenizer tokenizer, Tokenizer::FromProto(model->checkpoint.tokenizer_proto));
    for (std::string& note : StopTokenNotes(model->checkpoint.config, tokenizer)) {
      model->checkpoint.remarks.notes.push_back(model->path + ": " + std::move(note));
    }
    model->tokenizer = std::move(tokenizer);
    model->checkpoint.tokenizer_proto = {};  // the tokenizer keeps what it needs
  }
  return model;
}

Status Convert(const std::string& path, const std::string& out, const LoadOptions& options) {
  return ConvertMerged(path, {}, out, options);
}

Status ConvertMerged(const std::string& path, std::span<const AdapterPath> adapters,
                     const std::string& out, const LoadOptions& options) {
  if (!IsPackedFile(out)) {
    return Fail(ErrorCode::kInvalidArgument, "the name ", out, " must end in ", kPackedFileSuffix);
  }
  return Guarded("convert ", path, [&]() -> Status {
    GEMMA3_TRY(const FoundModel found, LocateModel(path, ModelPlacesFromEnvironment()));
    GEMMA3_TRY(Checkpoint source, OpenModelFiles(found, options));
    GEMMA3_CHECK_OK(PlanLoading(source, options));
    ThreadPool pool(options.threads);
    AlignedBuffers merged;
    if (!adapters.empty()) {
      // As stored, so that nothing is rounded twice.
      LoadOptions as_stored;
      as_stored.threads = options.threads;
      as_stored.mmproj = options.mmproj;
      GEMMA3_TRY(const Model model, Model::Load(path, as_stored));
      std::vector<AdapterUse> uses;
      for (const AdapterPath& adapter : adapters) {
        GEMMA3_TRY(Adapter loaded, Adapter::Load(model, adapter.path));
        uses.push_back({std::move(loaded), adapter.scale});
      }
      GEMMA3_CHECK_OK(MergeAdapters(model, uses, options, pool, &source, &merged));
    }
    ShareEqualHead(source, pool);
    GEMMA3_TRY(const ModelWeights weights, LoadWeights(source, options, pool));
    for (const auto& [name, matrix] : weights.rewritten) {
      TensorView& view = source.tensors.at(name);
      view = AsTensor(matrix, view);
    }
    return WritePackedFile(out, source, options.on_progress);
  });
}

}  // namespace gemma3
