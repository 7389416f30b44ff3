// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/vocabulary.h"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>

#include "src/base/file_map.h"
#include "src/base/spm_proto.h"
#include "src/formats/tokenizer_json.h"

namespace gemma3 {
namespace {

std::string ByteName(int byte) {
  const char* digits = "0123456789ABCDEF";
  return std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">";
}

// <pad> <eos> <bos> <unk> <mask>, the bytes, then a few letters and what they merge to.
SpmVocabulary Small() {
  SpmVocabulary v;
  v.pieces = {{"<pad>", 0, PieceType::kControl},
              {"<eos>", 0, PieceType::kControl},
              {"<bos>", 0, PieceType::kControl},
              {"<unk>", 0, PieceType::kUnknown},
              {"<mask>", 0, PieceType::kUserDefined}};
  for (int b = 0; b < 256; ++b) v.pieces.push_back({ByteName(b), 0, PieceType::kByte});
  for (const char* text : {"ab", "abc", "bc", "\u2581a", "a", "b", "c", "\u2581"}) {
    v.pieces.push_back({text, -static_cast<float>(v.pieces.size() - 261), PieceType::kNormal});
  }
  return v;
}

TEST(SpmProto, WhatIsBuiltIsParsedAndLoads) {
  const SpmVocabulary built = Small();
  const auto proto = BuildSpmProto(built, "test");
  ASSERT_TRUE(proto) << proto.error().message;
  const auto parsed = ParseSpmProto(*proto, "test");
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->pieces.size(), built.pieces.size());
  for (size_t i = 0; i < built.pieces.size(); ++i) {
    EXPECT_EQ(parsed->pieces[i].text, built.pieces[i].text);
    EXPECT_EQ(parsed->pieces[i].score, built.pieces[i].score);
    EXPECT_EQ(parsed->pieces[i].type, built.pieces[i].type);
  }
  EXPECT_EQ(parsed->unk_id, 3);
  EXPECT_EQ(parsed->bos_id, 2);
  EXPECT_EQ(parsed->eos_id, 1);
  EXPECT_EQ(parsed->pad_id, 0);

  sentencepiece::SentencePieceProcessor processor;
  ASSERT_TRUE(processor.LoadFromSerializedProto(*proto).ok());
  const auto ids = [&](const char* text) {
    std::vector<int> result;
    EXPECT_TRUE(processor.Encode(text, &result).ok());
    return result;
  };
  EXPECT_EQ(ids("abc"), (std::vector<int>{262}));    // ab first, then abc
  EXPECT_EQ(ids(" a"), (std::vector<int>{264}));     // no space is added in front or removed
  EXPECT_EQ(ids("z"), (std::vector<int>{5 + 'z'}));  // by its byte
  EXPECT_EQ(ids("<mask>"), (std::vector<int>{4}));
  EXPECT_EQ(processor.unk_id(), 3);
  EXPECT_EQ(processor.bos_id(), 2);
}

TEST(SpmProto, ImpossibleVocabulariesAreErrors) {
  const auto refused = [](auto change, const std::string& part) {
    SpmVocabulary v = Small();
    change(v);
    const auto proto = BuildSpmProto(v, "here");
    ASSERT_FALSE(proto) << part;
    EXPECT_NE(proto.error().message.find(part), std::string::npos) << proto.error().message;
  };
  refused([](SpmVocabulary& v) { v.pieces.clear(); }, "vocabulary of 0");
  refused([](SpmVocabulary& v) { v.pieces[261].text = ""; }, "token 261 is empty");
  refused([](SpmVocabulary& v) { v.pieces[261].text = std::string("a\0b", 3); }, "zero byte");
  refused([](SpmVocabulary& v) { v.pieces[261].text = "abc"; }, "twice");
  refused([](SpmVocabulary& v) { v.pieces[261].score = std::numeric_limits<float>::quiet_NaN(); },
          "score");
  refused([](SpmVocabulary& v) { v.pieces[261].type = PieceType::kUnknown; }, "unknown");
  refused([](SpmVocabulary& v) { v.pieces[3].type = PieceType::kNormal; }, "0 tokens of type");
  refused([](SpmVocabulary& v) { v.pieces[261].type = PieceType::kByte; }, "spelling");
  refused([](SpmVocabulary& v) { v.pieces[70].type = PieceType::kNormal; }, "255 byte tokens");
  refused([](SpmVocabulary& v) { v.bos_id = 1000; }, "BOS token is 1000");
  refused([](SpmVocabulary& v) { v.pad_id = -2; }, "padding token is -2");
}

TEST(SpmProto, DamagedProtosAreErrorsNeverCrashes) {
  const std::string proto = *BuildSpmProto(Small(), "test");
  size_t whole = 0;
  for (size_t size = 0; size < proto.size(); ++size) {
    whole += ParseSpmProto(std::string(proto, 0, size), "test").has_value();
  }
  EXPECT_LE(whole, Small().pieces.size() + 2);  // only cuts between two fields
  EXPECT_FALSE(ParseSpmProto("version https://git-lfs", "test"));
  EXPECT_FALSE(ParseSpmProto(std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), "t"));
  EXPECT_FALSE(ParseSpmProto(std::string(11, '\xff'), "t"));
  EXPECT_FALSE(ParseSpmProto("\x0a\x02\x18\x07", "t"));  // a piece of type 7
}

TEST(SpmProto, TypesAreRepairedByText) {
  SpmVocabulary v = Small();
  v.pieces[2].type = PieceType::kNormal;
  v.pieces[3].type = PieceType::kControl;
  v.pieces[4].type = PieceType::kNormal;
  v.pieces[40].type = PieceType::kUserDefined;
  v.pieces.push_back({"<start_of_turn>", 0, PieceType::kNormal});
  v.pieces.push_back({"<unused7>", 0, PieceType::kControl});
  v.pieces.push_back({"x", 0, PieceType::kUnknown});
  RepairTypes(&v);
  EXPECT_EQ(v.pieces[2].type, PieceType::kControl);
  EXPECT_EQ(v.pieces[3].type, PieceType::kUnknown);
  EXPECT_EQ(v.pieces[4].type, PieceType::kUserDefined);
  EXPECT_EQ(v.pieces[40].type, PieceType::kByte);
  EXPECT_EQ(v.pieces[269].type, PieceType::kUserDefined);
  EXPECT_EQ(v.pieces[270].type, PieceType::kUserDefined);
  EXPECT_EQ(v.pieces[271].type, PieceType::kUnused);
  EXPECT_TRUE(BuildSpmProto(v, "test"));
}

TEST(SpmProto, TrailingPaddingIsDropped) {
  SpmVocabulary v = Small();
  const size_t size = v.pieces.size();
  v.pieces.push_back({"<image_soft_token>", 0, PieceType::kControl});
  v.pieces.push_back({"[PAD270]", 0, PieceType::kUnused});
  v.pieces.push_back({"<unused6242>", 0, PieceType::kUserDefined});
  SpmVocabulary added = v;
  DropTrailingPadding(&v);
  EXPECT_EQ(v.pieces.size(), size);
  added.pieces.push_back({"hello", 0, PieceType::kUserDefined});
  DropTrailingPadding(&added);  // a token that means something keeps all ids before it
  EXPECT_EQ(added.pieces.size(), size + 4);
}

TEST(SpmProto, DamagedTokenizerJson) {
  const auto parse = [](const std::string& text) { return VocabularyFromTokenizerJson(text, "t"); };
  const std::string good = R"({"model":{"type":"BPE","byte_fallback":true,"unk_token":"<unk>",
      "vocab":{"<unk>":0,"a":1,"b":2,"ab":3},"merges":["a b"]}})";
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  const auto vocabulary = parse(good);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  EXPECT_EQ(vocabulary->pieces[3].score, 0);
  EXPECT_EQ(vocabulary->pieces[1].score, -1);
  EXPECT_TRUE(parse(replaced("\"a b\"", R"(["a","b"])")));
  for (const std::string& text :
       {std::string(), std::string("{}"), replaced("\"BPE\"", "\"Unigram\""),
        replaced("true", "false"), replaced("\"b\":2", "\"b\":1"), replaced("\"b\":2", "\"b\":9"),
        replaced("\"b\":2", "\"b\":16777215"), replaced("\"b\":2", "\"b\":-1"),
        replaced("\"a b\"", "\"ab\""), replaced("\"a b\"", "1"), replaced("\"a b\"", "[\"a\"]"),
        replaced("[\"a b\"]", "{}")}) {
    EXPECT_FALSE(parse(text)) << text;
  }
}

// The published tokenizer in both of its forms.
class PublishedTokenizer : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("GEMMA3_TEST_DATA");
    if (root == nullptr) GTEST_SKIP() << "GEMMA3_TEST_DATA names no folder";
    folder_ = std::string(root) + "/gemma3-tokenizer/";
  }
  std::string Read(const char* name) const {
    auto text = ReadFile(folder_ + name, 1 << 28);
    EXPECT_TRUE(text);
    return text ? *text : "";
  }
  std::string folder_;
};

TEST_F(PublishedTokenizer, JsonGivesTheSamePiecesAsTheProto) {
  const auto original = ParseSpmProto(Read("tokenizer.model"), "tokenizer.model");
  const auto built = VocabularyFromTokenizerJson(Read("tokenizer.json"), "tokenizer.json");
  ASSERT_TRUE(original);
  ASSERT_TRUE(built) << built.error().message;
  ASSERT_EQ(built->pieces.size(), original->pieces.size());
  size_t different = 0;
  for (size_t i = 0; i < original->pieces.size(); ++i) {
    const VocabularyPiece &a = original->pieces[i], &b = built->pieces[i];
    if (a.text != b.text || a.type != b.type || a.score != b.score) ++different;
  }
  EXPECT_EQ(different, 0u);
  EXPECT_EQ(built->unk_id, original->unk_id);
  EXPECT_EQ(built->bos_id, original->bos_id);
  EXPECT_EQ(built->eos_id, original->eos_id);
  EXPECT_EQ(built->pad_id, original->pad_id);
}

TEST_F(PublishedTokenizer, TheBuiltProtoEncodesAndDecodesEveryVector) {
  const auto built = VocabularyFromTokenizerJson(Read("tokenizer.json"), "tokenizer.json");
  ASSERT_TRUE(built);
  const auto proto = BuildSpmProto(*built, "tokenizer.json");
  ASSERT_TRUE(proto) << proto.error().message;
  sentencepiece::SentencePieceProcessor processor;
  ASSERT_TRUE(processor.LoadFromSerializedProto(*proto).ok());
  const auto vectors = nlohmann::json::parse(Read("vectors.json"));
  ASSERT_FALSE(vectors.empty());
  for (const auto& vector : vectors) {
    const std::string text = vector["text"];
    std::vector<int> ids;
    ASSERT_TRUE(processor.Encode(text, &ids).ok());
    EXPECT_EQ(ids, vector["ids"].get<std::vector<int>>()) << text;
    std::string decoded;
    ASSERT_TRUE(processor.Decode(ids, &decoded).ok());
    EXPECT_EQ(decoded, text);
  }
}

}  // namespace
}  // namespace gemma3
