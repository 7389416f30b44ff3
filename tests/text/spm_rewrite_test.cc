// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/text/spm_rewrite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "src/base/spm_proto.h"
#include "tests/text/tokenizers.h"

namespace gemma3 {
namespace {

using namespace std::string_literals;

PieceUse Use(const char* piece, PieceType type, std::optional<AddedToken> added = {}) {
  return ClassifyPiece({piece, 0, type, added});
}

// The marks of the template, and those that models write for their caller.
constexpr const char* kReserved[] = {"<pad>",          "<eos>",
                                     "<bos>",          "<mask>",
                                     "[multimodal]",   "<start_of_turn>",
                                     "<end_of_turn>",  "<start_of_image>",
                                     "<end_of_image>", "<image_soft_token>"};
constexpr const char* kWritten[] = {"<unused0>", "<unused94>", "<unused6241>",
                                    "<start_function_call>", "<escape>"};

TEST(ClassifyPiece, MarksStayMarksWhateverAFileSays) {
  for (const PieceType type :
       {PieceType::kNormal, PieceType::kControl, PieceType::kUserDefined, PieceType::kUnused}) {
    for (const auto& added : {std::optional<AddedToken>(), std::optional(AddedToken()),
                              std::optional(AddedToken{.special = true})}) {
      for (const char* mark : kReserved)
        EXPECT_EQ(Use(mark, type, added), PieceUse::kControl) << mark;
      for (const char* mark : kWritten) EXPECT_EQ(Use(mark, type, added), PieceUse::kMark) << mark;
    }
  }
}

// Without a tokenizer.json: what looks like a mark could be one.
TEST(ClassifyPiece, SpellingDecidesWhereNothingElseDoes) {
  for (const char* mark : {"<some_new_mark>", "<|im_end|>", "[INST]", "</think>", "<tool_call>"}) {
    EXPECT_EQ(Use(mark, PieceType::kUserDefined), PieceUse::kMark) << mark;
    EXPECT_EQ(Use(mark, PieceType::kUnused), PieceUse::kControl) << mark;
  }
  for (const char* mark : {"<some_new_mark>", "<|im_end|>", "word"}) {
    EXPECT_EQ(Use(mark, PieceType::kControl), PieceUse::kControl) << mark;
  }
  EXPECT_EQ(Use("<tool_call>", PieceType::kControl), PieceUse::kMark);
  for (const char* content : {"\n", "\n\n\n", "\u2581\u2581", "\t\t", "<table>", "</table>", "<h6>",
                              "</s>", "<bbox>", "word", "<", ">", "[]", "<>"}) {
    EXPECT_EQ(Use(content, PieceType::kUserDefined), PieceUse::kMatched) << content;
  }
  for (const char* piece : {"[]", "[...]", "<=>", "<?>", "<>", "<unused>", "<unused1a>", "</"}) {
    EXPECT_EQ(Use(piece, PieceType::kNormal), PieceUse::kMerged) << piece;
  }
  EXPECT_EQ(Use("<0x0A>", PieceType::kByte), PieceUse::kByte);
  EXPECT_EQ(Use("<unk>", PieceType::kUnknown), PieceUse::kControl);
  EXPECT_EQ(Use("x", PieceType::kUnused), PieceUse::kControl);
}

TEST(ClassifyPiece, SpecialDecidesWhereATokenizerJsonSaysIt) {
  const AddedToken special{.special = true}, plain{};
  for (const char* name : {"<some_new_mark>", "[SPECIAL9]", "<tool_call>", "<|im_end|>", "word"}) {
    EXPECT_EQ(Use(name, PieceType::kUserDefined, plain), PieceUse::kMatched) << name;
  }
  for (const char* name : {"<some_new_mark>", "###END", "word", "<table>"}) {
    EXPECT_EQ(Use(name, PieceType::kUserDefined, special), PieceUse::kControl) << name;
    EXPECT_EQ(Use(name, PieceType::kNormal, special), PieceUse::kControl) << name;
  }
  // Special, but written to be read.
  for (const char* name : {"<tool_call>", "</think>"}) {
    EXPECT_EQ(Use(name, PieceType::kUserDefined, special), PieceUse::kMark) << name;
  }
}

// The library looks for plain tokens; the others need more than it can do.
TEST(ClassifyPiece, WhatTheLibraryCannotLookFor) {
  const auto use = [](const char* piece, AddedToken how) {
    return Use(piece, PieceType::kUserDefined, how);
  };
  EXPECT_EQ(use("word", {.single_word = true}), PieceUse::kAdded);
  EXPECT_EQ(use("word", {.lstrip = true}), PieceUse::kAdded);
  EXPECT_EQ(use("word", {.rstrip = true}), PieceUse::kAdded);
  EXPECT_EQ(use("word", {.normalized = true}), PieceUse::kAdded);
  EXPECT_EQ(use("two words", {}), PieceUse::kAdded);
  EXPECT_EQ(use("\u2581word", {}), PieceUse::kAdded);
  EXPECT_EQ(use("\u2581\u2581", {}), PieceUse::kMatched);
  EXPECT_EQ(Use("word", PieceType::kNormal, AddedToken{.lstrip = true}), PieceUse::kMerged);
}

std::map<PieceUse, size_t> CountUses(const SpmModel& model) {
  std::map<PieceUse, size_t> counts;
  for (const PieceUse use : model.uses) ++counts[use];
  return counts;
}

// The vocabulary of Gemma 3 by number: 31 + 30 + 31 runs of white space and 70 tags are content.
TEST(ParseSpmModel, CountsOfTheDemoVocabulary) {
  const auto model =
      ParseSpmModel(ReadTestFile(SourcePath("tools/demo/tiny-gemma3/tokenizer.model")));
  ASSERT_TRUE(model) << model.error().message;
  const auto counts = CountUses(*model);
  EXPECT_EQ(counts.at(PieceUse::kMatched), 31u + 30 + 31 + 70);
  EXPECT_EQ(counts.at(PieceUse::kByte), 256u);
  EXPECT_EQ(counts.at(PieceUse::kMark), 99u);  // <unused0> to 98
  // Three of the file and <unk>; <mask>, [multimodal], two turn marks, two image marks.
  EXPECT_EQ(counts.at(PieceUse::kControl), 4u + 2 + 4);
  EXPECT_EQ(model->pieces.size(), 4096u);
}

TEST(ParseSpmModel, CountsOfTheRealVocabulary) {
  const auto path = TestDataPath("gemma3-tokenizer/tokenizer.model");
  if (!path) GTEST_SKIP() << "GEMMA3_TEST_DATA is not set";
  const auto model = ParseSpmModel(ReadTestFile(*path));
  ASSERT_TRUE(model) << model.error().message;
  const auto counts = CountUses(*model);
  EXPECT_EQ(counts.at(PieceUse::kMerged), 255474u);
  EXPECT_EQ(counts.at(PieceUse::kMatched), 31u + 30 + 31 + 70);
  EXPECT_EQ(counts.at(PieceUse::kMark), 6242u);
  EXPECT_EQ(counts.at(PieceUse::kControl), 4u + 2 + 4);
  EXPECT_EQ(model->pieces.size(), 262144u);
}

// What reaches the library: every piece at its id, and nothing to look for that is not text.
TEST(SerializeForLibrary, TypesFollowTheUses) {
  TestModel test = TestModel::Small();
  test.pieces.push_back({"!", 0, 4, AddedToken{.special = true}});  // a character that is control
  test.pieces.push_back({"two words", 0, 4, AddedToken()});
  const auto model = ParseSpmModel(test.Serialize());
  ASSERT_TRUE(model) << model.error().message;
  const auto written = ParseSpmProto(SerializeForLibrary(*model), "test");
  ASSERT_TRUE(written) << written.error().message;
  ASSERT_EQ(written->pieces.size(), model->pieces.size());
  for (size_t id = 0; id < model->pieces.size(); ++id) {
    const VocabularyPiece &from = model->pieces[id], &to = written->pieces[id];
    if (from.text != "!") {
      EXPECT_EQ(to.text, from.text);
    }
    EXPECT_EQ(to.score, from.score);
    switch (model->uses[id]) {
      case PieceUse::kMerged:
      case PieceUse::kByte:
        EXPECT_EQ(to.type, from.type) << from.text;
        break;
      case PieceUse::kMatched:
        EXPECT_EQ(to.type, PieceType::kUserDefined) << from.text;
        break;
      default:
        EXPECT_EQ(to.type, from.text == "<unk>" ? PieceType::kUnknown : PieceType::kControl);
    }
  }
  EXPECT_GT(written->pieces[written->pieces.size() - 2].text.size(), 1u);
}

// Each damage leads to an error with its code and a word of its message, and nothing on stderr.
void ExpectRefused(const std::string& proto, ErrorCode code, std::string_view word) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  const auto tokenizer = Tokenizer::FromProto(proto);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_FALSE(tokenizer) << word;
  EXPECT_EQ(tokenizer.error().code, code) << tokenizer.error().message;
  EXPECT_NE(tokenizer.error().message.find(word), std::string::npos) << tokenizer.error().message;
}

template <class Change>
void ExpectBad(const Change& change, std::string_view word) {
  TestModel model = TestModel::Small();
  change(model);
  ExpectRefused(model.Serialize(), ErrorCode::kBadModel, word);
}

TEST(FromProto, RefusesDamagedPieces) {
  ExpectBad([](TestModel& m) { m.Find("ab").piece = ""; }, "is empty");
  ExpectBad([](TestModel& m) { m.Find("ab").piece = "a\0b"s; }, "NUL");
  ExpectBad([](TestModel& m) { m.Find("ab").piece = "a\xFF"; }, "UTF-8");
  ExpectBad([](TestModel& m) { m.Find("ab").piece = std::string(1025, 'x'); }, "longer");
  ExpectBad([](TestModel& m) { m.Find("ab").piece = "abc"; }, "are both \"abc\"");
  ExpectBad([](TestModel& m) { m.Find("ab").piece = "<0x41>"; }, "are both \"<0x41>\"");
  ExpectBad([](TestModel& m) { m.Find("ab").score = std::numeric_limits<float>::infinity(); },
            "finite");
  ExpectBad([](TestModel& m) { m.Find("ab").score = std::nanf(""); }, "finite");
  ExpectBad([](TestModel& m) { m.Find("ab").type = 0; }, "unknown type 0");
  ExpectBad([](TestModel& m) { m.Find("ab").type = 7; }, "unknown type 7");
  ExpectBad([](TestModel& m) { m.Find("ab").type = ~uint64_t{0}; }, "unknown type");
  ExpectBad([](TestModel& m) { m.Find("ab").type = 2; }, "found 2");
  ExpectBad([](TestModel& m) { m.Find("<unk>").type = 3; }, "found 0");
  ExpectBad([](TestModel& m) { m.Find("<0x41>").type = 1; }, "byte 65 has no");
  ExpectBad([](TestModel& m) { m.Find("ab").type = 6; }, "not spelled like");
  ExpectBad([](TestModel& m) { m.Find("a").type = 3; }, "single character");
  ExpectBad([](TestModel& m) { m.Find("\u2581").type = 5; }, "single character");
  ExpectBad([](TestModel& m) { m.pieces.clear(); }, "no pieces");
  // Spaces would be spelled by the bytes of U+2581, and come back as that.
  ExpectBad([](TestModel& m) { m.Find("\u2581").piece = "x"; }, "no piece for a single space");
  ExpectBad(
      [](TestModel& m) {
        for (size_t i = 1; i <= 65; ++i) m.pieces.push_back({std::string(i, 'z'), 0, 4});
      },
      "begin each other");
}

TEST(FromProto, AcceptsTheDeepestNesting) {
  TestModel model = TestModel::Small();
  for (size_t i = 1; i <= 64; ++i) model.pieces.push_back({std::string(i, 'z'), 0, 4});
  const auto tokenizer = Tokenizer::FromProto(model.Serialize());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const TokenId longest = tokenizer->Find(std::string(64, 'z'));
  EXPECT_EQ(tokenizer->Encode(std::string(130, 'z')).value(),
            (std::vector<TokenId>{longest, longest, tokenizer->Find("zz")}));
}

TEST(FromProto, RefusesOtherKindsOfModels) {
  const auto unsupported = [](const auto& change, std::string_view word) {
    TestModel model = TestModel::Small();
    change(model);
    ExpectRefused(model.Serialize(), ErrorCode::kUnsupported, word);
  };
  unsupported([](TestModel& m) { m.model_type = 1; }, "not BPE");
  unsupported([](TestModel& m) { m.byte_fallback = false; }, "byte fallback");
  unsupported([](TestModel& m) { m.add_dummy_prefix = true; }, "normaliser");
  unsupported([](TestModel& m) { m.remove_extra_whitespaces = true; }, "normaliser");
  unsupported([](TestModel& m) { m.escape_whitespaces = false; }, "normaliser");
  unsupported([](TestModel& m) { m.chars_map = "\xFF\xFF\xFF\xFF trie"; }, "normaliser");
}

TEST(FromProto, RefusesWhatIsNoModel) {
  ExpectRefused("", ErrorCode::kBadModel, "no pieces");
  ExpectRefused("garbage", ErrorCode::kBadModel, "not a SentencePiece model");
  ExpectRefused("{\"version\": \"1.0\"}", ErrorCode::kBadModel, "tokenizer");
  ExpectRefused(std::string(1000, '\0'), ErrorCode::kBadModel, "at byte 1");
}

// A cut file is refused wherever it is cut: settings come last, so no cut leaves a whole model.
TEST(FromProto, RefusesEveryTruncation) {
  const std::string proto = TestModel::Small().Serialize();
  for (size_t size = 0; size < proto.size(); ++size) {
    EXPECT_FALSE(Tokenizer::FromProto(std::string_view(proto).substr(0, size))) << size;
  }
}

// Self-tests, precompiled tries and unknown fields of the file never reach the library.
TEST(FromProto, IgnoresWhatTheVocabularyDoesNotNeed) {
  TestModel model = TestModel::Small();
  std::string sample, self_test, denormalizer;
  AppendBytesField(1, "abc", sample);
  AppendBytesField(2, "not what comes out", sample);
  AppendBytesField(1, sample, self_test);
  AppendBytesField(4, self_test, model.more);
  AppendBytesField(2, "\xFF\xFF\xFF\xFF trie", denormalizer);
  AppendBytesField(5, denormalizer, model.more);
  AppendVarintField(1000, 7, model.more);
  testing::internal::CaptureStderr();
  EXPECT_TRUE(Tokenizer::FromProto(model.Serialize()));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace gemma3
