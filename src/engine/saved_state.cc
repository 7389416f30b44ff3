// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/saved_state.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "src/base/status.h"
#include "src/chat/conversation_json.h"
#include "src/generate/restored_picture.h"
#include "src/image/hash.h"
#include "src/model/state_file.h"

namespace gemma3 {

Result<Computed> FindComputed(EngineState& engine, const PromptPlan& prompt, std::string_view salt,
                              const AdapterSet* adapters, size_t most) {
  GEMMA3_CHECK_OK(engine.CheckNotInCallback());
  Computed out;
  out.sequence.ids = prompt.layout.ids;
  for (const ImageSpan& span : prompt.layout.images) {
    out.sequence.images.push_back({span.begin, span.count, nullptr});
    out.hashes.push_back(HashForFile(*prompt.pictures[span.picture]));
  }
  return engine.Exclusively([&](Machine& machine, Scheduler& scheduler) -> Result<Computed> {
    for (size_t i = 0; i < out.sequence.images.size(); ++i) {
      const ImageSpan& span = prompt.layout.images[i];
      const auto& picture = prompt.pictures[span.picture];
      const CropBox& box = prompt.views[span.picture][span.view];
      SoftTokenRows rows = machine.encoder->Find(picture, box, salt);
      if (!rows) {
        if (picture->restored) {
          return Fail(ErrorCode::kInternal, "a picture of a saved conversation has lost a view");
        }
        GEMMA3_TRY(rows, machine.encoder->Encode(
                             picture, box, salt, [](size_t) { return true; }, adapters));
      }
      out.sequence.images[i].rows = std::move(rows);
    }
    out.cache = scheduler.store().Find(out.sequence, salt, most);
    return std::move(out);
  });
}

Hash128 HashForFile(const Image& image) {
  if (image.restored) return image.restored->hash;
  // Fixed, since it goes into files. Whoever makes two pictures with one hash deceives only the
  // programs that read his own files.
  constexpr HashKey kKey = {0x67656d6d61332e63, 0x7070696d616765};
  return ImageHasher(kKey)(image);
}

Result<ReadBack> ReadComputed(EngineState& engine, const std::string& path, std::string_view salt,
                              const AdapterSet* adapters) {
  GEMMA3_CHECK_OK(engine.CheckNotInCallback());
  const StateIdentity identity = engine.IdentityWith(adapters);
  GEMMA3_TRY(const StateHeader header, ReadStateHeader(path));
  if (header.ids.size() >= engine.options.context) {
    return Fail(ErrorCode::kContextTooLong, path, " holds ", header.ids.size(),
                " tokens and the context ", engine.options.context, "; use a context of at least ",
                header.ids.size() + 1);
  }
  return engine.Exclusively([&](Machine& machine, Scheduler& scheduler) -> Result<ReadBack> {
    for (;;) {
      auto saved = ReadState(path, identity, machine.kv, &machine.pool);
      if (!saved && saved.error().code == ErrorCode::kOutOfMemory && scheduler.store().EvictOne()) {
        continue;  // what is kept for later makes room
      }
      if (!saved) return std::unexpected(std::move(saved).error());
      if (saved->cache && saved->cache->size() > 0) {
        TokenSequence sequence{std::move(saved->ids), saved->images, {}};
        scheduler.store().KeepEnd(sequence, *std::move(saved->cache), salt);
      }
      return ReadBack{std::move(saved->notes), std::move(saved->images), std::move(saved->hashes)};
    }
  });
}

Status SaveConversation(EngineState& engine, std::span<const Message> messages,
                        const PromptPlan& prompt, std::string_view salt, const AdapterSet* adapters,
                        const std::string& path, const ProgressCallback& on_progress) {
  SavedConversation conversation{{messages.begin(), messages.end()}, {}};
  for (const std::vector<CropBox>& views : prompt.views) {
    auto& boxes = conversation.views.emplace_back();
    for (const CropBox& view : views) {
      boxes.push_back({view.left, view.top, view.right, view.bottom});
    }
  }
  GEMMA3_TRY(const Computed computed, FindComputed(engine, prompt, JoinSalt(salt, adapters),
                                                   adapters, prompt.layout.ids.size()));
  const StateIdentity identity = engine.IdentityWith(adapters);
  return WriteState(path,
                    {.identity = identity,
                     .notes = ConversationJson(conversation),
                     .ids = computed.sequence.ids,
                     .images = computed.sequence.images,
                     .hashes = computed.hashes,
                     .cache = computed.cache ? &*computed.cache : nullptr},
                    on_progress);
}

Result<std::vector<Message>> LoadConversation(EngineState& engine, const std::string& path,
                                              std::string_view salt, const AdapterSet* adapters) {
  GEMMA3_TRY(const ReadBack state, ReadComputed(engine, path, JoinSalt(salt, adapters), adapters));
  GEMMA3_TRY(SavedConversation conversation, ParseConversationJson(state.notes, path));
  // Soft tokens follow each other picture by picture, view by view.
  size_t views = 0, run = 0;
  for (const auto& boxes : conversation.views) views += boxes.size();
  if (views != state.images.size()) {
    return Fail(ErrorCode::kBadModel, path, ": it has ", state.images.size(),
                " pictures and its messages ", views);
  }
  auto boxes = conversation.views.begin();
  for (Message& message : conversation.messages) {
    for (Part& part : message.parts) {
      if (!part.image) continue;
      auto restored = std::make_shared<RestoredPicture>();
      for (const PictureBox& box : *boxes++) {
        restored->hash = state.hashes[run];
        restored->views.push_back({{box[0], box[1], box[2], box[3]}, state.images[run].rows});
        if (!state.images[run++].rows) {
          return Fail(ErrorCode::kBadModel, path, ": what the model saw of a picture is missing");
        }
      }
      if (restored->views.empty()) {
        return Fail(ErrorCode::kBadModel, path, ": a picture that was not looked at");
      }
      Image image = *part.image;
      image.restored = std::move(restored);
      part.image = std::make_shared<const Image>(std::move(image));
    }
  }
  return std::move(conversation.messages);
}

Result<std::vector<Message>> LoadMessagesOf(const std::string& path) {
  GEMMA3_TRY(const std::string notes, ReadStateNotes(path));
  GEMMA3_TRY(SavedConversation conversation, ParseConversationJson(notes, path));
  if (!conversation.views.empty()) {
    return Fail(ErrorCode::kUnsupported, path,
                " has pictures among its messages, of which it "
                "keeps only what its own model saw: the messages alone would lose them");
  }
  return std::move(conversation.messages);
}

}  // namespace gemma3
