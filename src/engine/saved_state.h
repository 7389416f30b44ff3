// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Between an engine and the files that computed texts are kept in (model/state_file.h): what is
// computed of a prompt is found and written, and what was read is there to be found.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/generation.h"
#include "src/base/hash.h"
#include "src/engine/engine_state.h"

namespace gemma3 {

// What an engine holds of the beginning of a prompt, and the soft tokens of all its pictures; those
// that are not there any more are encoded again.
struct Computed {
  TokenSequence sequence;       // of the whole prompt
  std::vector<Hash128> hashes;  // of its pictures' views
  std::optional<KvCache> cache;
};
// salt: joined with the adapters (JoinSalt), here and in ReadComputed.
Result<Computed> FindComputed(EngineState& engine, const PromptPlan& prompt, std::string_view salt,
                              const AdapterSet* adapters, size_t most);

// Reads a state into the engine, for prompts that begin as it does. Errors: those of ReadState;
// kContextTooLong.
struct ReadBack {
  std::string notes;
  std::vector<ImageRun> images;
  std::vector<Hash128> hashes;  // of the images
};
Result<ReadBack> ReadComputed(EngineState& engine, const std::string& path, std::string_view salt,
                              const AdapterSet* adapters);

// What pictures are known by in such files: the same everywhere.
Hash128 HashForFile(const Image& image);

// ---- Whole conversations

Status SaveConversation(EngineState& engine, std::span<const Message> messages,
                        const PromptPlan& prompt, std::string_view salt, const AdapterSet* adapters,
                        const std::string& path, const ProgressCallback& on_progress);
// Its pictures are restored ones.
Result<std::vector<Message>> LoadConversation(EngineState& engine, const std::string& path,
                                              std::string_view salt, const AdapterSet* adapters);
// The messages alone. Errors: kUnsupported where there are pictures among them.
Result<std::vector<Message>> LoadMessagesOf(const std::string& path);

}  // namespace gemma3
