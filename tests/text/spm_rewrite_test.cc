// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/text/spm_rewrite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>

#include "tests/text/tokenizers.h"

namespace gemma3 {
namespace {

using namespace std::string_literals;

TEST(ClassifyPiece, MarksAreControlAndContentStays) {
  const auto user_defined = [](const char* piece) {
    return ClassifyPiece(piece, PieceType::kUserDefined);
  };
  for (const char* mark :
       {"<mask>", "[multimodal]", "<unused0>", "<unused6241>", "<start_of_turn>", "<end_of_turn>",
        "<start_of_image>", "<end_of_image>", "<image_soft_token>", "<start_function_call>",
        "<escape>", "<some_new_mark>", "<|im_end|>", "[INST]", "</think>"}) {
    EXPECT_EQ(user_defined(mark), PieceType::kControl) << mark;
  }
  for (const char* content : {"\n", "\n\n\n", "\u2581\u2581", "\t\t", "<table>", "</table>", "<h6>",
                              "</s>", "<bbox>", "word", "<", ">", "[]", "<>"}) {
    EXPECT_EQ(user_defined(content), PieceType::kUserDefined) << content;
  }
}

TEST(ClassifyPiece, NamesOfMarksAreControlWhateverTheirType) {
  for (const PieceType type : {PieceType::kNormal, PieceType::kUserDefined, PieceType::kControl}) {
    for (const char* mark : {"<start_of_turn>", "<end_of_turn>", "<eos>", "<unused12>"}) {
      EXPECT_EQ(ClassifyPiece(mark, type), PieceType::kControl) << mark;
    }
  }
}

TEST(ClassifyPiece, NormalPiecesInBracketsAreText) {
  for (const char* piece : {"[]", "[...]", "<=>", "<?>", "<>", "<unused>", "<unused1a>", "</"}) {
    EXPECT_EQ(ClassifyPiece(piece, PieceType::kNormal), PieceType::kNormal) << piece;
  }
  EXPECT_EQ(ClassifyPiece("<0x0A>", PieceType::kByte), PieceType::kByte);
  EXPECT_EQ(ClassifyPiece("<unk>", PieceType::kUnknown), PieceType::kUnknown);
  EXPECT_EQ(ClassifyPiece("x", PieceType::kUnused), PieceType::kControl);
}

std::map<PieceType, size_t> CountTypes(const SpmModel& model) {
  std::map<PieceType, size_t> counts;
  for (const SpmPiece& piece : model.pieces) ++counts[piece.type];
  return counts;
}

// The vocabulary of Gemma 3 by number: 31 + 30 + 31 runs of white space and 70 tags are content.
TEST(ParseSpmModel, CountsOfTheDemoVocabulary) {
  const std::string proto = ReadTestFile(SourcePath("tools/demo/tiny-gemma3/tokenizer.model"));
  const auto model = ParseSpmModel(proto);
  ASSERT_TRUE(model) << model.error().message;
  const auto counts = CountTypes(*model);
  EXPECT_EQ(counts.at(PieceType::kUserDefined), 31u + 30 + 31 + 70);
  EXPECT_EQ(counts.at(PieceType::kByte), 256u);
  EXPECT_EQ(counts.at(PieceType::kUnknown), 1u);
  // Three of the file; <mask>, [multimodal], <unused0> to 98, two turn marks, two image marks.
  EXPECT_EQ(counts.at(PieceType::kControl), 3u + 2 + 99 + 4);
  EXPECT_EQ(model->pieces.size(), 4096u);
}

TEST(ParseSpmModel, CountsOfTheRealVocabulary) {
  const auto path = TestDataPath("gemma3-tokenizer/tokenizer.model");
  if (!path) GTEST_SKIP() << "GEMMA3_TEST_DATA is not set";
  const std::string proto = ReadTestFile(*path);
  const auto model = ParseSpmModel(proto);
  ASSERT_TRUE(model) << model.error().message;
  const auto counts = CountTypes(*model);
  EXPECT_EQ(counts.at(PieceType::kNormal), 255474u);
  EXPECT_EQ(counts.at(PieceType::kUserDefined), 31u + 30 + 31 + 70);
  EXPECT_EQ(counts.at(PieceType::kControl), 3u + 2 + 6242 + 4);
  EXPECT_EQ(model->pieces.size(), 262144u);
}

TEST(SerializeSpmModel, IsReadBackTheSame) {
  const std::string proto = TestModel::Small().Serialize();
  const auto first = ParseSpmModel(proto);
  ASSERT_TRUE(first) << first.error().message;
  const std::string written = SerializeSpmModel(*first);
  const auto second = ParseSpmModel(written);
  ASSERT_TRUE(second) << second.error().message;
  ASSERT_EQ(second->pieces.size(), first->pieces.size());
  for (size_t i = 0; i < first->pieces.size(); ++i) {
    EXPECT_EQ(second->pieces[i].piece, first->pieces[i].piece);
    EXPECT_EQ(second->pieces[i].score, first->pieces[i].score);
    EXPECT_EQ(second->pieces[i].type, first->pieces[i].type);
  }
  EXPECT_EQ(SerializeSpmModel(*second), written);
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
