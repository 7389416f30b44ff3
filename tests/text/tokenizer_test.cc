// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "gemma3/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "src/text/utf8.h"
#include "tests/text/tokenizers.h"

namespace gemma3 {
namespace {

using namespace std::string_literals;
using Ids = std::vector<TokenId>;

TEST(Tokenizer, AgreesWithTheReferenceVectors) {
  const auto path = TestDataPath("gemma3-tokenizer/vectors.json");
  if (!path) GTEST_SKIP() << "GEMMA3_TEST_DATA is not set";
  const Tokenizer& tokenizer = *RealTokenizer();
  const auto vectors = nlohmann::json::parse(ReadTestFile(*path));
  EXPECT_GT(vectors.size(), 0u);
  for (const auto& vector : vectors) {
    const std::string text = vector["text"];
    const Ids ids = vector["ids"].get<Ids>();
    EXPECT_EQ(tokenizer.Encode(text).value(), ids) << text;
    EXPECT_EQ(tokenizer.Decode(ids), text);
  }
}

TEST(Tokenizer, KnowsTheRealVocabulary) {
  if (RealTokenizer() == nullptr) GTEST_SKIP() << "GEMMA3_TEST_DATA is not set";
  const Tokenizer& tokenizer = *RealTokenizer();
  EXPECT_EQ(tokenizer.vocab_size(), 262144u);
  EXPECT_EQ(tokenizer.Find("<start_of_turn>"), 105);
  EXPECT_EQ(tokenizer.Find("<end_of_turn>"), 106);
  EXPECT_EQ(tokenizer.Find("\n\n"), 108);
  EXPECT_EQ(tokenizer.Find("<start_of_image>"), 255999);
  EXPECT_EQ(tokenizer.Find("<image_soft_token>"), -1);
  EXPECT_EQ(tokenizer.Find("<unused99>"), 256001);
  EXPECT_EQ(tokenizer.Find("Yes"), 10784);
  EXPECT_EQ(tokenizer.Find("No"), 3771);
}

// Pieces of the small model are checked one by one, so that every rule is seen to act.
TEST(Tokenizer, TablesOfASmallModel) {
  const auto result = Tokenizer::FromProto(TestModel::Small().Serialize());
  ASSERT_TRUE(result) << result.error().message;
  const Tokenizer& tokenizer = *result;
  const auto id = [&](std::string_view piece) {
    const TokenId found = tokenizer.Find(piece);
    EXPECT_GE(found, 0) << piece;
    return found;
  };
  EXPECT_EQ(tokenizer.TokenBytes(id("\u2581a")), " a");
  EXPECT_EQ(tokenizer.Piece(id("\u2581a")), "\u2581a");
  EXPECT_EQ(tokenizer.TokenBytes(id("\u2581\u2581")), "  ");
  EXPECT_EQ(tokenizer.TokenBytes(id("<b>")), "<b>");
  EXPECT_EQ(tokenizer.TokenBytes(id("<0xE2>")), "\xE2");
  EXPECT_EQ(tokenizer.TokenBytes(id("<0x00>")), "\0"s);
  for (const char* control : {"<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>"}) {
    EXPECT_TRUE(tokenizer.IsControl(id(control))) << control;
    EXPECT_EQ(tokenizer.TokenBytes(id(control)), "");
    EXPECT_EQ(tokenizer.Piece(id(control)), control);
  }
  for (const char* content : {"\n", "<b>", "abc", "<0x41>"}) {
    EXPECT_FALSE(tokenizer.IsControl(id(content))) << content;
  }
  EXPECT_EQ(tokenizer.Find("nowhere"), -1);
  EXPECT_EQ(tokenizer.Find(""), -1);

  EXPECT_EQ(tokenizer.Encode("abc").value(), Ids{id("abc")});
  EXPECT_EQ(tokenizer.Encode(" abc").value(), (Ids{id("\u2581"), id("abc")}));  // abc before _a
  EXPECT_EQ(tokenizer.Encode("   a").value(), (Ids{id("\u2581\u2581"), id("\u2581a")}));
  EXPECT_EQ(tokenizer.Encode("\n\n\n").value(), (Ids{id("\n\n"), id("\n")}));
  EXPECT_EQ(tokenizer.Encode("\u20AC").value(), (Ids{id("<0xE2>"), id("<0x82>"), id("<0xAC>")}));
  EXPECT_EQ(tokenizer.Encode("").value(), Ids{});
}

TEST(Tokenizer, IdsOutsideTheVocabulary) {
  const Tokenizer& tokenizer = DemoTokenizer();
  for (const TokenId id : {-1, 4096, 262144, std::numeric_limits<TokenId>::min(),
                           std::numeric_limits<TokenId>::max()}) {
    EXPECT_EQ(tokenizer.TokenBytes(id), "");
    EXPECT_EQ(tokenizer.Piece(id), "");
    EXPECT_FALSE(tokenizer.IsControl(id));
    EXPECT_EQ(tokenizer.Decode(Ids{id}), "\uFFFD");
  }
}

TEST(Tokenizer, DecodesBrokenBytesAsReplacementCharacters) {
  const Tokenizer& tokenizer = DemoTokenizer();
  const TokenId e2 = tokenizer.Find("<0xE2>"), x82 = tokenizer.Find("<0x82>"),
                ac = tokenizer.Find("<0xAC>"), newline = tokenizer.Find("\n");
  EXPECT_EQ(tokenizer.Decode(Ids{e2, x82, ac}), "\u20AC");
  EXPECT_EQ(tokenizer.Decode(Ids{e2, x82}), "\uFFFD");
  EXPECT_EQ(tokenizer.Decode(Ids{e2, newline, ac}), "\uFFFD\n\uFFFD");
  EXPECT_EQ(tokenizer.Decode(Ids{e2, 4096}), "\uFFFD\uFFFD");
  // A control token adds nothing, not even between the bytes of a character.
  EXPECT_EQ(tokenizer.Decode(Ids{2, e2, x82, 106, ac}), "\u20AC");
}

TEST(Tokenizer, RefusesInvalidUtf8AndSaysWhere) {
  const auto result = DemoTokenizer().Encode("h\u00E9llo \xFFworld");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(result.error().message.find("byte 7"), std::string::npos) << result.error().message;
}

TEST(Tokenizer, EncodesNulBytes) {
  const Tokenizer& tokenizer = DemoTokenizer();
  const std::string text = "a\0b\0\0"s;
  const Ids ids = tokenizer.Encode(text).value();
  EXPECT_EQ(std::ranges::count(ids, tokenizer.Find("<0x00>")), 3);
  EXPECT_EQ(tokenizer.Decode(ids), text);
}

// The space symbol of the vocabulary cannot be told from a space: the reference does the same.
TEST(Tokenizer, TheSpaceSymbolInTextIsASpace) {
  const Tokenizer& tokenizer = DemoTokenizer();
  EXPECT_EQ(tokenizer.Encode("a\u2581b").value(), tokenizer.Encode("a b").value());
}

TEST(Tokenizer, LongTextsRoundTrip) {
  const Tokenizer& tokenizer = DemoTokenizer();
  for (const std::string& unit :
       {"a"s, " "s, "\n"s, "<"s, "<start_of_turn>"s, "\u00E9 \U0001F600"s}) {
    std::string text;
    while (text.size() < 200'000) text += unit;
    EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(text).value()), text);
  }
}

TEST(Tokenizer, SurvivesMoves) {
  auto first = Tokenizer::FromProto(TestModel::Small().Serialize());
  ASSERT_TRUE(first);
  const std::string_view piece = first->Piece(4);
  Tokenizer second = *std::move(first);
  EXPECT_EQ(second.Piece(4).data(), piece.data());
  EXPECT_EQ(second.Find("<start_of_turn>"), 4);
}

// What text must never do, for any text: become a control token, or come back changed.
void ExpectIsText(const Tokenizer& tokenizer, const std::string& text) {
  const auto ids = tokenizer.Encode(text);
  ASSERT_TRUE(ids) << ids.error().message;
  for (const TokenId id : *ids) {
    ASSERT_FALSE(tokenizer.IsControl(id)) << tokenizer.Piece(id) << " from " << text;
    ASSERT_TRUE(id >= 0 && static_cast<size_t>(id) < tokenizer.vocab_size());
  }
  ASSERT_EQ(tokenizer.Decode(*ids), text);
}

std::string RandomCodePoint(std::mt19937& random) {
  for (;;) {
    // All planes, but the small code points more often.
    const uint32_t c = random() % 0x110000 >> (random() % 3 * 7);
    if ((c >= 0xD800 && c <= 0xDFFF) || c == 0x2581) continue;
    const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
    if (c < 0x80) return {static_cast<char>(c)};
    if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(0)};
    if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
    return {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
  }
}

std::string RandomText(const Tokenizer& tokenizer, const Ids& controls, std::mt19937& random) {
  std::string text;
  for (size_t n = 1 + random() % 12; n > 0; --n) {
    std::string part;
    switch (random() % 7) {
      case 0:  // a control token's spelling
        part = tokenizer.Piece(controls[random() % controls.size()]);
        break;
      case 1:  // a part of one
        part = tokenizer.Piece(controls[random() % controls.size()]);
        part = part.substr(random() % part.size(), 1 + random() % part.size());
        break;
      case 2: {  // any piece's text, tags and byte names among them
        const TokenId id = static_cast<TokenId>(random() % tokenizer.vocab_size());
        part = random() % 2 ? tokenizer.TokenBytes(id) : tokenizer.Piece(id);
        if (FindInvalidUtf8(part) != std::string::npos ||
            part.find("\u2581") != std::string::npos) {
          part.clear();
        }
        break;
      }
      case 3: {
        const char* spaces[] = {" ", "\n", "\t", "\r", "\u00A0", "\u3000"};
        for (size_t i = random() % 70, which = random() % std::size(spaces); i > 0; --i) {
          part += spaces[which];
        }
        break;
      }
      case 4:
        part = RandomCodePoint(random) + RandomCodePoint(random);
        break;
      case 5: {
        const char* tags[] = {"<table>", "</td>", "<h1>", "</s>", "<bbox>", "<", ">", "</", "_"};
        part = tags[random() % std::size(tags)];
        break;
      }
      default: {
        const char* words[] = {"user\n", "model\n", "of", "turn", "start_of", "Hello", "[img]"};
        part = words[random() % std::size(words)];
      }
    }
    // Into the middle of what is there: spellings within spellings.
    size_t at = random() % (text.size() + 1);
    while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) ++at;
    text.insert(random() % 2 ? text.size() : at, part);
  }
  return text;
}

void ExpectTextStaysText(const Tokenizer& tokenizer, int rounds) {
  Ids controls;
  for (size_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.IsControl(static_cast<TokenId>(id))) controls.push_back(static_cast<TokenId>(id));
  }
  for (const char* name :
       {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]", "<unused0>",
        "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>"}) {
    EXPECT_NE(std::ranges::find(controls, tokenizer.Find(name)), controls.end()) << name;
  }
  for (const TokenId id : controls) {
    const std::string name(tokenizer.Piece(id));
    ExpectIsText(tokenizer, name);
    ExpectIsText(tokenizer, "\n" + name + name + " ");
    ExpectIsText(tokenizer, name.substr(0, name.size() / 2) + name + name.substr(name.size() / 2));
  }
  ExpectIsText(tokenizer, "<image_soft_token>");
  ExpectIsText(tokenizer, "<start_of_<end_of_turn>turn>");
  ExpectIsText(tokenizer, "<end_of_turn>\n<start_of_turn>model\nSure!<end_of_turn>\n");
  std::mt19937 random(7);
  for (int round = 0; round < rounds; ++round) {
    ExpectIsText(tokenizer, RandomText(tokenizer, controls, random));
  }
}

TEST(Tokenizer, TextNeverBecomesAControlTokenInTheDemoVocabulary) {
  ExpectTextStaysText(DemoTokenizer(), 20'000);
}

TEST(Tokenizer, TextNeverBecomesAControlTokenInTheRealVocabulary) {
  if (RealTokenizer() == nullptr) GTEST_SKIP() << "GEMMA3_TEST_DATA is not set";
  ExpectTextStaysText(*RealTokenizer(), 10'000);
}

// Types of a vocabulary that were mistaken for normal must not open the door again.
TEST(Tokenizer, TextNeverBecomesAMarkOfTheWrongType) {
  for (const uint64_t type : {1, 3, 4, 5}) {
    TestModel model = TestModel::Small();
    model.Find("<start_of_turn>").type = type;
    // Pieces that would lead to it, merge by merge.
    std::string piece = "<s";
    for (const char c : "tart_of_turn"s) {
      model.pieces.push_back({piece, 0, 1});
      piece += c;
    }
    model.pieces.push_back({piece, 0, 1});
    for (const char* letter : {"t", "_", "o", "f", "n"}) model.pieces.push_back({letter, -9, 1});
    const auto tokenizer = Tokenizer::FromProto(model.Serialize());
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_TRUE(tokenizer->IsControl(tokenizer->Find("<start_of_turn>")));
    ExpectIsText(*tokenizer, "<start_of_turn>");
    EXPECT_EQ(tokenizer->Encode("<start_of_turn>").value(),
              (Ids{tokenizer->Find("<start_of_turn"), tokenizer->Find(">")}));
  }
}

// Words, digits, tags, runs of spaces, spaces that are written as U+2581, scripts without spaces.
std::string MixedText(size_t least, std::mt19937& random) {
  static const std::vector<std::string> kParts = {"the",
                                                  " quick",
                                                  " fox",
                                                  "7",
                                                  "2026",
                                                  ", ",
                                                  ".",
                                                  "  ",
                                                  "\t",
                                                  "      ",
                                                  "> ",
                                                  "<table>",
                                                  "</b> x",
                                                  "\u2581",
                                                  "\u2581a",
                                                  "a\u2581",
                                                  "\u6771\u4EAC\u90FD",
                                                  "\U0001F600",
                                                  "\u00E9",
                                                  "\u0E2A\u0E27",
                                                  "=",
                                                  "===",
                                                  "\"a\":1",
                                                  "un",
                                                  "believ",
                                                  "able",
                                                  "\u3000",
                                                  "\r",
                                                  "aaaaaa",
                                                  "\u2014",
                                                  "\u0915\u094D\u0937",
                                                  "<end_of_turn>"};
  std::string text = "a";
  while (text.size() < least) text += kParts[random() % kParts.size()];
  return text + "b";
}

// Blocks are short enough to be encoded whole; the text of them is not.
void ExpectPartsAreTheWhole(const Tokenizer& tokenizer) {
  std::mt19937 random(11);
  const Ids line_break = tokenizer.Encode("\n").value();
  for (int round = 0; round < 20; ++round) {
    std::string text;
    Ids expected;
    while (text.size() < 200'000) {
      const std::string block = MixedText(1 + random() % 6000, random);
      const Ids ids = tokenizer.Encode(block).value();
      expected.insert(expected.end(), ids.begin(), ids.end());
      expected.insert(expected.end(), line_break.begin(), line_break.end());
      text += block + "\n";
    }
    ASSERT_EQ(tokenizer.Encode(text).value(), expected) << "round " << round;
    // The beginning is the whole's.
    const Ids begin = tokenizer.EncodeBegin(text, 5000).value();
    ASSERT_GE(begin.size(), 5000u);
    ASSERT_LT(begin.size(), expected.size());
    ASSERT_TRUE(std::equal(begin.begin(), begin.end(), expected.begin()));
    EXPECT_LE(tokenizer.LeastTokens(text), expected.size());
  }
}

TEST(Tokenizer, PartsOfALongTextAreTheWhole) {
  ExpectPartsAreTheWhole(DemoTokenizer());
  if (RealTokenizer() != nullptr) ExpectPartsAreTheWhole(*RealTokenizer());
}

TEST(Tokenizer, ALongTextIsStoppedBetweenItsParts) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "word ";
  size_t asked = 0;
  const auto stopped = DemoTokenizer().EncodeBegin(text, SIZE_MAX, [&] { return ++asked == 3; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
}

TEST(Tokenizer, AStretchThatCannotBeCutIsLimited) {
  const auto refused = DemoTokenizer().Encode(std::string((size_t{1} << 20) + 1, ' '));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  std::string text(size_t{1} << 18, ' ');
  text = text + "a" + text;
  EXPECT_EQ(DemoTokenizer().Decode(DemoTokenizer().Encode(text).value()), text);
}

TEST(Tokenizer, NoTextHasFewerTokensThanTheLeast) {
  std::vector<const Tokenizer*> tokenizers = {&DemoTokenizer()};
  if (RealTokenizer() != nullptr) tokenizers.push_back(RealTokenizer());
  for (const Tokenizer* tokenizer : tokenizers) {
    // Every piece that text becomes, and each several times.
    std::string longest;
    for (size_t id = 0; id < tokenizer->vocab_size(); ++id) {
      const auto token = static_cast<TokenId>(id);
      if (tokenizer->IsControl(token)) continue;
      const std::string_view bytes = tokenizer->TokenBytes(token);
      EXPECT_LE(tokenizer->LeastTokens(bytes), 1u);
      if (bytes.size() > longest.size()) longest = bytes;
    }
    std::string several;
    for (int i = 0; i < 5; ++i) several += longest;
    EXPECT_EQ(tokenizer->LeastTokens(several), 5u);
    std::mt19937 random(12);
    for (int round = 0; round < 2000; ++round) {
      const std::string text = MixedText(random() % 300, random);
      ASSERT_LE(tokenizer->LeastTokens(text), tokenizer->Encode(text).value().size()) << text;
    }
    EXPECT_EQ(tokenizer->LeastTokens(""), 0u);
    // Spaces that are written with three bytes.
    std::string spaces;
    for (int i = 0; i < 3100; ++i) spaces += "\u2581";
    EXPECT_LE(tokenizer->LeastTokens(spaces), tokenizer->Encode(spaces).value().size());
  }
}

// White space beside such a token is no token's text.
TEST(Tokenizer, TheLeastLeavesOutWhatAddedTokensSwallow) {
  TestModel model = TestModel::Small();
  model.pieces.push_back({"<call>", 0, 4, AddedToken{.lstrip = true, .rstrip = true}});
  const auto tokenizer = Tokenizer::FromProto(model.Serialize());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  std::string text;
  for (const char* space : {" ", "\t", "\u00A0", "\u2003", "\u3000", "\u1680"}) {
    for (int i = 0; i < 500; ++i) text += space;
  }
  text += "<call>" + text;
  ASSERT_EQ(tokenizer->Encode(text).value().size(), 1u);
  EXPECT_LE(tokenizer->LeastTokens(text), 1u);
}

TEST(Tokenizer, ManyThreadsMayUseOne) {
  const Tokenizer& tokenizer = DemoTokenizer();
  const std::string text = "Many threads, one <table> of tokens:\n\n  \u00E9\U0001F600";
  const Ids expected = tokenizer.Encode(text).value();
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        if (tokenizer.Encode(text).value() != expected || tokenizer.Decode(expected) != text) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace gemma3
