// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A conversation that was saved goes on as one that never stopped: the same answers, and nothing
// computed again. And the folder that keeps long prompts. On the demo model.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/engine/demo_session.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

namespace fs = std::filesystem;

class SavedSession : public ::testing::Test {
 protected:
  std::string Path(const std::string& name = "talk") { return folder_.path() + "/" + name; }
  const TempFolder folder_;
};

TEST_F(SavedSession, GoesOnAsIfItHadNeverStopped) {
  for (const KvCacheType kv : {KvCacheType::kAuto, KvCacheType::kF32, KvCacheType::kInt8}) {
    Session session = DemoSession({.kv = kv});
    ASSERT_TRUE(session.SetSystem("End every answer with the word over."));
    ASSERT_TRUE(session.Send(Message::User(kStory), Sampled(3, 100)));
    ASSERT_TRUE(session.Send(Look({0, 1}), Greedy()));
    ASSERT_TRUE(session.Save(Path()));
    const size_t used = session.usage().used_tokens;

    Session other = DemoSession({.kv = kv});
    ASSERT_TRUE(other.Send(Message::User(kSum), Greedy(3)));  // it had one of its own
    const Status loaded = other.Load(Path());
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(Texts(other), Texts(session));
    EXPECT_EQ(other.usage().used_tokens, used);
    // What was saved can be saved again.
    ASSERT_TRUE(other.Save(Path("again")));
    Session third = DemoSession({.kv = kv});
    ASSERT_TRUE(third.Load(Path("again")));

    const Message next = Message::User("Is there a star in the second picture?");
    const auto expected = session.Send(next, Greedy());
    ASSERT_TRUE(expected);
    for (Session* restored : {&other, &third}) {
      const auto answer = restored->Send(next, Greedy());
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(answer->text, expected->text);
      EXPECT_EQ(answer->ids, expected->ids);
      EXPECT_EQ(answer->prompt_tokens, expected->prompt_tokens);
      EXPECT_EQ(answer->cached_tokens, expected->cached_tokens);
      EXPECT_EQ(answer->images_encoded, 0u);
      // An earlier turn can be answered anew, with its pictures.
      ASSERT_TRUE(restored->Undo());
      EXPECT_TRUE(restored->Regenerate(Greedy()));
    }
  }
}

TEST_F(SavedSession, EmptyAndUncomputedConversationsAreKeptAsWell) {
  Session session = DemoSession();
  ASSERT_TRUE(session.Save(Path("empty")));
  ASSERT_TRUE(session.SetSystem("Be brief."));
  ASSERT_TRUE(session.Save(Path("system")));
  ASSERT_TRUE(session.SetMessages(std::vector{Message::User("a"), Message::Model("b")}));
  ASSERT_TRUE(session.Save(Path("messages")));
  Session other = DemoSession();
  ASSERT_TRUE(other.Load(Path("messages")));
  EXPECT_EQ(Texts(other), (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(other.Load(Path("system")));
  EXPECT_EQ(Texts(other), (std::vector<std::string>{"Be brief."}));
  ASSERT_TRUE(other.Load(Path("empty")));
  EXPECT_TRUE(other.messages().empty());
}

TEST_F(SavedSession, WhatDoesNotFitIsRefusedAndChangesNothing) {
  Session session = DemoSession();
  ASSERT_TRUE(session.Send(Message::User(kStory), Greedy(60)));
  ASSERT_TRUE(session.Save(Path()));
  const auto refused = [&](Session& other, ErrorCode code, const std::string& words) {
    ASSERT_TRUE(other.SetMessages(std::vector{Message::User("x"), Message::Model("y")}));
    const Status loaded = other.Load(Path());
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, code) << loaded.error().message;
    EXPECT_NE(loaded.error().message.find(words), std::string::npos) << loaded.error().message;
    EXPECT_EQ(Texts(other), (std::vector<std::string>{"x", "y"}));
  };
  Session f32 = DemoSession({.kv = KvCacheType::kF32});
  refused(f32, ErrorCode::kUnsupported, "cache type");
  Session exact = DemoSession({.compute = ComputeMode::kExact, .kv = KvCacheType::kF16});
  refused(exact, ErrorCode::kUnsupported, "compute");
  Session small = DemoSession({.context = 32});
  refused(small, ErrorCode::kContextTooLong, "context");
  const auto packed = Model::Load(GEMMA3_DEMO_DIR, {.weights = WeightFormat::kInt8});
  ASSERT_TRUE(packed);
  auto other = Session::Create(*packed, {.threads = 2});
  ASSERT_TRUE(other);
  refused(*other, ErrorCode::kUnsupported, "model");
  // Its messages can be taken all the same.
  const Status messages = other->LoadMessages(Path());
  ASSERT_TRUE(messages) << messages.error().message;
  EXPECT_EQ(Texts(*other), Texts(session));
  EXPECT_TRUE(other->Send(Message::User(kSum), Greedy(5)));

  // Damage, wherever.
  std::ifstream in(Path(), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  for (size_t at = 0; at < bytes.size(); at += 1 + bytes.size() / 23) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    folder_.Write("talk", damaged);
    Session victim = DemoSession();
    refused(victim, at < 8 ? ErrorCode::kBadModel : ErrorCode::kBadModel, Path());
  }
  EXPECT_EQ(DemoSession().Load(Path("none")).error().code, ErrorCode::kIo);
  // Files of another kind stay.
  folder_.Write("talk", "my only copy");
  EXPECT_EQ(session.Save(Path()).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(SavedSession, PicturesAreNotLostInSilence) {
  Session session = DemoSession();
  ASSERT_TRUE(session.Send(Look({0}), Greedy(5)));
  ASSERT_TRUE(session.Save(Path()));
  Session other = DemoSession();
  EXPECT_EQ(other.LoadMessages(Path()).error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(other.messages().empty());
}

// ---- Long prompts

class PromptCache : public SavedSession {
 protected:
  static std::string Book() {
    std::string book;
    for (int i = 0; i < 220; ++i) book += "Chapter " + std::to_string(i * 13) + " has a red star. ";
    return book;
  }
  EngineOptions Options() {
    return {.context = 8192, .threads = 2, .prompt_cache_folder = Path("cache")};
  }
  Result<GenerationResult> Ask(const std::string& question, const EngineOptions& options) {
    const auto engine = Engine::Create(DemoModel(), options);
    if (!engine) return std::unexpected(engine.error());
    return engine->Answer(Prompt::Chat({Message::User(question)}), Greedy(8));
  }
  std::vector<fs::path> Files() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(Path("cache"))) files.push_back(entry.path());
    return files;
  }
};

TEST_F(PromptCache, ALaterEngineFindsTheDocument) {
  const std::string book = Book();
  const auto first = Ask(book + "Where is the star?", Options());
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_GT(first->prompt_tokens, 1600u);
  EXPECT_EQ(first->cached_tokens, 0u);
  ASSERT_EQ(Files().size(), 1u);
  EXPECT_EQ(fs::status(Path("cache")).permissions() & fs::perms::mask, fs::perms::owner_all);

  const std::string question = book + "How many chapters are there, and what is in them?";
  const auto second = Ask(question, Options());
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_GT(second->cached_tokens + 600, second->prompt_tokens);
  EngineOptions plain = Options();
  plain.prompt_cache_folder.clear();
  const auto expected = Ask(question, plain);
  ASSERT_TRUE(expected);
  EXPECT_EQ(second->ids, expected->ids);
  EXPECT_EQ(Files().size(), 1u);  // nothing new was worth a file

  // Another cache type, or another beginning, finds nothing of it.
  EngineOptions f32 = Options();
  f32.kv = KvCacheType::kF32;
  EXPECT_EQ(Ask(question, f32)->cached_tokens, 0u);
  EXPECT_EQ(Ask("Once " + question, Options())->cached_tokens, 0u);
  EXPECT_EQ(Files().size(), 3u);

  // A damaged file costs a computation and no more.
  for (const fs::path& file : Files()) fs::resize_file(file, fs::file_size(file) - 3);
  const auto again = Ask(question, Options());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->cached_tokens, 0u);
  EXPECT_EQ(again->ids, expected->ids);

  // The folder is bounded.
  EngineOptions small = Options();
  small.prompt_cache_max_bytes = 1;
  ASSERT_TRUE(Ask("Twice " + question, small));
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(PromptCache, ShortPromptsAreNotKept) {
  ASSERT_TRUE(Ask(kStory, Options()));
  EXPECT_FALSE(fs::exists(Path("cache")) && !Files().empty());
}

}  // namespace
}  // namespace gemma3::testing
