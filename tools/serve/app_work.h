// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the files of App share: a request that is being worked on, and who works on it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "tools/serve/app.h"

namespace gemma3::serve {

// One request that is being worked on.
struct App::Work {
  std::shared_ptr<Exchange> exchange;
  const Route* route = nullptr;
  size_t key = 0;
  std::unique_ptr<Admission::Seat> seat;  // of those that are not quick
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  double load_seconds = 0;  // until its model was there
  LogEntry log;

  const HttpRequest& request() const { return exchange->request(); }
};

struct App::Route {
  const char* method;
  std::string_view path;  // one that ends in '/' stands for all that begin so
  Handler handler;
  bool quick = true;  // is answered at once, on the connections' thread
  bool open = false;  // needs no key
};

// Bodies that may be read at once, whoever sends them.
inline constexpr size_t kSmallBody = 64 << 10;

// What is said of requests that would keep models here.
HttpResponse NothingStored(const HttpRequest& request);

// Of a part of a path: "%2F" is a slash.
std::string Unescaped(std::string_view text);

}  // namespace gemma3::serve
