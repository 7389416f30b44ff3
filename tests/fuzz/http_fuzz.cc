// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What stands before Beast in the way of a connection's bytes, against Beast. A head that passes
// the strict check is read by Beast as what it says; how bytes are cut into pieces changes nothing;
// a body in chunks that is taken is the body that Beast takes from the same bytes.
#include <algorithm>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "src/base/ascii.h"
#include "tools/serve/guard.h"
#include "tools/serve/http_chunks.h"
#include "tools/serve/http_head.h"

namespace {

using namespace gemma3;
using namespace gemma3::serve;
namespace http = boost::beast::http;
using Parser = http::request_parser<http::string_body>;

// Small, so that inputs reach them.
constexpr HeadLimits kLimits{.bytes = 300, .lines = 6, .target_bytes = 40};
constexpr size_t kBodyBytes = 100;

void Require(bool holds) {
  if (!holds) std::abort();
}

// ---- Heads

using Fields = std::multimap<std::string, std::string>;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

void CheckHeads(std::string_view text) {
  const size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return;
  const std::string_view head = text.substr(0, end + 4);
  const auto fault = CheckHead(head, kLimits);
  if (fault) {
    Require(fault->status >= 400 && fault->status < 600 && !fault->message.empty());
    return;
  }
  // No part of it looks wrong before the rest has come.
  for (size_t size = 0; size < head.size(); ++size) {
    Require(!CheckPartOfHead(head.substr(0, size), kLimits));
  }
  Parser parser;
  parser.body_limit(boost::none);
  boost::system::error_code error;
  const size_t used = parser.put(boost::asio::buffer(head.data(), head.size()), error);
  // Beast may be stricter still.
  if (error && error != http::error::need_more) return;
  Require(used == head.size() && parser.is_header_done());
  const auto& message = parser.get();
  const size_t space = head.find(' ');
  Require(View(message.method_string()) == head.substr(0, space));
  Require(View(message.target()) == head.substr(space + 1, head.find(' ', space + 1) - space - 1));
  // The same lines with the same values. Beast puts lines of one name together.
  Fields ours, theirs;
  std::string_view left = head.substr(head.find("\r\n") + 2);
  while (left != "\r\n") {
    std::string_view name, value;
    Require(!SplitField(left.substr(0, left.find("\r\n")), &name, &value));
    ours.emplace(AsciiLower(name), value);
    left.remove_prefix(left.find("\r\n") + 2);
  }
  for (const auto& field : message) {
    theirs.emplace(AsciiLower(View(field.name_string())), View(field.value()));
  }
  Require(ours == theirs);
  std::optional<std::string> length, encoding;
  for (const auto& [name, value] : ours) {
    if (name == "content-length") length = value;
    if (name == "transfer-encoding") encoding = value;
  }
  Require(parser.chunked() == encoding.has_value());
  const auto told = parser.content_length();
  Require(told.has_value() == length.has_value());
  if (told) Require(*told == std::strtoull(length->c_str(), nullptr, 10));
}

// ---- Bodies in chunks

struct Read {
  int status = 0;  // of a fault
  std::string body, behind;
  bool done = false;
  bool operator==(const Read& other) const {
    if (status != 0) return status == other.status;
    return status == other.status && done == other.done && body == other.body &&
           (!done || behind == other.behind);
  }
};

// step: gives the size of the next piece.
template <class Step>
Read ReadIn(std::string_view bytes, const Step& step) {
  ChunkReader reader(kBodyBytes, kLimits);
  Read read;
  std::string in;
  while (!bytes.empty() && !reader.done()) {
    const size_t size = std::clamp<size_t>(step(), 1, bytes.size());
    in += bytes.substr(0, size);
    bytes.remove_prefix(size);
    const size_t before = in.size();
    if (const auto fault = reader.Take(in)) {
      Require(fault->status >= 400 && fault->status < 500 && !fault->message.empty());
      read.status = fault->status;
      return read;
    }
    Require(in.size() <= before);
    // What is kept of a line that has not ended is bounded.
    Require(reader.done() || in.size() <= kLimits.bytes + 1);
    Require(reader.body().size() <= kBodyBytes);
  }
  read.done = reader.done();
  read.body = reader.body();
  read.behind = in + std::string(bytes);
  return read;
}

void CheckChunks(std::string_view text) {
  const Read whole = ReadIn(text, [&] { return text.size(); });
  for (const size_t step : {1, 2, 3, 7, 64}) {
    Require(ReadIn(text, [&] { return step; }) == whole);
  }
  uint64_t state = 0;
  for (const char c : text) state = state * 31 + static_cast<unsigned char>(c);
  const Read pieces = ReadIn(text, [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(state >> 60);
  });
  Require(pieces == whole);
  if (!whole.done) return;

  const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                            std::string(text.substr(0, text.size() - whole.behind.size()));
  Parser parser;
  parser.eager(true);
  boost::system::error_code error;
  size_t used = 0;
  while (used < bytes.size() && !parser.is_done()) {
    const size_t some = parser.put(boost::asio::buffer(bytes) + used, error);
    if (error || some == 0) break;
    used += some;
  }
  // Stricter in trailers that it knows, such as Connection.
  if (error && error != http::error::need_more) return;
  Require(parser.is_done() && used == bytes.size());
  Require(parser.get().body() == whole.body);
}

// ---- What the guard reads of a head

void CheckGuard(std::string_view text) {
  const Guard guard({.keys = {"key"},
                     .hosts = {"chat.example.org"},
                     .origins = {"https://chat.example.org"},
                     .own_names = {"127.0.0.1"}});
  const size_t line = std::min(text.find('\n'), text.size());
  const std::string_view host = text.substr(0, line);
  if (guard.HostAllowed(host) && !host.empty()) {
    // No other name hides in one that passes.
    std::string name = AsciiLower(host.substr(0, host.starts_with('[') ? 5 : host.find(':')));
    if (name.ends_with('.')) name.pop_back();
    Require(name == "localhost" || name.ends_with(".localhost") || name == "[::1]" ||
            name == "chat.example.org" || name.starts_with("127."));
  }
  guard.OriginAllowed(text.substr(line), host);
  HttpRequest request;
  request.headers = {{"authorization", std::string(text)}};
  if (guard.KeyOf(request)) Require(text.find("key") != std::string_view::npos);
  request.headers = {{"x-api-key", std::string(text)}};
  Require(guard.KeyOf(request).has_value() == (text == "key"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckHeads(text);
  CheckChunks(text);
  // A request: its head, and its body behind it.
  if (const size_t end = text.find("\r\n\r\n"); end != std::string_view::npos) {
    CheckChunks(text.substr(end + 4));
  }
  CheckGuard(text);
  return 0;
}
