// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Tokenizers for tests: the demo model's, the real one where it is there, and models made up here.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/tokenizer.h"
#include "src/base/proto_wire.h"
#include "src/base/vocabulary.h"

namespace gemma3 {

inline std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << "cannot read " << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string SourcePath(const std::string& path) {
  return std::string(GEMMA3_SOURCE_DIR) + "/" + path;
}

// A file of the folder that GEMMA3_TEST_DATA names, where it is set.
inline std::optional<std::string> TestDataPath(const std::string& path) {
  const char* folder = std::getenv("GEMMA3_TEST_DATA");
  if (folder == nullptr || *folder == '\0') return std::nullopt;
  return std::string(folder) + "/" + path;
}

inline const Tokenizer& DemoTokenizer() {
  static const Tokenizer* tokenizer = [] {
    auto result =
        Tokenizer::FromProto(ReadTestFile(SourcePath("tools/demo/tiny-gemma3/tokenizer.model")));
    if (!result) ADD_FAILURE() << result.error().message;
    return result ? new Tokenizer(*std::move(result)) : nullptr;
  }();
  return *tokenizer;
}

// Null where GEMMA3_TEST_DATA is not set: skip the test.
inline const Tokenizer* RealTokenizer() {
  static const Tokenizer* tokenizer = []() -> const Tokenizer* {
    const auto path = TestDataPath("gemma3-tokenizer/tokenizer.model");
    if (!path) return nullptr;
    auto result = Tokenizer::FromProto(ReadTestFile(*path));
    if (!result) ADD_FAILURE() << result.error().message;
    return result ? new Tokenizer(*std::move(result)) : nullptr;
  }();
  return tokenizer;
}

// A SentencePiece model to be written and damaged, piece by piece and field by field.
struct TestModel {
  struct Piece {
    std::string piece;
    float score = 0;
    uint64_t type = 1;
    std::optional<AddedToken> added = {};
  };
  std::vector<Piece> pieces;
  uint64_t model_type = 2;
  bool byte_fallback = true;
  std::string chars_map;
  bool add_dummy_prefix = false;
  bool remove_extra_whitespaces = false;
  bool escape_whitespaces = true;
  std::string more;  // appended to the proto

  // <pad> <eos> <bos> <unk>, turn marks, "\n", "\n\n", two spaces, <b>, 256 bytes, a few merges.
  static TestModel Small() {
    TestModel model;
    model.pieces = {{"<pad>", 0, 3},
                    {"<eos>", 0, 3},
                    {"<bos>", 0, 3},
                    {"<unk>", 0, 2},
                    {"<start_of_turn>", 0, 4},
                    {"<end_of_turn>", 0, 4},
                    {"\n", 0, 4},
                    {"\n\n", 0, 4},
                    {"\u2581\u2581", 0, 4},
                    {"<b>", 0, 4}};
    for (int i = 0; i < 256; ++i) {
      const char* digits = "0123456789ABCDEF";
      model.pieces.push_back({std::string("<0x") + digits[i / 16] + digits[i % 16] + ">", 0, 6});
    }
    float score = 0;
    for (const char* piece : {"ab", "\u2581a", "abc", "us", "er", "user"}) {
      model.pieces.push_back({piece, --score, 1});
    }
    for (const char* piece : {"a", "b", "c", "e", "r", "s", "u", "\u2581", "<", ">"}) {
      model.pieces.push_back({piece, --score, 1});
    }
    return model;
  }

  Piece& Find(std::string_view spelling) {
    for (Piece& piece : pieces) {
      if (piece.piece == spelling) return piece;
    }
    ADD_FAILURE() << "no piece " << spelling;
    return pieces.front();
  }

  std::string Serialize() const {
    std::string out, message;
    for (const Piece& piece : pieces) {
      message.clear();
      AppendBytesField(1, piece.piece, message);
      AppendFixed32Field(2, std::bit_cast<uint32_t>(piece.score), message);
      AppendVarintField(3, piece.type, message);
      if (const auto& how = piece.added) {
        AppendVarintField(1000,
                          how->special + how->single_word * 2 + how->lstrip * 4 + how->rstrip * 8 +
                              how->normalized * 16,
                          message);
      }
      AppendBytesField(1, message, out);
    }
    message.clear();
    AppendVarintField(3, model_type, message);
    AppendVarintField(35, byte_fallback, message);
    AppendBytesField(2, message, out);
    message.clear();
    AppendBytesField(2, chars_map, message);
    AppendVarintField(3, add_dummy_prefix, message);
    AppendVarintField(4, remove_extra_whitespaces, message);
    AppendVarintField(5, escape_whitespaces, message);
    AppendBytesField(3, message, out);
    return out + more;
  }
};

}  // namespace gemma3
