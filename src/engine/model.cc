// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "gemma3/model.h"

#include <filesystem>
#include <utility>

#include "gemma3/embedder.h"
#include "src/base/file_map.h"
#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/engine/load.h"
#include "src/engine/loaded_model.h"
#include "src/engine/resolve.h"
#include "src/stores/find_model.h"

namespace gemma3 {

namespace {

// Of an embedding model, with an embedder in place of a session.
Result<MemoryPlan> PlanOf(const ModelConfig& config, const ModelSizes& sizes,
                          const SessionOptions& options) {
  GEMMA3_TRY(const ResolvedOptions resolved, Resolve(config, options));
  if (!config.embedding) return PlanMemory(config, sizes, resolved);
  return PlanEmbedding(config, sizes, EmbedderOptions().batch, resolved.threads, resolved.compute,
                       options.max_memory_bytes);
}

}  // namespace

Result<Model> Model::Load(const std::string& path, const LoadOptions& options) {
  return Guarded("load ", path, [&]() -> Result<Model> {
    GEMMA3_TRY(const FoundModel found, LocateModel(path, ModelPlacesFromEnvironment()));
    GEMMA3_TRY(std::shared_ptr<LoadedModel> model, LoadModelFiles(found, options));
    return Model(std::move(model));
  });
}

Result<ModelInfo> Model::Inspect(const std::string& path, const LoadOptions& options) {
  return Guarded("inspect ", path, [&]() -> Result<ModelInfo> {
    GEMMA3_TRY(const FoundModel found, LocateModel(path, ModelPlacesFromEnvironment()));
    GEMMA3_TRY(Checkpoint checkpoint, OpenModelFiles(found, options, /*headers_only=*/true));
    LoadOptions unlimited = options;
    unlimited.max_memory_bytes = 0;
    GEMMA3_TRY(const ModelSizes sizes, PlanLoading(checkpoint, unlimited));
    ModelInfo info;
    info.path_ = found.path;
    info.tensors_ = ListTensors(checkpoint);
    info.config_ = std::move(checkpoint.config);
    info.notes_ = std::move(checkpoint.remarks.notes);
    info.warnings_ = std::move(checkpoint.remarks.warnings);
    info.has_tokenizer_ = sizes.has_tokenizer;
    info.weight_bytes_ = sizes.weights;
    return info;
  });
}

Result<MemoryPlan> ModelInfo::Plan(const SessionOptions& options) const {
  return Guarded("plan the memory", "", [&]() -> Result<MemoryPlan> {
    return PlanOf(config_, {weight_bytes_, has_tokenizer_}, options);
  });
}

Result<SessionOptions> ModelInfo::Resolve(const SessionOptions& options) const {
  return Guarded("resolve the options", "", [&]() -> Result<SessionOptions> {
    GEMMA3_TRY(const ResolvedOptions resolved, gemma3::Resolve(config_, options));
    return resolved.session;
  });
}

const ModelConfig& Model::config() const { return impl_->checkpoint.config; }
const std::vector<TensorInfo>& Model::tensors() const { return impl_->tensors; }
const std::vector<std::string>& Model::notes() const { return impl_->checkpoint.remarks.notes; }
const std::vector<std::string>& Model::warnings() const {
  return impl_->checkpoint.remarks.warnings;
}
const std::string& Model::path() const { return impl_->path; }

Result<const Tokenizer*> Model::tokenizer() const {
  if (impl_->tokenizer) return &*impl_->tokenizer;
  return Fail(ErrorCode::kBadModel, impl_->tokenizer_missing);
}

Result<MemoryPlan> Model::Plan(const SessionOptions& options) const {
  return Guarded("plan the memory", "",
                 [&]() -> Result<MemoryPlan> { return PlanOf(config(), impl_->sizes(), options); });
}

Result<Tokenizer> Tokenizer::Load(const std::string& path) {
  return Guarded("load the tokenizer of ", path, [&]() -> Result<Tokenizer> {
    GEMMA3_TRY(const std::string found, FindModel(path));
    constexpr size_t kMaxTokenizerBytes = 256 << 20;
    if (std::filesystem::path(found).extension() == ".model") {
      GEMMA3_TRY(const std::string proto, ReadFile(found, kMaxTokenizerBytes));
      auto tokenizer = FromProto(proto);
      if (!tokenizer) return Fail(tokenizer.error().code, found, ": ", tokenizer.error().message);
      return tokenizer;
    }
    GEMMA3_TRY(const Checkpoint checkpoint, OpenModelFiles({.path = found}, {}));
    if (checkpoint.tokenizer_proto.empty()) {
      return Fail(ErrorCode::kBadModel, found, ": ", checkpoint.tokenizer_missing);
    }
    return FromProto(checkpoint.tokenizer_proto);
  });
}

}  // namespace gemma3
