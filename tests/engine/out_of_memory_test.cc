// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Whichever allocation fails, the call that needed it returns an error and everything is as it was
// before: loading, creating a session, answering with a picture. Each allocation fails in turn.
//
// Not covered, because they end the process themselves where memory is short: SentencePiece, and
// the C++ library where it lists folders.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/experimental/evaluator.h"
#include "gemma3/gemma3.h"
#include "tests/support/demo_model.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/text/tokenizers.h"

namespace {

// How many allocations of the process succeed before one fails; negative: none fails.
std::atomic<long> allocations_left = -1;

bool MayAllocate() { return allocations_left.load() < 0 || allocations_left.fetch_sub(1) != 0; }

void* AllocateOrNull(size_t bytes) {
  return MayAllocate() ? std::malloc(bytes == 0 ? 1 : bytes) : nullptr;
}

void* Allocate(size_t bytes) {
  if (void* memory = AllocateOrNull(bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// All of them, because sanitizers check that memory goes back the way it came.
void* operator new(size_t bytes) { return Allocate(bytes); }
void* operator new[](size_t bytes) { return Allocate(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return AllocateOrNull(bytes); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return AllocateOrNull(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace gemma3::testing {
namespace {

// Calls call(arm), which returns a Result and calls arm() where allocations begin to count: with
// the first of them failing, then the second, and so on, until one call needs no more.
// check(result) runs behind each.
template <class Call, class Check>
void FailEachAllocation(const Call& call, const Check& check) {
  size_t failures = 0;
  // Steps grow, so that calls with many allocations do not take minutes.
  for (long n = 0;; n += 1 + n / (kSanitized ? 20 : 100)) {
    auto result = call([n] { allocations_left = n; });
    const bool failed = allocations_left.exchange(-1) < 0;
    if (!failed) {
      EXPECT_TRUE(result) << result.error().message;
      break;
    }
    ++failures;
    // Some failures cost nothing that was promised, such as room to remember a picture.
    if (!result) {
      EXPECT_EQ(result.error().code, ErrorCode::kOutOfMemory)
          << "allocation " << n << ": " << result.error().message;
      EXPECT_NE(result.error().message.find("not enough memory"), std::string::npos)
          << result.error().message;
    }
    check(result);
    if (::testing::Test::HasFailure()) FAIL() << "allocation " << n;
  }
  EXPECT_GT(failures, 5u);
}

class OutOfMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteHfFolder(folder_.path(), TinyVisionConfig()));
    folder_.Write("tokenizer.model", TestModel::Small().Serialize());
  }
  Model Load() {
    auto model = Model::Load(folder_.path());
    EXPECT_TRUE(model) << model.error().message;
    return *std::move(model);
  }
  const TempFolder folder_;
};

// One file without a tokenizer.
TEST_F(OutOfMemory, Load) {
  ASSERT_TRUE(std::filesystem::remove(folder_.path() + "/tokenizer.model"));
  const std::string file = folder_.path() + "/tiny.gemma3";
  ASSERT_TRUE(Convert(folder_.path(), file, {}));
  for (const WeightFormat weights : {WeightFormat::kAsStored, WeightFormat::kInt8}) {
    const LoadOptions options = {.weights = weights};
    FailEachAllocation(
        [&](const auto& arm) {
          arm();
          return Model::Load(file, options);
        },
        [](const Result<Model>&) {});
  }
}

TEST_F(OutOfMemory, CreateASession) {
  const Model model = Load();
  FailEachAllocation(
      [&](const auto& arm) {
        arm();
        return Session::Create(model, {.threads = 2});
      },
      [](const Result<Session>&) {});
}

TEST_F(OutOfMemory, Answer) {
  const Model model = Load();
  auto session = Session::Create(model, {.threads = 2, .prefill_batch = 8});
  ASSERT_TRUE(session) << session.error().message;
  Image image{60, 50, {}};
  for (size_t i = 0; i < 3 * image.width * image.height; ++i) {
    image.pixels.push_back(static_cast<uint8_t>(i));
  }
  const Message first = Message::User("abc");
  const Message second{Role::kUser, {Part::Picture(image), Part::Text("cab")}};
  ASSERT_TRUE(session->Send(first, Greedy(4)));
  const auto expected = session->Send(second, Greedy(4));
  ASSERT_TRUE(expected) << expected.error().message;
  // A new picture each time, so that the tower runs too.
  Message other = second;
  FailEachAllocation(
      [&](const auto& arm) {
        EXPECT_TRUE(session->Undo());
        bool armed = false;
        return session->Send(other, Greedy(4), {}, [&](const Progress&) {
          if (!std::exchange(armed, true)) arm();
          return true;
        });
      },
      [&](const Result<GenerationResult>& result) {
        ASSERT_EQ(session->messages().size(), result ? 4u : 2u);
        if (result) {
          EXPECT_TRUE(session->Undo());
        }
        const auto again = session->Send(second, Greedy(4));
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_EQ(again->text, expected->text);
        ++image.pixels[0];
        image.pixels[1] += image.pixels[0] == 0;
        other.parts[0] = Part::Picture(image);
      });
}

TEST_F(OutOfMemory, Logits) {
  const Model model = Load();
  auto evaluator = Evaluator::Create(model, {.threads = 2, .prefill_batch = 8});
  ASSERT_TRUE(evaluator) << evaluator.error().message;
  const ModelConfig& config = model.config();
  TokenInput input = {{2, 20, 21}, {}};
  input.ids.insert(input.ids.end(), config.vision.tokens_per_image, config.tokens.image_soft_token);
  input.ids.insert(input.ids.end(), 20, 30);
  input.pixel_values.emplace_back(3 * config.vision.image_size * config.vision.image_size, 0.5f);
  const auto expected = evaluator->Logits(input);
  ASSERT_TRUE(expected) << expected.error().message;
  FailEachAllocation(
      [&](const auto& arm) {
        arm();
        return evaluator->Logits(input);
      },
      [&](const Result<std::vector<float>>& result) {
        EXPECT_FALSE(result);
        const auto again = evaluator->Logits(input);
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_EQ(*again, *expected);
      });
}

}  // namespace
}  // namespace gemma3::testing
