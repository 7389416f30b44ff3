// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Added tokens in all the files that may hold them, and what text becomes with them. The ids in
// data/added_tokens are those of huggingface/tokenizers; make_added_tokens.py there says how.
#include "src/formats/hf_tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "gemma3/tokenizer.h"
#include "src/base/spm_proto.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

using Json = nlohmann::ordered_json;
using Ids = std::vector<TokenId>;

std::string Source(const std::string& name) {
  std::ifstream file(std::string(GEMMA3_SOURCE_DIR) + "/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

class HfTokenizerFolder : public ::testing::Test {
 protected:
  static constexpr size_t kRows = 4200;  // pieces of the demo's vocabulary: 4096

  void WriteModel() {
    folder_.Write("tokenizer.model", Source("tools/demo/tiny-gemma3/tokenizer.model"));
  }
  // The demo's tokenizer.json with other added tokens.
  void WriteJson(const std::vector<Json>& added_tokens) {
    Json root = Json::parse(Source("tools/demo/tiny-gemma3/tokenizer.json"));
    root["added_tokens"] = added_tokens;
    folder_.Write("tokenizer.json", root.dump());
  }
  Result<Tokenizer> Open(size_t rows = kRows) {
    remarks_ = {};
    const auto read = ReadHfTokenizer(folder_.path(), rows, &remarks_);
    if (!read) return std::unexpected(read.error());
    return Tokenizer::FromProto(read->proto);
  }
  void ExpectRefused(const std::string& words) {
    const auto tokenizer = Open();
    ASSERT_FALSE(tokenizer) << words;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::kBadModel);
    EXPECT_NE(tokenizer.error().message.find(words), std::string::npos)
        << tokenizer.error().message;
    EXPECT_NE(tokenizer.error().message.find(folder_.path()), std::string::npos);
  }
  void ExpectWarning(const std::string& words) {
    ASSERT_EQ(remarks_.warnings.size(), 1u) << words;
    EXPECT_NE(remarks_.warnings[0].find(words), std::string::npos) << remarks_.warnings[0];
  }

  testing::TempFolder folder_;
  Remarks remarks_;
};

Json Token(uint64_t id, const std::string& content, const Json& flags = Json::object()) {
  Json token = {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", false}};
  token.update(flags);
  return token;
}

// What every tokenizer promises of a text; and the ids of the reference.
void ExpectReference(const Tokenizer& tokenizer, const Json& fixture) {
  std::set<TokenId> stripping;
  for (const Json& token : fixture["added_tokens"]) {
    if (token["lstrip"] || token["rstrip"]) stripping.insert(token["id"].get<TokenId>());
  }
  for (const Json& pair : fixture["texts"]) {
    const std::string text = pair[0];
    const auto ids = tokenizer.Encode(text);
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(*ids, pair[1].get<Ids>()) << text;
    bool strips = false;
    for (const TokenId id : *ids) {
      EXPECT_FALSE(tokenizer.IsControl(id)) << text;
      strips |= stripping.contains(id);
    }
    if (!strips) {
      EXPECT_EQ(tokenizer.Decode(*ids), text);
    }
  }
}

TEST_F(HfTokenizerFolder, TokensOfAllKindsAsTheReferenceHasThem) {
  const Json fixture = Json::parse(Source("tests/data/added_tokens/added_tokens.json"));
  WriteJson(fixture["added_tokens"].get<std::vector<Json>>());
  const auto alone = Open();
  ASSERT_TRUE(alone) << alone.error().message;
  ExpectReference(*alone, fixture);
  WriteModel();
  const auto beside = Open();
  ASSERT_TRUE(beside) << beside.error().message;
  ExpectReference(*beside, fixture);
  EXPECT_TRUE(remarks_.warnings.empty());

  for (const auto* tokenizer : {&*alone, &*beside}) {
    for (const Json& token : fixture["added_tokens"]) {
      const auto id = token["id"].get<TokenId>();
      if (id < 4096) continue;
      const std::string content = token["content"];
      EXPECT_EQ(tokenizer->Find(content), id);
      EXPECT_EQ(tokenizer->IsControl(id), token["special"].get<bool>()) << content;
      EXPECT_EQ(tokenizer->TokenBytes(id), token["special"] ? "" : content);
    }
    // Marks that models write are shown; those of the template are not.
    EXPECT_EQ(tokenizer->Decode(Ids{100, 105, 106, 2, 4}), "<unused94>");
    EXPECT_EQ(tokenizer->Encode("<unused94>")->size(), tokenizer->Encode("<unused93>")->size());
  }
}

// The published files: the lists agree, and nothing is added but the mark that is no text.
TEST_F(HfTokenizerFolder, TheDemosOwnFilesAddNothing) {
  const std::string demo = std::string(GEMMA3_SOURCE_DIR) + "/tools/demo/tiny-gemma3";
  const auto read = ReadHfTokenizer(demo, 4160, &remarks_);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(remarks_.warnings.empty());
  EXPECT_TRUE(remarks_.notes.empty());
  const auto with = Tokenizer::FromProto(read->proto);
  const auto without = Tokenizer::FromProto(Source("tools/demo/tiny-gemma3/tokenizer.model"));
  ASSERT_TRUE(with && without);
  ASSERT_EQ(with->vocab_size(), without->vocab_size());
  for (TokenId id = 0; id < 4096; ++id) {
    EXPECT_EQ(with->IsControl(id), without->IsControl(id)) << with->Piece(id);
    EXPECT_EQ(with->TokenBytes(id), without->TokenBytes(id));
  }
}

TEST_F(HfTokenizerFolder, TokensOfTheConfigAndOfTheListOfIds) {
  WriteModel();
  folder_.Write("tokenizer_config.json",
                Json{{"added_tokens_decoder",
                      {{"4097", {{"content", "<tool_call>"}, {"special", false}}},
                       {"4098", {{"content", "###END"}, {"special", true}}}}},
                     {"additional_special_tokens", {"<|extra|>"}}}
                    .dump());
  folder_.Write("added_tokens.json", Json{{"<image_soft_token>", 4096},
                                          {"<tool_call>", 4097},
                                          {"###END", 4098},
                                          {"<|extra|>", 4099},
                                          {"<|named|>", 4100},
                                          {"two words", 4101}}
                                         .dump());
  folder_.Write("special_tokens_map.json",
                R"({"image_token": "<image_soft_token>", "x": {"content": "<|named|>"}})");
  const auto tokenizer = Open();
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_TRUE(remarks_.warnings.empty());
  EXPECT_EQ(tokenizer->vocab_size(), 4102u);
  EXPECT_EQ(tokenizer->Encode("<tool_call>").value(), Ids{4097});
  EXPECT_EQ(tokenizer->Encode("two words").value(), Ids{4101});
  for (const TokenId id : {4096, 4098, 4099, 4100}) {
    EXPECT_TRUE(tokenizer->IsControl(id)) << id;
    EXPECT_EQ(tokenizer->TokenBytes(id), "");
    const std::string name(tokenizer->Piece(id));
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(name).value()), name);
  }
}

TEST_F(HfTokenizerFolder, FilesThatContradictEachOther) {
  WriteModel();
  WriteJson({Token(4097, "NewOne"), Token(4098, "NewTwo")});
  folder_.Write("added_tokens.json", R"({"NewOne": 4098})");
  ASSERT_TRUE(Open());
  ExpectWarning("tokenizer.json has 4098, \"NewTwo\", which counts");
  folder_.Write("added_tokens.json", R"({"NewOne": 4097})");
  folder_.Write("tokenizer_config.json",
                R"({"added_tokens_decoder": {"4097": {"content": "NewOne", "special": true}}})");
  const auto tokenizer = Open();
  ASSERT_TRUE(tokenizer);
  ExpectWarning("do not agree");
  EXPECT_TRUE(tokenizer->IsControl(4097));  // the safe way
}

TEST_F(HfTokenizerFolder, TokensOfTheBaseVocabulary) {
  WriteModel();
  WriteJson({Token(11, "<my_mark>"), Token(2, "<bos>", {{"special", true}})});
  const auto renamed = Open();
  ASSERT_TRUE(renamed) << renamed.error().message;
  EXPECT_EQ(remarks_.notes.size(), 1u);
  EXPECT_EQ(renamed->Encode("a<my_mark>").value().back(), 11);
  EXPECT_EQ(renamed->Find("<unused5>"), -1);

  WriteJson({Token(1, "</s>", {{"special", true}})});
  ExpectRefused("token 1 is \"</s>\", but \"<eos>\"");
  WriteJson({Token(500, "another")});
  ExpectRefused("the files belong to different models");
  WriteJson({Token(4097, "<eos>")});
  const auto twice = Open();
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("are both \"<eos>\""), std::string::npos);
}

// Its embedding cannot be looked up, so no text may become it.
TEST_F(HfTokenizerFolder, TokensWithoutARow) {
  WriteModel();
  WriteJson({Token(4096, "<image_soft_token>"), Token(4097, "NewOne"), Token(4098, "NewTwo")});
  const auto tokenizer = Open(4098);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  ExpectWarning("token 4098, \"NewTwo\" have no row");
  EXPECT_EQ(tokenizer->vocab_size(), 4098u);
  EXPECT_EQ(tokenizer->Encode("NewOne").value(), Ids{4097});
  // Text models list the mark of pictures without a row for it; that is no news.
  WriteJson({Token(4096, "<image_soft_token>")});
  ASSERT_TRUE(Open(4096));
  EXPECT_TRUE(remarks_.warnings.empty());
}

TEST_F(HfTokenizerFolder, GapsAreFilled) {
  WriteModel();
  WriteJson({Token(4110, "FarToken")});
  const auto tokenizer = Open();
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->Encode("FarToken").value(), Ids{4110});
  EXPECT_TRUE(tokenizer->IsControl(4100));
  WriteJson({Token(4096 + 1030, "too far")});
  const auto far = Open(100'000);
  ASSERT_FALSE(far);
  EXPECT_NE(far.error().message.find("too large"), std::string::npos) << far.error().message;
}

// Ordinary text must not lose a letter.
TEST_F(HfTokenizerFolder, ACharacterIsNeverSpecial) {
  WriteModel();
  const TokenId dot = Open()->Find(".");
  WriteJson({Token(static_cast<uint64_t>(dot), ".", {{"special", true}})});
  const auto tokenizer = Open();
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  ExpectWarning("a character of ordinary text");
  EXPECT_EQ(tokenizer->Encode(".").value(), Ids{dot});
}

TEST_F(HfTokenizerFolder, DamagedFilesAreErrors) {
  WriteModel();
  for (const char* text :
       {"[]", "{", "{\"added_tokens\": [}", "{\"added_tokens\": {}}", "{\"added_tokens\": [{}]}",
        R"({"added_tokens": [{"id": -1, "content": "a"}]})", "version https://git-lfs", "",
        R"({"added_tokens": [{"id": 4097, "content": 7}]})",
        R"({"added_tokens": [{"id": 4097, "content": "a", "lstrip": 1}]})"}) {
    folder_.Write("tokenizer.json", text);
    ExpectRefused("tokenizer.json");
  }
  // Only what is behind the list may be anything.
  folder_.Write("tokenizer.json", R"({"added_tokens": [], "model": )");
  EXPECT_TRUE(Open());
  std::filesystem::remove(folder_.path() + "/tokenizer.json");
  for (const char* text : {"[", R"({"a": "b"})"}) {
    folder_.Write("added_tokens.json", text);
    ExpectRefused("added_tokens.json");
  }
  std::filesystem::remove(folder_.path() + "/added_tokens.json");
  for (const char* text :
       {R"({"added_tokens_decoder": []})", R"({"added_tokens_decoder": {"x": {"content": "a"}}})",
        R"({"added_tokens_decoder": {"4097": {}}})"}) {
    folder_.Write("tokenizer_config.json", text);
    ExpectRefused("tokenizer_config.json");
  }
}

TEST_F(HfTokenizerFolder, WithoutATokenizer) {
  const auto read = ReadHfTokenizer(folder_.path(), kRows, &remarks_);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->proto.empty());
  EXPECT_NE(read->missing.find("neither"), std::string::npos);
}

}  // namespace
}  // namespace gemma3
