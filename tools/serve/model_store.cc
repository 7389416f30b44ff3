// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/model_store.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "src/base/ascii.h"
#include "src/base/bytes_text.h"
#include "src/base/guard.h"
#include "src/base/hash.h"
#include "src/base/status.h"
#include "src/chat/answer_marks.h"
#include "tools/models.h"
#include "tools/text.h"

namespace gemma3::serve {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// How long a request waits for memory that others use.
constexpr std::chrono::seconds kPatience(30);

std::string BaseName(const std::string& word) {
  fs::path path(word);
  if (!path.has_filename()) path = path.parent_path();
  const std::string name = path.filename().string();
  for (const char* ending : {".gguf", ".gemma3", ".llamafile"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - std::string(ending).size());
  }
  return name;
}

std::string WithoutLatest(std::string_view name) {
  std::string lower = AsciiLower(name);
  if (lower.ends_with(":latest")) lower.resize(lower.size() - 7);
  return lower;
}

int64_t ModifiedAt(const std::string& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  if (error) return 0;
  const auto system = std::chrono::file_clock::to_sys(time);
  return std::chrono::duration_cast<std::chrono::seconds>(system.time_since_epoch()).count();
}

std::vector<TokenId> EndTokens(const Model& model, const Tokenizer& tokenizer) {
  std::vector<TokenId> ids = ChatAnswerMarks(model.config(), tokenizer).stop;
  std::erase_if(
      ids, [&](TokenId id) { return id < 0 || static_cast<size_t>(id) >= tokenizer.vocab_size(); });
  return ids;
}

}  // namespace

Status ModelStore::Add(const std::string& word) {
  const size_t equals = word.find('=');
  std::error_code ignored;
  const bool named = equals != std::string::npos && equals > 0 && !fs::exists(word, ignored);
  const std::string source = named ? word.substr(equals + 1) : word;
  auto slot = std::make_unique<Slot>();
  GEMMA3_TRY(const std::string path, cli::ResolveModel(source));
  cli::Settings settings = settings_;
  settings.session.max_memory_bytes = settings.load.max_memory_bytes = 0;
  GEMMA3_TRY(const ModelInfo info, cli::InspectModel(source, settings));
  GEMMA3_TRY(const MemoryPlan plan, info.Plan(settings.session));
  size_t context = 0;
  if (const auto& embedding = info.config().embedding) {
    context = embedding->max_tokens;
  } else {
    GEMMA3_TRY(const EngineOptions options, info.Resolve(settings.session));
    context = options.context;
  }
  if (!settings_.lora.empty() && !slots_.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "--lora is for a server with one model: an adapter belongs to it");
  }
  slot->plan_bytes = plan.total();
  if (const size_t most = settings_.session.max_memory_bytes; most != 0 && most < plan.total()) {
    return Fail(ErrorCode::kOutOfMemory, source, " needs ", BytesText(plan.total()),
                ", more than the limit of ", BytesText(most), " (--max-memory)");
  }
  ListedModel& listed = slot->listed;
  listed.config = info.config();
  listed.id = named ? word.substr(0, equals) : info.config().name;
  listed.path = source;
  listed.context = context;
  listed.modified = ModifiedAt(path);
  std::map<std::string, size_t> by_type;
  std::string described;  // stands for the files; reading them would take minutes
  for (const TensorInfo& tensor : info.tensors()) {
    listed.file_bytes += tensor.bytes;
    by_type[tensor.type] += tensor.bytes;
    size_t count = 1;
    for (const uint64_t side : tensor.shape) count *= side;
    listed.parameters += count;
    described += tensor.name + ' ' + tensor.type + ' ' + std::to_string(tensor.bytes) + '\n';
  }
  described += std::to_string(listed.modified);
  const auto bytes_of = [](const std::string& text) {
    return std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  const Hash128 first = SipHash128({1, 0}, bytes_of(described));
  const Hash128 second = SipHash128({2, 0}, bytes_of(described));
  for (const uint64_t word_of : {first.low, first.high, second.low, second.high}) {
    listed.digest += cli::Format("%016llx", static_cast<unsigned long long>(word_of));
  }
  size_t largest = 0;
  for (const auto& [type, bytes] : by_type) {
    if (bytes > largest) largest = bytes, listed.weights = type;
  }
  slot->names = {WithoutLatest(listed.id), WithoutLatest(source), WithoutLatest(BaseName(source))};
  for (const auto& other : slots_) {
    if (std::ranges::find(other->names, slot->names[0]) != other->names.end()) {
      return Fail(ErrorCode::kInvalidArgument, "two models are called ", listed.id,
                  "; give one another name: NAME=", source);
    }
  }
  for (const AdapterPath& lora : settings_.lora) {
    const std::string name = BaseName(lora.path);
    const bool taken = std::ranges::find(slot->names, AsciiLower(name)) != slot->names.end() ||
                       std::ranges::find(listed.adapters, name) != listed.adapters.end();
    if (taken) {
      return Fail(ErrorCode::kInvalidArgument, lora.path, ": the name ", name,
                  " is taken; an adapter is asked for by the name of its folder or file");
    }
    listed.adapters.push_back(name);
  }
  slots_.push_back(std::move(slot));
  return {};
}

std::optional<size_t> ModelStore::Find(std::string_view name) const {
  if (name.empty()) return 0;
  const std::string wanted = WithoutLatest(name);
  for (size_t rank = 0; rank < 3; ++rank) {
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i]->names[rank] == wanted) return i;
    }
  }
  if (FindAdapter(name) || any_name_) return 0;
  return std::nullopt;
}

std::optional<size_t> ModelStore::FindAdapter(std::string_view name) const {
  if (slots_.empty()) return std::nullopt;
  const std::vector<std::string>& adapters = slots_.front()->listed.adapters;
  const auto it = std::ranges::find_if(
      adapters, [&](const std::string& one) { return WithoutLatest(one) == WithoutLatest(name); });
  if (it == adapters.end()) return std::nullopt;
  return static_cast<size_t>(it - adapters.begin());
}

Result<std::shared_ptr<ServedModel>> ModelStore::Load(const Slot& slot) const {
  cli::Settings settings = settings_;
  settings.session.max_memory_bytes = settings.load.max_memory_bytes = 0;  // MakeRoom counts
  GEMMA3_TRY(cli::OpenedModel opened,
             cli::LoadModel(slot.listed.path, settings, /*keep=*/false, stop_));
  GEMMA3_TRY(const Tokenizer* tokenizer, opened.model.tokenizer());
  std::optional<Engine> engine;
  std::optional<Embedder> embedder;
  if (opened.model.config().embedding) {
    GEMMA3_TRY(embedder, Embedder::Create(opened.model, {.threads = settings.session.threads,
                                                         .compute = settings.session.compute,
                                                         .adapters = opened.adapters}));
  } else {
    GEMMA3_TRY(engine,
               Engine::Create(opened.model, opened.Session(settings.session), opened.draft()));
  }
  ModelView view{.id = slot.listed.id,
                 .system = settings.system ? *settings.system : opened.model.config().system,
                 .end_tokens = EndTokens(opened.model, *tokenizer),
                 .context = slot.listed.context,
                 .has_vision = opened.model.config().has_vision,
                 .decode = [model = opened.model](std::span<const TokenId> ids) -> std::string {
                   const auto known = model.tokenizer();
                   if (!known) return {};
                   return (*known)->Decode(ids).value_or("");
                 },
                 .encode = [model = opened.model](std::string_view text) -> std::vector<TokenId> {
                   const auto known = model.tokenizer();
                   if (!known) return {};
                   return (*known)->Encode(text).value_or(std::vector<TokenId>());
                 }};
  return std::make_shared<ServedModel>(ServedModel{
      std::move(opened.model), std::move(opened.draft_model), std::move(engine),
      std::move(embedder), std::move(opened.adapters), std::move(view), opened.seconds});
}

// Takes a model out; what holds its memory goes to `leaving`, to end without the lock.
void ModelStore::Drop(Slot& slot, std::vector<std::shared_ptr<ServedModel>>& leaving) {
  Count(slot);
  leaving.push_back(std::exchange(slot.served, nullptr));
}

// What its engine says, with the tokens of those before it.
EngineUsage ModelStore::Count(Slot& slot) {
  const auto model = slot.last.lock();
  EngineUsage now = model && model->engine ? model->engine->usage() : slot.counted;
  slot.total.prompt_tokens += now.prompt_tokens - slot.counted.prompt_tokens;
  slot.total.cached_tokens += now.cached_tokens - slot.counted.cached_tokens;
  slot.total.answer_tokens += now.answer_tokens - slot.counted.answer_tokens;
  slot.counted = now;
  if (!model) now = {};
  now.prompt_tokens = slot.total.prompt_tokens;
  now.cached_tokens = slot.total.cached_tokens;
  now.answer_tokens = slot.total.answer_tokens;
  return now;
}

bool ModelStore::MakeRoom(const Slot& slot, std::vector<std::shared_ptr<ServedModel>>& leaving) {
  const size_t most = settings_.session.max_memory_bytes;
  if (most == 0) return true;
  size_t used = slot.plan_bytes;
  size_t needed = used;  // beside those that somebody uses
  std::vector<Slot*> idle;
  for (const auto& other : slots_) {
    if (other.get() == &slot || (other->last.expired() && !other->loading)) continue;
    used += other->plan_bytes;
    if (other->served && other->served.use_count() == 1) {
      idle.push_back(other.get());
    } else {
      needed += other->plan_bytes;
    }
  }
  if (needed > most) return false;
  std::ranges::sort(idle, {}, &Slot::used);
  for (size_t i = 0; used > most; ++i) {
    Drop(*idle[i], leaving);
    used -= idle[i]->plan_bytes;
  }
  return true;
}

Api<std::shared_ptr<ServedModel>> ModelStore::Get(std::string_view name, const CancelFlag& gone) {
  const auto index = Find(name);
  if (!index) {
    std::string known;
    for (const auto& slot : slots_) known += (known.empty() ? "" : ", ") + slot->listed.id;
    return Refuse(404,
                  "the model \"" + std::string(name.substr(0, 200)) +
                      "\" is not served here; there is " + known,
                  "model", "model_not_found");
  }
  Slot& slot = *slots_[*index];
  const auto late = Clock::now() + kPatience;
  std::unique_lock lock(mutex_);
  for (;;) {
    slot.used = Clock::now();
    if (!slot.served) slot.served = slot.last.lock();
    if (slot.served) return slot.served;
    std::vector<std::shared_ptr<ServedModel>> leaving;
    if (!slot.loading && MakeRoom(slot, leaving)) {
      slot.loading = true;
      lock.unlock();
      leaving.clear();
      auto loaded = Guarded("load ", slot.listed.id, [&] { return Load(slot); });
      lock.lock();
      slot.loading = false;
      changed_.notify_all();
      if (!loaded) return std::unexpected(ApiError(loaded.error()));
      slot.served = *std::move(loaded);
      slot.last = slot.served;
      slot.counted = {};
      continue;
    }
    if (gone.cancelled()) return Refuse(503, "the client has gone");
    if (!slot.loading && Clock::now() > late) {
      ApiError busy(503, "no memory for " + slot.listed.id + " while others are in use");
      busy.retry_after = 5;
      return std::unexpected(std::move(busy));
    }
    changed_.wait_for(lock, std::chrono::milliseconds(100));
  }
}

void ModelStore::Unload(size_t index) {
  std::vector<std::shared_ptr<ServedModel>> leaving;
  const std::scoped_lock lock(mutex_);
  Slot& slot = *slots_[index];
  // The engine's memory goes with the last of those who use it.
  if (slot.served) Drop(slot, leaving);
}

std::vector<ListedModel> ModelStore::List() const {
  std::vector<ListedModel> list;
  const std::scoped_lock lock(mutex_);
  for (const auto& slot : slots_) {
    list.push_back(slot->listed);
    list.back().loaded = !slot->last.expired();
  }
  return list;
}

std::vector<ModelFigures> ModelStore::Figures() const {
  std::vector<ModelFigures> figures;
  const std::scoped_lock lock(mutex_);
  for (const auto& slot : slots_) {
    ModelFigures& model = figures.emplace_back();
    model.name = slot->listed.id;
    model.loaded = !slot->last.expired();
    model.metrics = slot->metrics.get();
    model.usage = Count(*slot);
  }
  return figures;
}

}  // namespace gemma3::serve
