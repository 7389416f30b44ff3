// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A body in chunks (RFC 9112, 7.1), read more strictly than it must be: what another reader could
// take for the end of a chunk, or of the request, is an error.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/http_head.h"

namespace gemma3::serve {

class ChunkReader {
 public:
  // body_bytes: the most that the data of all chunks may have. What stands around it (extensions,
  // trailers) has the bounds of a head.
  ChunkReader(size_t body_bytes, const HeadLimits& limits)
      : body_bytes_(body_bytes), limits_(limits) {}

  // Takes from the front of `in` what it can read; what is left is the beginning of a line, or
  // stands behind the body. Behind a fault nothing has a meaning any more.
  std::optional<HeadFault> Take(std::string& in);
  bool done() const { return state_ == State::kDone; }
  std::string& body() { return body_; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailers, kDone };

  std::optional<HeadFault> TakeLine(std::string_view line);
  std::optional<HeadFault> TakeSize(std::string_view line);

  const size_t body_bytes_;
  const HeadLimits limits_;
  State state_ = State::kSize;
  size_t left_ = 0;  // of this chunk
  size_t around_ = 0, lines_ = 0;
  std::string body_;
};

}  // namespace gemma3::serve
