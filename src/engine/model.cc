// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "gemma3/model.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "ops/mlp.h"
#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/engine/chat_defaults.h"
#include "src/engine/loaded_model.h"
#include "src/engine/packed_cache.h"
#include "src/stores/find_model.h"
#include "src/model/kv_cache.h"
#include "src/model/transformer.h"
#include "src/vision/vision_tower.h"
#include "src/weights/head.h"
#include "src/weights/pack.h"
#include "src/weights/packed_file.h"

namespace gemma3 {
namespace {

constexpr size_t kDefaultContext = 8192;

std::vector<TensorInfo> ListTensors(const Checkpoint& checkpoint) {
  std::vector<TensorInfo> list;
  for (const auto& [name, view] : checkpoint.tensors) {
    list.push_back({name, InfoOf(view.type).name, view.shape, view.bytes + 2 * GroupBytes(view),
                    view.file ? *view.file : std::string()});
  }
  return list;
}

std::string BytesText(size_t bytes) {
  char text[32];
  const double value = static_cast<double>(bytes);
  if (bytes < 100'000) {
    std::snprintf(text, sizeof(text), "%zu bytes", bytes);
  } else if (bytes < 100'000'000) {
    std::snprintf(text, sizeof(text), "%.2f MB", value * 1e-6);
  } else {
    std::snprintf(text, sizeof(text), "%.2f GB", value * 1e-9);
  }
  return text;
}

bool IsPackedFile(const std::string& path) { return path.ends_with(kPackedFileSuffix); }

Result<Checkpoint> OpenAny(const FoundModel& found, const LoadOptions& options) {
  const std::string& mmproj = options.mmproj.empty() ? found.mmproj : options.mmproj;
  GEMMA3_TRY(Checkpoint checkpoint, IsPackedFile(found.path)
                                        ? OpenPackedFile(found.path)
                                        : OpenCheckpoint(found.path, {.mmproj = mmproj}));
  TakeChatDefaults(found, &checkpoint);
  return checkpoint;
}

// Makes the checkpoint's tensors those that were packed in memory.
void ReplaceRewritten(Checkpoint& checkpoint, const ModelWeights& weights) {
  for (const auto& [name, matrix] : weights.rewritten) {
    TensorView& view = checkpoint.tensors.at(name);
    view.data = static_cast<const std::byte*>(matrix.data);
    view.bytes = FormBytes(matrix.type, matrix.rows, matrix.cols);
    switch (matrix.type) {
      case WeightType::kF32:
        view.type = TensorType::kF32;
        break;
      case WeightType::kF16:
        view.type = TensorType::kF16;
        break;
      case WeightType::kBF16:
        view.type = TensorType::kBF16;
        break;
      default:
        view.type = PackedTensorType(matrix.type);
        break;
    }
  }
}

// Fills model.checkpoint and model.weights.
Status LoadParts(const FoundModel& found, const LoadOptions& options, LoadedModel& model) {
  ThreadPool pool(options.threads);
  GEMMA3_TRY(model.checkpoint, OpenAny(found, options));
  const bool cached = !options.cache_folder.empty() && !IsPackedFile(found.path) &&
                      NeedsPacking(model.checkpoint, options);
  const std::string cache_path = cached ? PackedCachePath(model.checkpoint, options) : "";
  if (cached) {
    // A cached file that does not open any more (an older version, a damaged disk) is made anew.
    if (auto packed = OpenPackedFile(cache_path)) {
      packed->remarks = model.checkpoint.remarks;
      model.checkpoint = *std::move(packed);
      GEMMA3_TRY(model.weights, LoadWeights(model.checkpoint, options, pool));
      MarkUsed(cache_path);
      return {};
    }
  }
  ShareEqualHead(model.checkpoint, pool);
  GEMMA3_TRY(model.weights, LoadWeights(model.checkpoint, options, pool));
  if (!cached) return {};
  // Failing to keep the result costs time at the next start and nothing else.
  std::error_code error;
  std::filesystem::create_directories(options.cache_folder, error);
  Checkpoint packed = model.checkpoint;
  ReplaceRewritten(packed, model.weights);
  if (const Status written = WritePackedFile(cache_path, packed); !written) {
    model.checkpoint.remarks.notes.push_back("packed weights were not kept: " +
                                             written.error().message);
    return {};
  }
  TrimPackedCache(options.cache_folder, options.cache_max_bytes, cache_path);
  // From now on as at the next start: mapped, and so shared and reclaimable.
  if (auto reopened = OpenPackedFile(cache_path)) {
    reopened->remarks = model.checkpoint.remarks;
    model.weights = {};
    model.checkpoint = *std::move(reopened);
    GEMMA3_TRY(model.weights, LoadWeights(model.checkpoint, options, pool));
  }
  return {};
}

Result<std::shared_ptr<LoadedModel>> LoadChecked(const FoundModel& found,
                                                 const LoadOptions& options) {
  const std::string& path = found.path;
  auto model = std::make_shared<LoadedModel>();
  model->path = path;
  GEMMA3_CHECK_OK(LoadParts(found, options, *model));
  const size_t bytes = model->weights.mapped_bytes + model->weights.owned_bytes;
  if (options.max_memory_bytes != 0 && bytes > options.max_memory_bytes) {
    return Fail(ErrorCode::kOutOfMemory, path, ": the weights take ", BytesText(bytes),
                ", more than the limit of ", BytesText(options.max_memory_bytes),
                "; use a smaller or more strongly quantised model");
  }
  if (model->checkpoint.tokenizer_proto.empty()) {
    model->tokenizer_missing = model->checkpoint.tokenizer_missing;
  } else {
    GEMMA3_TRY(Tokenizer tokenizer, Tokenizer::FromProto(model->checkpoint.tokenizer_proto));
    model->tokenizer = std::move(tokenizer);
    model->checkpoint.tokenizer_proto = {};  // the tokenizer keeps what it needs
  }
  model->tensors = ListTensors(model->checkpoint);
  return model;
}

Status OutOfRange(const char* option, const std::string& range, size_t value) {
  return Fail(ErrorCode::kInvalidArgument, option, " must be ", range, ", not ", value);
}

}  // namespace

Result<Model> Model::Load(const std::string& path, const LoadOptions& options) {
  return Guarded("load ", path, [&]() -> Result<Model> {
    GEMMA3_TRY(const FoundModel found, LocateModel(path, ModelPlacesFromEnvironment()));
    GEMMA3_TRY(std::shared_ptr<LoadedModel> model, LoadChecked(found, options));
    return Model(std::move(model));
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
  constexpr size_t kMaxThreads = 1024;
  if (options.threads > kMaxThreads) {
    GEMMA3_CHECK_OK(
        OutOfRange("threads", "at most " + std::to_string(kMaxThreads), options.threads));
  }
  out.threads = options.threads == 0 ? ThreadPool::DefaultThreads() : options.threads;
  constexpr size_t kMaxBatch = 1 << 16;
  if (options.prefill_batch == 0 || options.prefill_batch > kMaxBatch) {
    GEMMA3_CHECK_OK(
        OutOfRange("prefill_batch", "1 to " + std::to_string(kMaxBatch), options.prefill_batch));
  }
  out.max_batch = std::min(options.prefill_batch, out.context);
  // The soft tokens of a picture see each other, so they are computed in one batch.
  if (config.has_vision) out.max_batch = std::max(out.max_batch, config.vision.tokens_per_image);
  out.compute = options.compute == ComputeMode::kExact ? Compute::kExact : Compute::kFast;
  switch (options.kv) {
    case KvCacheType::kAuto:
      out.kv.local = out.kv.global = out.compute == Compute::kExact ? KvType::kF32 : KvType::kBF16;
      break;
    case KvCacheType::kF32:
      out.kv.local = out.kv.global = KvType::kF32;
      break;
    case KvCacheType::kF16:
      out.kv.local = out.kv.global = KvType::kF16;
      break;
    case KvCacheType::kBF16:
      out.kv.local = out.kv.global = KvType::kBF16;
      break;
    case KvCacheType::kInt8:
      // Windows are small; only what grows with the context is worth the loss.
      out.kv.local = KvType::kBF16;
      out.kv.global = KvType::kInt8;
      break;
  }
  // Enough for the begins of the last question and of its answer, if both are longer than a window.
  out.checkpoint_bytes = options.checkpoint_bytes != 0
                             ? options.checkpoint_bytes
                             : 2 * KvCache::ForkBytes(config.text, out.kv);
  return out;
}

MemoryPlan PlanMemory(const LoadedModel& model, const ResolvedOptions& options) {
  const ModelConfig& config = model.checkpoint.config;
  MemoryPlan plan;
  plan.weights = model.weights.mapped_bytes + model.weights.owned_bytes;
  // Matrix products keep their input once more in the kernels' form, at most f32, and an MLP its
  // inner rows.
  const size_t widest =
      std::max(config.text.hidden_size, config.text.num_heads * config.text.head_dim);
  const size_t text_floats = Transformer::WorkspaceFloats(config.text, options.max_batch);
  plan.activations = text_floats * sizeof(float) +
                     MlpBytes(options.max_batch, widest, config.text.intermediate_size) +
                     options.threads * kMlpThreadBytes + config.text.vocab_size * sizeof(float);
  if (config.has_vision) {
    // The tower takes the place of the language model in the workspace while it works.
    const size_t tower_floats = VisionTower::WorkspaceFloats(config.vision, options.compute);
    plan.vision = (tower_floats - std::min(tower_floats, text_floats)) * sizeof(float) +
                  VisionTower::MlpScratchBytes(config.vision) + options.session.image_cache_bytes;
  }
  // Pieces, their index and SentencePiece's own copies, as measured with the published vocabulary.
  constexpr size_t kTokenizerBytesPerPiece = 300;
  if (model.tokenizer) plan.tokenizer = model.tokenizer->vocab_size() * kTokenizerBytesPerPiece;
  plan.program = size_t{10} << 20;  // as measured
  return plan;
}

std::string DescribePlan(const MemoryPlan& plan) {
  return "weights " + BytesText(plan.weights) + " + KV cache " + BytesText(plan.kv_cache) +
         " + activations " + BytesText(plan.activations) + " + vision " + BytesText(plan.vision) +
         " + tokenizer " + BytesText(plan.tokenizer) + " + program " + BytesText(plan.program) +
         " = " + BytesText(plan.total());
}

Result<MemoryPlan> Model::Plan(const SessionOptions& options) const {
  GEMMA3_TRY(const ResolvedOptions resolved, Resolve(config(), options));
  return PlanMemory(*impl_, resolved);
}

Status Convert(const std::string& path, const std::string& out, const LoadOptions& options) {
  if (!IsPackedFile(out)) {
    return Fail(ErrorCode::kInvalidArgument, "the name ", out, " must end in ", kPackedFileSuffix);
  }
  return Guarded("convert ", path, [&]() -> Status {
    GEMMA3_TRY(const FoundModel found, LocateModel(path, ModelPlacesFromEnvironment()));
    LoadOptions direct = options;
    direct.cache_folder.clear();
    LoadedModel model;
    GEMMA3_CHECK_OK(LoadParts(found, direct, model));
    ReplaceRewritten(model.checkpoint, model.weights);
    return WritePackedFile(out, model.checkpoint);
  });
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
    GEMMA3_TRY(const Checkpoint checkpoint, OpenAny({.path = found}, {}));
    if (checkpoint.tokenizer_proto.empty()) {
      return Fail(ErrorCode::kBadModel, found, ": ", checkpoint.tokenizer_missing);
    }
    return FromProto(checkpoint.tokenizer_proto);
  });
}

}  // namespace gemma3
