// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 over TCP or a Unix socket: what README.md beside this file says of framing, limits and
// time. Everything runs on the one thread that calls Run; handlers must not block it, and hand
// requests that take time to threads of their own (Exchange is for any thread).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "gemma3/error.h"
#include "tools/serve/http.h"
#include "tools/serve/http_head.h"

namespace gemma3::serve {

struct HttpLimits {
  HeadLimits head;
  size_t all_bodies_bytes = 256 << 20;  // of all connections' requests, until they are read
  size_t connections = 512;
  size_t connections_per_address = 128;  // of other machines
  size_t unsent_bytes = 1 << 20;         // of an answer; a client that reads slower is let go
  std::chrono::milliseconds head_time{10'000};   // from its first byte
  std::chrono::milliseconds body_time{60'000};   // in each of which a KiB a second comes
  std::chrono::milliseconds idle_time{75'000};   // between requests: longer than balancers wait
  std::chrono::milliseconds write_time{30'000};  // without the client taking a byte
};

struct HttpHandlers {
  // Looks at a request before its body is read: the most bytes that the body may have, or a
  // response that refuses it.
  std::function<std::expected<size_t, HttpResponse>(const HttpRequest& head)> check;
  // Takes a whole request. One that is let go of without an answer gets status 500; one whose
  // answer has begun, the end of its connection.
  std::function<void(std::shared_ptr<Exchange>)> handle;
  // An error of the transport's own, such as a body that is too large, in the words of the API.
  std::function<HttpResponse(const HttpRequest& head, int status, const std::string& message)>
      fault;
  // SIGINT or SIGTERM came, for the count-th time. Null: signals are not looked at.
  std::function<void(int count)> on_signal;
};

class HttpServer {
 public:
  // Binds and listens; nothing is answered before Run. host: a name or address, or "unix:PATH" (a
  // PATH that ends in ".sock" as well); port 0 takes a free one. Errors: kIo.
  static Result<std::unique_ptr<HttpServer>> Listen(const std::string& host, uint16_t port,
                                                    const HttpLimits& limits,
                                                    HttpHandlers handlers);
  ~HttpServer();

  // "http://127.0.0.1:8080", or "unix:PATH".
  std::string url() const;
  bool is_loopback() const;  // or a Unix socket: not to be reached from elsewhere
  bool is_unix() const;
  std::string bound_address() const;  // "127.0.0.1"

  void Run();  // until Stop

  // The rest from any thread.
  // From now on every answer ends its connection, and idle connections end; Run ends behind the
  // last answer.
  void Drain();
  // Ends all connections and Run.
  void Stop();
  size_t connections() const;

  struct Impl;  // hides Boost

 private:
  explicit HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace gemma3::serve
