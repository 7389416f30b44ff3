// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/adapters.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "src/base/guard.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/engine/loaded_model.h"
#include "src/formats/adapter_file.h"
#include "src/threading/processors.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

struct AdapterAccess {
  static Adapter Make(std::shared_ptr<const LoadedAdapter> impl, const LoadedModel& model) {
    return Adapter(std::move(impl), &model);
  }
  static bool BelongsTo(const Adapter& adapter, const LoadedModel& model) {
    return adapter.model_ == &model;
  }
};

namespace {

// Tokens that the adapter was trained with and that no text becomes here.
Status CheckTokens(const AdapterFile& file, const Model& model) {
  const auto tokenizer = model.tokenizer();
  if (!tokenizer) return {};
  std::string first;
  size_t missing = 0;
  for (const std::string& token : file.added_tokens) {
    // Published text models list the mark of pictures, which they have no row for.
    if (token == "<image_soft_token>" || (*tokenizer)->Find(token) >= 0) continue;
    if (missing++ == 0) first = token;
  }
  if (missing == 0) return {};
  return Fail(ErrorCode::kUnsupported, file.path, ": the adapter's tokenizer has ", missing,
              missing == 1 ? " token" : " tokens", " that the model's lacks, first \"",
              Shown(first, 60),
              "\": it was trained with them; merge it into a model with that tokenizer");
}

}  // namespace

Result<Adapter> Adapter::Load(const Model& model, const std::string& path) {
  return Guarded("load the adapter ", path, [&]() -> Result<Adapter> {
    GEMMA3_CHECK_OK(model.impl().CheckFilesUnchanged());
    GEMMA3_TRY(AdapterFile file, OpenAdapterFile(path));
    GEMMA3_CHECK_OK(CheckTokens(file, model));
    ThreadPool pool(DefaultThreads(DescribeCpus()));
    GEMMA3_TRY(auto placed,
               PlaceAdapter(std::move(file), model.config(), model.impl().weights, pool));
    return AdapterAccess::Make(std::move(placed), model.impl());
  });
}

const std::string& Adapter::name() const { return impl_->name; }
const std::string& Adapter::path() const { return impl_->path; }
size_t Adapter::matrices() const { return impl_->matrices; }
size_t Adapter::bytes() const { return impl_->bytes; }
const std::vector<std::string>& Adapter::notes() const { return impl_->remarks.notes; }
const std::vector<std::string>& Adapter::warnings() const { return impl_->remarks.warnings; }

Result<std::shared_ptr<const AdapterSet>> MakeAdapterSet(const Model& model,
                                                         std::span<const AdapterUse> uses) {
  std::vector<AdapterSet::Use> own;
  for (const AdapterUse& use : uses) {
    if (!AdapterAccess::BelongsTo(use.adapter, model.impl())) {
      return Fail(ErrorCode::kInvalidArgument, "the adapter ", use.adapter.name(),
                  " was loaded for another model than ", model.config().name);
    }
    if (!std::isfinite(use.scale)) {
      return Fail(ErrorCode::kInvalidArgument, "the scale of the adapter ", use.adapter.name(),
                  " is no finite number");
    }
    if (use.scale != 0) own.push_back({use.adapter.impl(), use.scale});
  }
  if (own.empty()) return std::shared_ptr<const AdapterSet>();
  return AdapterSet::Create(own, model.config());
}

std::string JoinSalt(std::string_view salt, const AdapterSet* adapters) {
  std::string joined(salt);
  if (adapters) joined += '\0' + adapters->identity();
  return joined;
}

Result<std::shared_ptr<const AdapterSet>> AdapterSets::Get(const Model& model,
                                                           std::span<const AdapterUse> uses) {
  if (uses.empty()) return std::shared_ptr<const AdapterSet>();
  GEMMA3_TRY(std::shared_ptr<const AdapterSet> made, MakeAdapterSet(model, uses));
  if (!made) return made;
  const std::scoped_lock lock(mutex_);
  std::erase_if(sets_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<const AdapterSet>& known = sets_[made->identity()];
  if (auto same = known.lock()) return same;
  known = made;
  return made;
}

size_t BytesOf(std::span<const AdapterUse> uses) {
  std::set<const LoadedAdapter*> counted;
  size_t bytes = 0;
  for (const AdapterUse& use : uses) {
    if (counted.insert(use.adapter.impl().get()).second) bytes += use.adapter.bytes();
  }
  return bytes;
}

size_t RankOf(std::span<const AdapterUse> uses) {
  size_t rank = 0;
  for (const AdapterUse& use : uses) rank += use.adapter.impl()->max_rank();
  return rank;
}

}  // namespace gemma3
