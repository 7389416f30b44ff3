// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Text to token ids and back, by the model's SentencePiece vocabulary.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"

namespace gemma3 {

// Immutable; any number of threads may use one.
class Tokenizer {
 public:
  // From a serialized SentencePiece ModelProto (the bytes of tokenizer.model).
  static Result<Tokenizer> FromProto(std::string_view proto);
  // From a tokenizer.model file, or a model's folder or file. Reads no weights.
  static Result<Tokenizer> Load(const std::string& path);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Encodes text as text: control tokens cannot come out, whatever the text spells. No BOS is
  // added. Decoding gives the text back, with two exceptions: U+2581, which the vocabulary uses for
  // spaces, comes back as one; and white space beside a token that a fine-tune added with lstrip or
  // rstrip is a part of that token and does not come back. Errors: kInvalidArgument when the text
  // is not valid UTF-8, with the byte offset, longer than 256 MiB, or has a stretch of more than
  // 1 MiB without any place between two tokens that can be told beforehand (Gemma's vocabulary has
  // one before each space, line break and digit).
  Result<std::vector<TokenId>> Encode(std::string_view text) const;

  // The beginning of Encode(text): all of it, or at least `most` tokens. `stop` is asked now and
  // then; the text behind what was encoded costs nothing. Errors: as Encode; kCancelled where
  // `stop` says so.
  Result<std::vector<TokenId>> EncodeBegin(std::string_view text, size_t most,
                                           const std::function<bool()>& stop = {}) const;

  // Encode(text) has no fewer tokens than this; known without encoding it.
  size_t LeastTokens(std::string_view text) const;

  // The text of the ids. Control tokens that models do not write to be read have none (see
  // IsControl); ids outside the vocabulary give U+FFFD, as do byte tokens that do not form UTF-8.
  // Errors: kOutOfMemory.
  Result<std::string> Decode(std::span<const TokenId> ids) const;

  // The bytes that one token adds to the text: what a streaming decoder concatenates. May be part
  // of a UTF-8 character, or empty as in Decode.
  std::string_view TokenBytes(TokenId id) const;

  // The vocabulary's spelling, e.g. "<start_of_turn>" or "\u2581the". Empty outside the vocabulary.
  std::string_view Piece(TokenId id) const;

  // Whether no text encodes to this token: pad, bos, unk, turn and image marks, <unusedN>, what a
  // tokenizer.json calls special, ... Marks that a model writes for its caller (<unusedN>, such as
  // MedGemma's around its thought; FunctionGemma's around its calls) are control and still have
  // text when they are decoded; the others have none. False outside the vocabulary, where
  // <image_soft_token> is.
  bool IsControl(TokenId id) const;
  // The id spelled exactly like this (control tokens included), or -1.
  TokenId Find(std::string_view piece) const;
  size_t vocab_size() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gemma3
