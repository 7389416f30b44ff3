// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Requests and responses as handlers see them, whatever carries them.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/cancel.h"

namespace gemma3::serve {

struct HttpHeader {
  std::string name;  // of requests: in lower case
  std::string value;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // of the target, as sent: escapes are not decoded
  std::string query;   // behind '?'
  std::vector<HttpHeader> headers;
  std::string body;
  std::string peer;  // "127.0.0.1", or "unix"
  std::string id;    // for logs and the header x-request-id: the client's, or made

  // The value of the first header of this name (in lower case); empty where there is none.
  std::string_view Header(std::string_view name) const {
    for (const HttpHeader& header : headers) {
      if (header.name == name) return header.value;
    }
    return {};
  }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<HttpHeader> headers = {};  // besides those of length, type, date and connection
  bool close = false;                    // the connection ends with this answer
};

// A request that is being answered. Any thread may use it, one at a time; nothing here waits for
// the network. One that is let go without an answer is answered with status 500; within an answer,
// its connection breaks off.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const HttpRequest& request() const = 0;
  // Its body, which is held no longer than whoever reads it wants.
  virtual std::string TakeBody() = 0;
  // Set when the client has left, or does not read: nothing more is of use.
  virtual const CancelFlag& gone() const = 0;

  // The whole answer. False: one has begun already.
  virtual bool Reply(HttpResponse response) = 0;

  // Or in pieces. Begin sends the head; its body is the first piece. False: the client is gone, or
  // what it has not read grows too large.
  virtual bool Begin(HttpResponse head) = 0;
  virtual bool Write(std::string_view bytes) = 0;
  virtual void End() = 0;
  // While nothing is sent for so long, `ping` is, behind `head` where nothing was sent before.
  // Until the end.
  virtual void KeepAlive(HttpResponse head, std::string ping, std::chrono::milliseconds every) = 0;
  virtual int status() const = 0;  // that was sent; 0: none yet
};

}  // namespace gemma3::serve
