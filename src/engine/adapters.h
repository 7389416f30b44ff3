// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From the adapters that callers name to the sets that are computed with.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "gemma3/adapter.h"
#include "gemma3/error.h"
#include "gemma3/model.h"
#include "src/weights/adapter.h"

namespace gemma3 {

// Null where the uses change nothing. Errors: kInvalidArgument for an adapter of another model, a
// scale that is not finite, and those of AdapterSet::Create.
Result<std::shared_ptr<const AdapterSet>> MakeAdapterSet(const Model& model,
                                                         std::span<const AdapterUse> uses);

// What was computed under a set is found under an equal one alone: a salt is joined with it.
std::string JoinSalt(std::string_view salt, const AdapterSet* adapters);

// Equal sets are one, so that answers that use it are computed together. Thread rule: any thread.
class AdapterSets {
 public:
  // Errors: those of MakeAdapterSet.
  Result<std::shared_ptr<const AdapterSet>> Get(const Model& model,
                                                std::span<const AdapterUse> uses);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const AdapterSet>> sets_;  // by identity
};

// Bytes of the adapters, each counted once.
size_t BytesOf(std::span<const AdapterUse> uses);
// The largest rank of any of them (AdapterSet::max_rank is at most as large as the sum over them).
size_t RankOf(std::span<const AdapterUse> uses);

}  // namespace gemma3
