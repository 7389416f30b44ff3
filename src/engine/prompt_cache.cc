// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/prompt_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "src/base/guard.h"
#include "src/base/kept_folder.h"
#include "src/base/status.h"
#include "src/engine/saved_state.h"
#include "src/generate/request.h"
#include "src/model/state_file.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

// What is computed in less than a second needs no file.
constexpr size_t kWorthKeeping = 1024;
// A file must save so many tokens more than what the engine holds.
constexpr size_t kWorthReading = 256;

std::vector<Hash128> HashesOf(const PromptPlan& prompt) {
  std::vector<Hash128> hashes;
  for (const ImageSpan& span : prompt.layout.images) {
    hashes.push_back(HashForFile(*prompt.pictures[span.picture]));
  }
  return hashes;
}

// Whether all that the state holds is the beginning of the prompt.
bool Begins(const StateHeader& state, const PromptPlan& prompt, std::span<const Hash128> hashes) {
  const size_t size = state.positions;
  const auto& ids = prompt.layout.ids;
  if (!state.has_cache || size >= ids.size() || state.ids.size() < size ||
      !std::equal(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(size), state.ids.begin())) {
    return false;
  }
  for (size_t i = 0; i < prompt.layout.images.size(); ++i) {
    const ImageSpan& span = prompt.layout.images[i];
    if (span.begin >= size) break;
    if (i >= state.images.size() || state.images[i].begin != span.begin ||
        state.hashes[i] != hashes[i]) {
      return false;
    }
  }
  return true;
}

size_t HeldBy(EngineState& engine, const PromptPlan& prompt, std::string_view salt) {
  TokenSequence sequence{prompt.layout.ids, {}, {}};
  return engine.Exclusively([&](Machine& machine, Scheduler& scheduler) {
    for (const ImageSpan& span : prompt.layout.images) {
      sequence.images.push_back(
          {span.begin, span.count,
           machine.encoder->Find(prompt.pictures[span.picture],
                                 prompt.views[span.picture][span.view], salt)});
    }
    return scheduler.store().Match(sequence, salt, sequence.ids.size() - 1);
  });
}

std::string NameOf(const StateIdentity& identity, std::span<const TokenId> ids,
                   std::span<const Hash128> hashes) {
  std::string text;
  for (const auto& [name, value] : identity.fields) text += name + "=" + value + "\n";
  text.append(reinterpret_cast<const char*>(ids.data()), ids.size_bytes());
  text.append(reinterpret_cast<const char*>(hashes.data()), hashes.size_bytes());
  constexpr HashKey kKey = {0x67656d6d61332e63, 0x70702070726f6d};
  const Hash128 hash =
      SipHash128(kKey, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  char name[33];
  std::snprintf(name, sizeof name, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
  return name + std::string(kStateSuffix);
}

void Find(EngineState& engine, const PromptPlan& prompt, std::string_view salt,
          const AdapterSet* adapters) {
  const std::string& folder = engine.options.session.prompt_cache_folder;
  const StateIdentity identity = engine.IdentityWith(adapters);
  const std::vector<Hash128> hashes = HashesOf(prompt);
  std::string best;
  size_t most = 0;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != kStateSuffix) continue;
    const auto header = ReadStateHeader(it->path().string());
    if (!header || header->identity != identity || header->positions <= most ||
        !Begins(*header, prompt, hashes)) {
      continue;
    }
    most = header->positions;
    best = it->path().string();
  }
  if (most < kWorthReading || most < HeldBy(engine, prompt, salt) + kWorthReading) return;
  const auto read = ReadComputed(engine, best, salt, adapters);
  if (!read) {
    if (read.error().code == ErrorCode::kBadModel) fs::remove(best, error);
    return;
  }
  MarkUsed(best);
  engine.Exclusively([&](Machine& machine, Scheduler&) {
    for (size_t i = 0; i < read->images.size(); ++i) {
      const ImageSpan& span = prompt.layout.images[i];
      const auto& picture = prompt.pictures[span.picture];
      if (!read->images[i].rows || picture->restored) continue;
      machine.encoder->Remember(picture, prompt.views[span.picture][span.view], salt,
                                read->images[i].rows);
    }
  });
}

void Keep(EngineState& engine, const PromptPlan& prompt, std::string_view salt,
          const AdapterSet* adapters) {
  const std::string& folder = engine.options.session.prompt_cache_folder;
  std::error_code error;
  if (!fs::exists(folder, error)) {
    fs::create_directories(fs::path(folder).parent_path(), error);
    ::mkdir(folder.c_str(), 0700);  // writing will say why not
  }
  const size_t most = prompt.layout.ids.size() - std::min(prompt.layout.ids.size(), kPromptTail);
  auto computed = FindComputed(engine, prompt, salt, adapters, most);
  if (!computed || !computed->cache || computed->cache->size() < kWorthKeeping) return;
  const size_t size = computed->cache->size();
  computed->sequence.Truncate(size);
  computed->hashes.resize(computed->sequence.images.size());
  const StateIdentity identity = engine.IdentityWith(adapters);
  const std::string path =
      (fs::path(folder) / NameOf(identity, computed->sequence.ids, computed->hashes)).string();
  if (fs::exists(path, error)) return MarkUsed(path);
  const Status written = WriteState(path, {.identity = identity,
                                           .ids = computed->sequence.ids,
                                           .images = computed->sequence.images,
                                           .hashes = computed->hashes,
                                           .cache = &*computed->cache});
  if (written) {
    TrimFolder(folder, kStateSuffix, engine.options.session.prompt_cache_max_bytes, path);
  }
}

// Nothing of it is an error.
template <class Fn>
void Try(const Fn& fn) noexcept {
  (void)Guarded("use the prompt cache", "", [&]() -> Status {
    fn();
    return {};
  });
}

}  // namespace

void FindInPromptCache(EngineState& engine, const PromptPlan& prompt, std::string_view salt,
                       const AdapterSet* adapters) {
  if (engine.options.session.prompt_cache_folder.empty()) return;
  Try([&] { Find(engine, prompt, salt, adapters); });
}

void KeepInPromptCache(EngineState& engine, const PromptPlan& prompt, std::string_view salt,
                       size_t computed, const AdapterSet* adapters) {
  if (engine.options.session.prompt_cache_folder.empty() || computed < kWorthKeeping) return;
  Try([&] { Keep(engine, prompt, salt, adapters); });
}

}  // namespace gemma3
