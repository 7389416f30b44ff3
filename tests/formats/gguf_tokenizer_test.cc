// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Vocabularies in GGUF files, and what they become.

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/base/spm_proto.h"
#include "src/formats/gguf.h"
#include "src/formats/gguf_config.h"
#include "src/formats/gguf_vocabulary.h"
#include "tests/formats/gguf_fixture.h"
#include "tests/support/model_writer.h"

namespace gemma3 {
namespace {

// A model with the changed vocabulary keys; each test names what it writes itself.
class GgufTokenizer : public GgufModel {
 protected:
  void SetUp() override {
    config_ = testing::TinyTextConfig();
    base_ = testing::MakeGguf(config_, 1, {.vocabulary = false});
    vocabulary_ = testing::TinyVocabulary(config_);
    for (const VocabularyPiece& piece : vocabulary_.pieces) {
      tokens_.push_back(piece.text);
      scores_.push_back(piece.score);
      types_.push_back(static_cast<int32_t>(piece.type));
    }
  }
  GgufWriter Writer() const {
    GgufWriter writer = base_;
    writer.KeyString("tokenizer.ggml.model", "llama");
    writer.KeyStrings("tokenizer.ggml.tokens", tokens_);
    writer.KeyFloats("tokenizer.ggml.scores", scores_);
    writer.KeyInts("tokenizer.ggml.token_type", types_);
    return writer;
  }

 public:  // changed by functions that take the fixture
  ModelConfig config_;
  GgufWriter base_;
  SpmVocabulary vocabulary_;
  std::vector<std::string> tokens_;
  std::vector<float> scores_;
  std::vector<int32_t> types_;
};

void ExpectSamePieces(const std::string& proto, const SpmVocabulary& expected) {
  const auto parsed = ParseSpmProto(proto, "test");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->pieces.size(), expected.pieces.size());
  for (size_t id = 0; id < expected.pieces.size(); ++id) {
    EXPECT_EQ(parsed->pieces[id].text, expected.pieces[id].text) << id;
    EXPECT_EQ(parsed->pieces[id].type, expected.pieces[id].type) << id;
    if (expected.pieces[id].type == PieceType::kNormal) {
      EXPECT_EQ(parsed->pieces[id].score, expected.pieces[id].score) << id;
    }
  }
}

TEST_F(GgufTokenizer, TheVocabularyComesBack) {
  ExpectSamePieces(Good(Writer()).tokenizer_proto, vocabulary_);
  // As llama.cpp's converter writes it: other types for marks, plain spaces.
  const Checkpoint converted = Good(testing::MakeGguf(config_, 1));
  ExpectSamePieces(converted.tokenizer_proto, vocabulary_);
  EXPECT_EQ(converted.config.tokens.start_of_turn, 269);
  EXPECT_EQ(converted.config.tokens.end_of_turn, 270);
  EXPECT_EQ(converted.config.generation.stop_tokens, (std::vector<TokenId>{1, 270}));
}

TEST_F(GgufTokenizer, WithoutAVocabularyTheModelStillOpens) {
  const Checkpoint checkpoint = Good(base_);
  EXPECT_TRUE(checkpoint.tokenizer_proto.empty());
  EXPECT_NE(checkpoint.tokenizer_missing.find("vocabulary"), std::string::npos);
}

TEST_F(GgufTokenizer, MergesInsteadOfScores) {
  GgufWriter writer = base_;
  writer.KeyString("tokenizer.ggml.model", "gpt2");
  writer.KeyStrings("tokenizer.ggml.tokens", tokens_);
  writer.KeyInts("tokenizer.ggml.token_type", types_);
  GgufWriter with = writer;
  with.KeyStrings("tokenizer.ggml.merges", {"a b", "ab c", "\u2581 a"});
  ExpectSamePieces(Good(with).tokenizer_proto, vocabulary_);
  ExpectRefused(writer, "merges is missing");
}

TEST_F(GgufTokenizer, StopTokens) {
  using Ids = std::vector<TokenId>;
  const auto stop = [&](const std::function<void(GgufWriter&)>& add) {
    GgufWriter writer = Writer();
    add(writer);
    return Good(writer).config.generation.stop_tokens;
  };
  EXPECT_EQ(stop([](GgufWriter&) {}), (Ids{1, 270}));
  EXPECT_EQ(stop([](GgufWriter& w) { w.Key("tokenizer.ggml.eos_token_id", uint32_t{270}); }),
            (Ids{1, 270}));
  EXPECT_EQ(stop([](GgufWriter& w) { w.Key("tokenizer.ggml.eot_token_id", uint32_t{5}); }),
            (Ids{1, 270, 5}));
  EXPECT_EQ(stop([](GgufWriter& w) {
              w.KeyInts("tokenizer.ggml.eos_token_ids", {1, 7});
            }),
            (Ids{1, 270, 7}));
  EXPECT_EQ(stop([](GgufWriter& w) { w.Key("tokenizer.ggml.eos_token_id", UINT32_MAX); }),
            (Ids{1, 270}));
  for (const int32_t none : {-1}) {
    EXPECT_EQ(stop([&](GgufWriter& w) {
                w.Key("tokenizer.ggml.eos_token_id", none);
                w.Key("tokenizer.ggml.padding_token_id", none);
                w.KeyInts("tokenizer.ggml.eos_token_ids", {none, 7});
              }),
              (Ids{1, 270, 7}));
  }
}

TEST_F(GgufTokenizer, IdsOutsideTheVocabularyAreErrors) {
  for (const char* name : {"bos", "eos", "eot", "unknown", "padding"}) {
    GgufWriter writer = Writer();
    writer.Key(std::string("tokenizer.ggml.") + name + "_token_id", uint32_t{300});
    ExpectRefused(writer, "outside the vocabulary");
    GgufWriter negative = Writer();
    negative.Key(std::string("tokenizer.ggml.") + name + "_token_id", int32_t{-2});
    ExpectRefused(negative, "is -2");
  }
  for (const int32_t id : {-2, 300}) {
    GgufWriter writer = Writer();
    writer.KeyInts("tokenizer.ggml.eos_token_ids", {1, id});
    ExpectRefused(writer, "outside the vocabulary");
  }
  GgufWriter words = Writer();
  words.KeyStrings("tokenizer.ggml.eos_token_ids", {"1"});
  ExpectRefused(words, "eos_token_ids");
}

TEST_F(GgufTokenizer, DamagedVocabulariesAreErrors) {
  const auto refused = [&](const std::function<void(GgufTokenizer&)>& change,
                           const std::string& part) {
    const auto tokens = tokens_;
    const auto scores = scores_;
    const auto types = types_;
    change(*this);
    ExpectRefused(Writer(), part);
    tokens_ = tokens, scores_ = scores, types_ = types;
  };
  refused([](GgufTokenizer& t) { t.scores_.pop_back(); }, "scores has 299 entries for 300");
  refused([](GgufTokenizer& t) { t.scores_.push_back(0); }, "scores has 301 entries for 300");
  refused([](GgufTokenizer& t) { t.types_.pop_back(); }, "token_type has 299 entries for 300");
  refused([](GgufTokenizer& t) { t.types_.push_back(1); }, "token_type has 301 entries for 300");
  refused([](GgufTokenizer& t) { t.types_[9] = 99; }, "token 9 has the unknown type 99");
  refused([](GgufTokenizer& t) { t.types_[9] = 0; }, "token 9 has the unknown type 0");
  refused([](GgufTokenizer& t) { t.tokens_[264] = "ab"; }, "twice");
  refused([](GgufTokenizer& t) { t.tokens_[264] = ""; }, "empty");
  refused([](GgufTokenizer& t) { t.tokens_[9] = "<0xZZ>"; }, "byte tokens");
  refused([](GgufTokenizer& t) { t.scores_[262] = std::nanf(""); }, "score");
  // A known mistake of converters.
  for (const float score : {0.0f, -1000.0f}) {
    refused([&](GgufTokenizer& t) { std::ranges::fill(t.scores_, score); }, "have the score");
  }
  refused(
      [](GgufTokenizer& t) {
        t.tokens_.clear();
        t.scores_.clear();
        t.types_.clear();
      },
      "vocabulary of 0");
  GgufWriter other = base_;
  other.KeyString("tokenizer.ggml.model", "bert");
  other.KeyStrings("tokenizer.ggml.tokens", tokens_);
  ExpectRefused(other, "bert", ErrorCode::kUnsupported);
  GgufWriter typeless = base_;
  typeless.KeyString("tokenizer.ggml.model", "llama");
  typeless.KeyStrings("tokenizer.ggml.tokens", tokens_);
  ExpectRefused(typeless, "token_type is missing");
}

TEST_F(GgufTokenizer, MoreTokensThanRows) {
  tokens_.push_back("<image_soft_token>");
  scores_.push_back(-1000);
  types_.push_back(3);
  const Checkpoint checkpoint = Good(Writer());
  EXPECT_EQ(checkpoint.remarks.notes.size(), 1u);
  ExpectSamePieces(checkpoint.tokenizer_proto, vocabulary_);
}

TEST_F(GgufTokenizer, FewerTokensThanRows) {
  tokens_.resize(280);
  scores_.resize(280);
  types_.resize(280);
  const Checkpoint checkpoint = Good(Writer());
  EXPECT_EQ(checkpoint.config.text.vocab_size, 300u);
  vocabulary_.pieces.resize(280);
  ExpectSamePieces(checkpoint.tokenizer_proto, vocabulary_);
}

TEST(GgufPublishedTokenizer, EqualsTokenizerModelOnEveryVector) {
  const char* root = std::getenv("GEMMA3_TEST_DATA");
  if (root == nullptr) GTEST_SKIP() << "GEMMA3_TEST_DATA names no folder";
  const std::string folder = std::string(root) + "/gemma3-tokenizer/";
  const auto model = ReadFile(folder + "tokenizer.model", 1 << 24);
  const auto vectors_text = ReadFile(folder + "vectors.json", 1 << 24);
  ASSERT_TRUE(model && vectors_text);
  const auto original = ParseSpmProto(*model, "tokenizer.model");
  ASSERT_TRUE(original);

  // Written as converters do for a multimodal model: with <image_soft_token> and padding behind.
  SpmVocabulary padded = *original;
  padded.pieces.push_back({"<image_soft_token>", 0, PieceType::kUserDefined});
  while (padded.pieces.size() < 262208) {
    padded.pieces.push_back(
        {"[PAD" + std::to_string(padded.pieces.size()) + "]", 0, PieceType::kUnused});
  }
  GgufWriter writer;
  testing::AddVocabulary(padded, &writer);
  const std::string content = writer.Finish(), name = "m.gguf";
  const auto gguf =
      GgufFile::Parse({reinterpret_cast<const std::byte*>(content.data()), content.size()}, name);
  ASSERT_TRUE(gguf);
  ModelConfig config;
  config.text.vocab_size = 262208;
  std::string missing;
  Remarks remarks;
  const auto proto = ReadGgufTokenizer(*gguf, &config, &missing, &remarks);
  ASSERT_TRUE(proto) << proto.error().message;
  ExpectSamePieces(*proto, *original);
  EXPECT_EQ(config.tokens.start_of_image, 255999);
  EXPECT_EQ(config.tokens.image_soft_token, 262144);
  EXPECT_EQ(config.generation.stop_tokens, (std::vector<TokenId>{1, 106}));

  sentencepiece::SentencePieceProcessor processor;
  ASSERT_TRUE(processor.LoadFromSerializedProto(*proto).ok());
  for (const auto& vector : nlohmann::json::parse(*vectors_text)) {
    std::vector<int> ids;
    ASSERT_TRUE(processor.Encode(vector["text"].get<std::string>(), &ids).ok());
    EXPECT_EQ(ids, vector["ids"].get<std::vector<int>>());
  }
}

}  // namespace
}  // namespace gemma3
