// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/http_chunks.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "src/base/ascii.h"

namespace gemma3::serve {
namespace {

HeadFault Bad(std::string message) { return {400, std::move(message)}; }

size_t TokenSize(std::string_view text) {
  return static_cast<size_t>(std::ranges::find_if_not(text, IsTokenChar) - text.begin());
}

// *(";" NAME ["=" VALUE]), a value being a name or in quotes. Nobody here needs one; but where a
// quote stays open, other readers go on looking for its end behind the line.
bool AreExtensions(std::string_view text) {
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text.remove_prefix(1);
    size_t size = TokenSize(text);
    if (size == 0) return false;
    text.remove_prefix(size);
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    size = TokenSize(text);
    if (text.starts_with('"')) {
      for (size = 1; size < text.size() && text[size] != '"'; ++size) {
        if (text[size] == '\\') ++size;
      }
      if (size++ >= text.size()) return false;
    }
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace

std::optional<HeadFault> ChunkReader::Take(std::string& in) {
  std::string_view rest = in;
  std::optional<HeadFault> fault;
  while (!fault && state_ != State::kDone) {
    if (state_ == State::kData) {
      const size_t some = std::min(left_, rest.size());
      body_.append(rest.substr(0, some));
      rest.remove_prefix(some);
      left_ -= some;
      if (left_ > 0) break;
      state_ = State::kDataEnd;
      continue;
    }
    const size_t end = rest.find("\r\n");
    const bool part = end == std::string_view::npos;
    std::string_view line = rest.substr(0, end);
    // The last byte may be the CR of an end that has not come yet.
    if (part && line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > limits_.bytes - around_) {
      fault = Bad("too much stands around the chunks of the body");
      break;
    }
    fault = CheckLine(line);
    if (fault || part) break;
    rest.remove_prefix(end + 2);
    fault = TakeLine(line);
  }
  in.erase(0, in.size() - rest.size());
  return fault;
}

std::optional<HeadFault> ChunkReader::TakeLine(std::string_view line) {
  switch (state_) {
    case State::kSize:
      return TakeSize(line);
    case State::kDataEnd:
      if (!line.empty()) return Bad("a chunk of the body is longer than its size");
      state_ = State::kSize;
      return std::nullopt;
    default:
      break;
  }
  if (line.empty()) {
    state_ = State::kDone;
    return std::nullopt;
  }
  around_ += line.size();
  if (++lines_ > limits_.lines) return HeadFault{431, "too many lines behind the body"};
  std::string_view name, value;
  if (auto fault = SplitField(line, &name, &value)) return fault;
  const std::string lower = AsciiLower(name);
  if (lower == "content-length" || lower == "transfer-encoding" || lower == "host") {
    return Bad("a line behind the body may not say " + lower);
  }
  return std::nullopt;  // nobody here needs it
}

std::optional<HeadFault> ChunkReader::TakeSize(std::string_view line) {
  const std::string_view digits = line.substr(0, std::min(line.find(';'), line.size()));
  around_ += line.size() - digits.size();
  uint64_t size = 0;
  // Neither a sign, nor blanks, nor "0x" are digits.
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.starts_with('-') ||
      digits.size() > 16) {
    return Bad("the size of a chunk is no number");
  }
  if (size > body_bytes_ - body_.size()) {
    return HeadFault{413, "the body is larger than " + std::to_string(body_bytes_) + " bytes"};
  }
  if (!AreExtensions(line.substr(digits.size()))) {
    return Bad("what stands behind the size of a chunk cannot be read");
  }
  left_ = static_cast<size_t>(size);
  state_ = size == 0 ? State::kTrailers : State::kData;
  return std::nullopt;
}

}  // namespace gemma3::serve
