// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a request asks of the engine, whatever API it came by, and how its answer is told in that
// API. Reading a request and telling an answer are functions of values: no sockets, no engine.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/engine.h"
#include "gemma3/generation.h"
#include "gemma3/image.h"
#include "tools/serve/api_error.h"
#include "tools/serve/picture_in.h"

namespace gemma3::serve {

// What is known of the model that is asked when a request is read.
struct ModelView {
  std::string id;                   // as this server calls it
  std::string asked = {};           // as the request does
  double load_seconds = 0;          // that the request waited until it was there
  std::string system;               // where a request brings no system text
  std::vector<TokenId> end_tokens;  // that end an answer
  size_t context = 0;
  bool has_vision = false;
  // Text of ids and ids of text; for prompts that come or go as tokens.
  std::function<std::string(std::span<const TokenId>)> decode = {};
  std::function<std::vector<TokenId>(std::string_view)> encode = {};
};

// What the server's owner has set.
struct AskDefaults {
  GenerationOptions options;  // flags; max_tokens is the most that a request may ask for
  ImageOptions images;
  PictureBudget pictures;
  bool schema_prompt = true;
  size_t max_n = 16;        // answers to one prompt
  size_t max_prompts = 64;  // of one request for completions
};

// An answer in the words of an API. One thread at a time.
class Telling {
 public:
  virtual ~Telling() = default;

  // The body of an answer that is told as a whole. In the order of Ask::prompts, n for each.
  virtual std::string Whole(std::span<const GenerationResult> results) = 0;
  virtual std::string content_type() const { return "application/json"; }

  // Pieces of a stream: before all answers, of each one as it comes, behind it, behind all.
  virtual std::string Begin() = 0;
  virtual std::string Step(size_t answer, const AnswerStep& step) = 0;
  virtual std::string Done(size_t answer, const GenerationResult& result) = 0;
  virtual std::string End(std::span<const GenerationResult> results) = 0;
  // Where the stream ends in an error.
  virtual std::string Failed(const ApiError& error) = 0;
  virtual std::string stream_type() const { return "text/event-stream; charset=utf-8"; }
  virtual std::string ping() const { return ": ping\n\n"; }
};

struct Ask {
  std::vector<Prompt> prompts;  // one, but for batches of completions
  GenerationOptions options;
  size_t n = 1;  // answers to each
  bool stream = false;
  std::unique_ptr<Telling> telling;
};

// "chatcmpl-" and 24 letters or digits that nobody can foresee.
std::string NewId(std::string_view prefix);

// Seconds since 1970.
int64_t Now();

// "data: " and a line of JSON.
std::string Event(const std::string& json);

}  // namespace gemma3::serve
