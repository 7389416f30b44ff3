// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the operator of a server relies on: who may ask, what is counted, what is logged.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "tools/serve/guard.h"
#include "tools/serve/json_out.h"
#include "tools/serve/metrics.h"
#include "tools/serve/request_log.h"

namespace gemma3::serve {
namespace {

TEST(GuardTest, HostsOriginsAndKeys) {
  const Guard guard({.keys = {"first", "second"},
                     .hosts = {"gpu.example"},
                     .origins = {"https://chat.example"},
                     .own_names = {"127.0.0.1", "mybox"}});
  for (const char* host : {"localhost", "localhost:8080", "a.localhost", "127.0.0.1:1", "127.9.9.9",
                           "[::1]:8080", "MyBox:80", "gpu.example", "LOCALHOST.", ""}) {
    EXPECT_TRUE(guard.HostAllowed(host)) << host;
  }
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                           "10.0.0.1", "mybox.evil", "127.evil.0.1", "[::1].evil.example",
                           "[::1]evil:80", "[::1", "localhost:80.evil", "localhost:x", "127...1",
                           "127.0.0.", "localhost@evil.example", ":80", "local host"}) {
    EXPECT_FALSE(guard.HostAllowed(host)) << host;
  }
  for (const char* origin : {"http://localhost:3000", "https://127.0.0.1", "http://[::1]:5",
                             "https://chat.example", "HTTPS://CHAT.EXAMPLE"}) {
    EXPECT_TRUE(guard.OriginAllowed(origin, "localhost:8080")) << origin;
  }
  EXPECT_TRUE(guard.OriginAllowed("http://mybox:8080", "mybox:8080"));  // the page's own
  for (const char* origin :
       {"https://evil.example", "null", "file://", "http://localhost.evil", "http://chat.example",
        "https://chat.example.evil", "http://[::1].evil", "http://localhost:80.evil",
        "http://localhost@evil.example"}) {
    EXPECT_FALSE(guard.OriginAllowed(origin, "localhost:8080")) << origin;
  }
  const auto key_of = [&](std::string name, std::string value) {
    HttpRequest request;
    request.headers.push_back({std::move(name), std::move(value)});
    return guard.KeyOf(request);
  };
  EXPECT_EQ(key_of("authorization", "Bearer first"), 1u);
  EXPECT_EQ(key_of("authorization", "bearer  second "), 2u);
  EXPECT_EQ(key_of("x-api-key", "second"), 2u);
  EXPECT_EQ(key_of("x-goog-api-key", "first"), 1u);
  for (const char* bad :
       {"Bearer firs", "Bearer firstfirst", "Bearer ", "first", "Bearer FIRST", "Basic first"}) {
    EXPECT_EQ(key_of("authorization", bad), std::nullopt) << bad;
  }
  EXPECT_EQ(Guard({}).KeyOf({}), 0u);
}

// What could never match is told when the server starts.
TEST(GuardTest, NamesAndOriginsOfOptionsCanMatch) {
  for (const char* host : {"gpu.example", "gpu.example:8080", "[::1]", "10.0.0.1"}) {
    EXPECT_TRUE(NamesHost(host)) << host;
  }
  for (const char* host : {"", "https://gpu.example", "gpu.example/", "*", "*.example", "a b"}) {
    EXPECT_FALSE(NamesHost(host)) << host;
  }
  for (const char* origin :
       {"https://chat.example", "http://a:8080", "vscode-webview://x", "null", "file://"}) {
    EXPECT_TRUE(NamesOrigin(origin)) << origin;
  }
  for (const char* origin : {"", "*", "chat.example", "https://chat.example/", "https://*.example",
                             "://x", "https://a/b"}) {
    EXPECT_FALSE(NamesOrigin(origin)) << origin;
  }
}

TEST(MetricsTest, HistogramsAreCumulative) {
  ModelMetrics metrics;
  metrics.first_token.Add(0.0005);
  metrics.first_token.Add(0.3);
  metrics.first_token.Add(1e9);
  metrics.CountEnd("stop");
  ModelFigures model{.name = "a\"b\\c\nd"};
  model.metrics = &metrics;
  const std::string text = MetricsText(std::span(&model, 1), {.responses = {{200, 3}}});
  for (const char* line : {
           "# TYPE gemma3_time_to_first_token_seconds histogram",
           "vllm:time_to_first_token_seconds_bucket{model_name=\"a\\\"b\\\\c\\nd\",le=\"0.001\"} 1",
           "le=\"0.25\"} 1",
           "le=\"0.5\"} 2",
           "le=\"+Inf\"} 3",
           "vllm:num_requests_running{model_name=",
           "vllm:num_requests_waiting{model_name=",
           "vllm:gpu_cache_usage_perc{",
           "vllm:gpu_prefix_cache_hits_total{",
           "vllm:request_success_total{model_name=\"a\\\"b\\\\c\\nd\",finished_reason=\"stop\"} 1",
           "gemma3_http_responses_total{status=\"200\"} 3",
       }) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

TEST(RequestLogTest, LinesAreJsonOrWords) {
  const LogEntry entry{.id = "req_1",
                       .peer = "127.0.0.1",
                       .method = "POST",
                       .path = "/a\x1b[0m",
                       .key = 2,
                       .status = 200,
                       .model = "m",
                       .seconds = 1.5,
                       .prompt_tokens = 5,
                       .tokens = 7,
                       .finish = "stop"};
  const Json json = Json::parse(LogLine(entry, LogForm::kJson, "now"));
  EXPECT_EQ(json["ms"], 1500.0);
  EXPECT_EQ(json["tokens"], 7);
  EXPECT_EQ(json["key"], 2);
  const std::string line = LogLine(entry, LogForm::kText, "now");
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_TRUE(line.ends_with("stop\n")) << line;
}

// A reader that has stopped reading makes nobody wait.
TEST(RequestLogTest, LinesThatNobodyTakesAreLostAndCounted) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const int before = ::dup(2);
  ::dup2(ends[1], 2);
  RequestLog log(LogForm::kText);
  for (int i = 0; i < 3000; ++i) log.Write({.path = std::string(9000, 'p'), .status = 200});
  const auto read = [&] {
    std::string got(1 << 20, 0);
    const ssize_t size = ::read(ends[0], got.data(), got.size());
    got.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return got;
  };
  const std::string some = read();
  log.Write({.path = "/last", .status = 200});
  const std::string last = read();
  ::dup2(before, 2);
  for (const int end : {ends[0], ends[1], before}) ::close(end);
  const auto lines = static_cast<size_t>(std::ranges::count(some, '\n'));
  EXPECT_GT(lines, 10u);
  EXPECT_TRUE(some.ends_with('\n'));
  EXPECT_NE(last.find("/last"), std::string::npos);
  EXPECT_NE(last.find("(" + std::to_string(3000 - lines) + " lines before were lost)"),
            std::string::npos)
      << last;
}

}  // namespace
}  // namespace gemma3::serve
