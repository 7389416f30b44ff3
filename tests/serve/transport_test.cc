// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the server takes for a request, by raw bytes; and what it does about clients that send too
// much, too slowly, or leave.
#include <sys/resource.h>

#include <expected>
#include <memory>
#include <new>
#include <thread>

#include "tests/serve/server_run.h"
#include "tools/serve/http_chunks.h"
#include "tools/serve/http_head.h"
#include "tools/serve/http_server.h"

namespace gemma3::testing {
namespace {

using serve::CheckHead;

int StatusOf(const std::string& head) {
  const auto fault = CheckHead(head, {});
  return fault ? fault->status : 0;
}

TEST(HttpHeadTest, WhatTwoReadersCouldReadDifferentlyIsRefused) {
  const std::string begin = "POST / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(StatusOf(begin + "Content-Length: 5\r\n\r\n"), 0);
  EXPECT_EQ(StatusOf(begin + "transfer-encoding:\tChunked \r\n\r\n"), 0);
  for (const char* line : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked",
           "Content-Length: 5\r\nContent-Length: 6",
           "Content-Length: 5\r\nContent-Length: 5",
           "Content-Length: 5, 5",
           "Content-Length: +5",
           "Content-Length: -5",
           "Content-Length: 0x5",
           "Content-Length:",
           "Content-Length: 99999999999999999999",
           "Transfer-Encoding: gzip, chunked",
           "Transfer-Encoding: chunked, chunked",
           "Transfer-Encoding: identity",
           "Transfer-Encoding: xchunked",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding : chunked",
           "Content-Length : 5",
           " folded: yes",
           "X: a\r\n b",
           "X: a\r\n\tb",
           "X: a\nY: b",
           "X: a\rY: b",
           "X: a\r\r",
           ": nameless",
           "no colon",
           "X(: y",
           "Host: b",
           "X: \x01",
           "X: \x7f",
       }) {
    EXPECT_EQ(StatusOf(begin + line + "\r\n\r\n"), 400) << line;
  }
  EXPECT_EQ(StatusOf(begin + std::string("X: a\0b", 6) + "\r\n\r\n"), 400);
  for (const char* line : {"POST /", "POST / HTTP/1.1 ", "POST  / HTTP/1.1", " POST / HTTP/1.1",
                           "POST / http/1.1", "P OST / HTTP/1.1", "POST http://a/ HTTP/1.1",
                           "POST /\x80 HTTP/1.1", "POST a HTTP/1.1", ""}) {
    EXPECT_EQ(StatusOf(std::string(line) + "\r\nHost: a\r\n\r\n"), 400) << line;
  }
  EXPECT_EQ(StatusOf("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\n\r\n"), 400);  // without a Host
  EXPECT_EQ(StatusOf("GET / HTTP/1.0\r\n\r\n"), 0);
  EXPECT_EQ(StatusOf("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(HttpHeadTest, HeadsAreBounded) {
  const std::string begin = "GET / HTTP/1.1\r\nHost: a\r\n";
  std::string lines;
  for (int i = 0; i < 101; ++i) lines += "X: y\r\n";
  EXPECT_EQ(StatusOf(begin + lines + "\r\n"), 431);
  EXPECT_EQ(StatusOf(begin + "X: " + std::string(20'000, 'y') + "\r\n\r\n"), 431);
  EXPECT_EQ(StatusOf("GET /" + std::string(9'000, 'y') + " HTTP/1.1\r\nHost: a\r\n\r\n"), 414);
}

// The body, "..." for one that has not ended, or the status of what is wrong. Byte by byte, and as
// a whole: the same.
std::string Dechunked(const std::string& bytes, std::string* behind = nullptr) {
  std::string results[2];
  for (const size_t step : {size_t{1}, bytes.size()}) {
    serve::ChunkReader reader(1000, {});
    std::string in, result;
    for (size_t i = 0; i < bytes.size() && result.empty(); i += step) {
      in += bytes.substr(i, step);
      if (const auto fault = reader.Take(in)) result = std::to_string(fault->status);
    }
    if (behind != nullptr) *behind = in;
    if (result.empty()) result = reader.body() + (reader.done() ? "" : "...");
    results[step == 1 ? 0 : 1] = result;
  }
  EXPECT_EQ(results[0], results[1]) << bytes;
  return results[0];
}

TEST(ChunkReaderTest, ChunksAreReadAsOneReaderWould) {
  std::string behind;
  EXPECT_EQ(Dechunked("3\r\nabc\r\n0\r\n\r\nGET", &behind), "abc");
  EXPECT_EQ(behind, "GET");
  EXPECT_EQ(Dechunked("A\r\n0123456789\r\n00a;x=\"y\"\r\n\r\n0123456\n\r\n0;z\r\nT: u\r\n\r\n"),
            "0123456789\r\n0123456\n");
  EXPECT_EQ(Dechunked("0\r\n\r\n"), "");
  EXPECT_EQ(Dechunked("1;a;b=c;d=\"\\\"; e\\\\\";f\r\nx\r\n0;g=\"\"\r\n\r\n"), "x");
  EXPECT_EQ(Dechunked("3\r\nab"), "ab...");
  EXPECT_EQ(Dechunked("0\r\nT: u\r\n"), "...");
  for (const char* bad : {"+3\r\nabc\r\n0\r\n\r\n",
                          "-3\r\nabc\r\n0\r\n\r\n",
                          "0x3\r\nabc\r\n0\r\n\r\n",
                          " 3\r\nabc\r\n0\r\n\r\n",
                          "3 \r\nabc\r\n0\r\n\r\n",
                          "3 ;a\r\nabc\r\n0\r\n\r\n",
                          "3\t\r\nabc\r\n0\r\n\r\n",
                          "\r\nabc\r\n0\r\n\r\n",
                          ";a\r\nabc\r\n0\r\n\r\n",
                          "3\nabc\n0\n\n",
                          "3\r\nabc\n0\r\n\r\n",
                          "3\rabc\r\n0\r\n\r\n",
                          "3\r\nabcd\r\n0\r\n\r\n",
                          "3\r\nabc0\r\n\r\n",
                          "3;a\nb\r\nabc\r\n0\r\n\r\n",
                          "3;a\rb\r\nabc\r\n0\r\n\r\n",
                          "3;a=\"\x01\"\r\nabc\r\n0\r\n\r\n",
                          "3;a=\"b\r\nabc\r\n0;\"\r\n\r\n",
                          "3;a=\"b\\\"\r\nabc\r\n0\r\n\r\n",
                          "3;a=\"\\\r\nabc\r\n0\r\n\r\n",
                          "3;a=\"b\"c\r\nabc\r\n0\r\n\r\n",
                          "3;\r\nabc\r\n0\r\n\r\n",
                          "3;a=\r\nabc\r\n0\r\n\r\n",
                          "3; a\r\nabc\r\n0\r\n\r\n",
                          "g\r\nabc\r\n0\r\n\r\n",
                          "00000000000000003\r\nabc\r\n0\r\n\r\n",
                          "10000000000000003\r\nabc\r\n0\r\n\r\n",
                          "0\r\nContent-Length: 3\r\n\r\n",
                          "0\r\ntransfer-encoding: chunked\r\n\r\n",
                          "0\r\nHost: x\r\n\r\n",
                          "0\r\nT : u\r\n\r\n",
                          "0\r\nT: u\r\n v\r\n\r\n",
                          "0\r\nno colon\r\n\r\n",
                          "0\r\nT: u\n\r\n\r\n",
                          "0\n\n"}) {
    EXPECT_EQ(Dechunked(bad), "400") << bad;
  }
  EXPECT_EQ(Dechunked(std::string("0\r\nT: \0\r\n\r\n", 11)), "400");
  // Bounds: of the data, and of what stands around it.
  EXPECT_EQ(Dechunked("3e9\r\n"), "413");
  EXPECT_EQ(Dechunked("ffffffffffffffff\r\n"), "413");
  EXPECT_EQ(Dechunked("3e8\r\n" + std::string(1000, 'a') + "\r\n1\r\n"), "413");
  std::string lines = "0\r\n";
  for (int i = 0; i < 101; ++i) lines += "T: u\r\n";
  EXPECT_EQ(Dechunked(lines), "431");
  std::string extensions;
  for (int i = 0; i < 300; ++i) extensions += "1;" + std::string(60, 'x') + "\r\na\r\n";
  EXPECT_EQ(Dechunked(extensions), "400");
  EXPECT_EQ(Dechunked("1;" + std::string(20'000, 'x')), "400");
  // The bound is for a line without its end, wherever the bytes are cut.
  const size_t most = serve::HeadLimits().bytes;
  EXPECT_EQ(Dechunked("1;" + std::string(most - 2, 'x') + "\r\na\r\n0\r\n\r\n"), "a");
  EXPECT_EQ(Dechunked("1;" + std::string(most - 1, 'x') + "\r\na\r\n0\r\n\r\n"), "400");
}

// A server without an application, on a thread of its own.
class HttpServerTest : public ::testing::Test {
 protected:
  // "/check" and "/handle" fail; "/drop" and "/cut" are let go of, before and within an answer;
  // "/open" is answered by the test. Bodies have at most 100,000 bytes.
  void Start(const serve::HttpLimits& limits = {}) {
    auto listening = serve::HttpServer::Listen(
        "127.0.0.1", 0, limits,
        {.check = [](const serve::HttpRequest& head) -> std::expected<size_t, serve::HttpResponse> {
           if (head.path == "/check") throw std::bad_alloc();
           return 100'000;
         },
         .handle = [this](std::shared_ptr<serve::Exchange> exchange) { Handle(exchange); },
         .fault =
             [](const serve::HttpRequest&, int status, const std::string& message) {
               return serve::HttpResponse{.status = status, .body = message};
             },
         .on_signal = nullptr});
    ASSERT_TRUE(listening) << listening.error().message;
    server_ = *std::move(listening);
    running_ = std::thread([this] { server_->Run(); });
  }
  void TearDown() override {
    open_ = nullptr;
    if (!running_.joinable()) return;
    server_->Stop();
    running_.join();
  }
  void Handle(const std::shared_ptr<serve::Exchange>& exchange) {
    const std::string& path = exchange->request().path;
    if (path == "/handle") throw std::bad_alloc();
    if (path == "/drop") return;
    if (path == "/whole") {
      exchange->Reply({.body = std::to_string(exchange->request().body.size())});
      return;
    }
    exchange->Begin({.body = "some"});
    if (path == "/open") open_ = exchange;
  }
  Connection Connect() const { return ConnectTo(PortOf(server_->url())); }
  std::string Ask(const std::string& path, const std::string& body = "") const {
    Connection connection = Connect();
    std::string head = "POST " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    head += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    connection.Send(head + body);
    return connection.ReadAll();
  }
  // Sends what "/open" is for, and waits for its first piece.
  Connection Open() {
    Connection connection = Connect();
    connection.Send("GET /open HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(connection.ReadTo("some\r\n").ends_with("4\r\nsome\r\n"));
    return connection;
  }

  std::unique_ptr<serve::HttpServer> server_;
  std::thread running_;
  std::shared_ptr<serve::Exchange> open_;
};

TEST_F(HttpServerTest, AFaultEndsItsConnectionAndNoOther) {
  Start();
  Connection beside = Open();
  EXPECT_EQ(Ask("/check"), "");
  EXPECT_EQ(ReplyOf(Ask("/handle")).status, 500);
  EXPECT_EQ(ReplyOf(Ask("/drop")).status, 500);
  // Within an answer: cut, so that nobody takes it for the whole.
  EXPECT_EQ(Ask("/cut").find("\r\n0\r\n"), std::string::npos);
  EXPECT_EQ(ReplyOf(Ask("/whole", "body")).body, "4");
  open_->Write("more");
  open_->End();
  EXPECT_TRUE(beside.ReadTo("0\r\n\r\n").ends_with("4\r\nmore\r\n0\r\n\r\n"));
}

TEST_F(HttpServerTest, BodiesOfAllConnectionsAreBoundedTogether) {
  serve::HttpLimits limits;
  limits.all_bodies_bytes = 150'000;
  Start(limits);
  EXPECT_EQ(ReplyOf(Ask("/whole", std::string(100'001, 'x'))).status, 413);
  // One byte is missing: it is held.
  Connection held = Connect();
  held.Send("POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" +
            std::string(99'999, 'x'));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // until it has come
  const auto ask = [&] { return ReplyOf(Ask("/whole", std::string(90'000, 'x'))); };
  EXPECT_EQ(ask().status, 503);
  EXPECT_TRUE(ask().Has("Retry-After: 1"));
  EXPECT_EQ(ReplyOf(Ask("/whole", std::string(10'000, 'x'))).body, "10000");
  held.Send("x");
  EXPECT_TRUE(held.ReadTo("100000").ends_with("100000"));
  EXPECT_EQ(ask().body, "90000");
  for (const bool chunked : {false, true}) {  // what its client leaves behind is nobody's
    Connection left = Connect();
    left.Send(chunked ? "POST /whole HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                        "chunked\r\n\r\n15f90\r\n" +
                            std::string(90'000, 'x')
                      : "POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 90001\r\n\r\n" +
                            std::string(90'000, 'x'));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    EXPECT_EQ(ask().status, 503);
    left.Close();
    WaitUntil([&] { return ask().status == 200; }, kPatience);
  }
}

TEST_F(HttpServerTest, APieceHasAnySizeAndAClientThatDoesNotReadIsLetGo) {
  serve::HttpLimits limits;
  limits.unsent_bytes = 1000;
  Start(limits);
  Connection beside = Open();
  const std::string large(4 << 20, 'x'), piece(1 << 16, 'z');
  EXPECT_TRUE(open_->Write(large));
  EXPECT_TRUE(open_->Write("more"));
  beside.ReadTo("more");
  // Now nobody reads: what the sockets hold, a piece of the largest size, and little more.
  size_t written = 0;
  while (written < (64 << 20) && open_->Write(piece)) written += piece.size();
  EXPECT_LT(written, 64 << 20);
  EXPECT_GE(written, large.size());
  EXPECT_TRUE(open_->gone().cancelled());
}

TEST_F(HttpServerTest, AClientThatLeavesBehindWhatItSentAheadIsSeen) {
  Start();
  Connection ahead = Open();
  ahead.Send("POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n" +
             std::string(99'999, 'x'));
  std::this_thread::sleep_for(std::chrono::milliseconds(600));  // ticks see it
  EXPECT_FALSE(open_->gone().cancelled());
  ahead.Close();
  WaitUntil([&] { return open_->gone().cancelled(); }, kPatience);
}

TEST_F(HttpServerTest, TheEndWaitsForWhatHasBegun) {
  Start();
  Connection idle = Connect(), beside = Open(), body = Connect();
  body.Send("POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx");
  WaitUntil([&] { return server_->connections() == 3; }, kPatience);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  server_->Drain();
  EXPECT_EQ(idle.ReadAll(), "");
  open_->Write("more");
  open_->End();
  open_ = nullptr;
  EXPECT_TRUE(beside.ReadAll().ends_with("4\r\nmore\r\n0\r\n\r\n"));
  body.Send("y");
  EXPECT_EQ(ReplyOf(body.ReadAll()).body, "2");
  running_.join();  // Run ends by itself
}

class TransportTest : public ServerTest {};

TEST_F(TransportTest, SmugglingEndsTheConnectionWithAnError) {
  Start();
  const std::string inner = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string post = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n";
  for (const std::string& bytes : {
           post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
           post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc" + inner,
           post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\na\r\n0\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n1;a=\"\x01\"\r\na\r\n0\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n" + inner,
           post + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n" + inner,
           "GET /health HTTP/1.1\nHost: localhost\n\n" + inner,
           "GET /health HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n" + inner,
           "GET /health HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n" + inner,
           "GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n" + inner,
       }) {
    Connection connection = Connect();
    connection.Send(bytes);
    const std::string got = connection.ReadAll();
    EXPECT_EQ(ReplyOf(got).status, 400) << bytes;
    EXPECT_TRUE(connection.closed()) << bytes;
    // One answer, and none to what was hidden behind.
    EXPECT_EQ(got.find("HTTP/1.1", 8), std::string::npos) << bytes << "\n" << got;
  }
  EXPECT_EQ(Ask("GET", "/health/live").status, 200);
}

TEST_F(TransportTest, RequestsOfOneConnectionAreAnsweredInOrder) {
  Start();
  Connection connection = Connect();
  // Pipelined, one chunked with an extension and a trailer, one behind an empty line.
  const std::string body = Chat("What is 17 + 25?", {{"max_tokens", 2}}).dump();
  char size[16];
  std::snprintf(size, sizeof size, "%zx", body.size());
  connection.Send(Request("GET", "/v1/models", "", "", false) +
                  "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n" +
                  size + ";a=b\r\n" + body + "\r\n0\r\nX-Trailer: y\r\n\r\n\r\n" +
                  Request("GET", "/health/live", ""));
  const std::string got = connection.ReadAll();
  const size_t models = got.find("\"object\":\"list\"");
  const size_t chat = got.find("\"chat.completion\"");
  const size_t live = got.find("\"status\":\"ok\"");
  EXPECT_NE(models, std::string::npos) << got;
  EXPECT_LT(models, chat) << got;
  EXPECT_LT(chat, live) << got;
}

TEST_F(TransportTest, LimitsAreAnsweredAndEndTheConnection) {
  Start({"--max-body", "1"});
  // Larger than it may be: told before any of it is read.
  Reply reply = Raw(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n");
  EXPECT_EQ(reply.status, 413);
  EXPECT_TRUE(reply.Has("Connection: close"));
  EXPECT_EQ(reply.json()["error"]["type"], "invalid_request_error");
  // The same where only its chunks tell.
  Connection chunked = Connect();
  chunked.Send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "40000\r\n" + std::string(0x40000, ' ') + "\r\n";
  for (int i = 0; i < 6 && chunked.Send(chunk); ++i) {
  }
  EXPECT_EQ(ReplyOf(chunked.ReadAll()).status, 413);
  EXPECT_EQ(Raw("GET /" + std::string(1 << 20, 'x')).status, 431);
  EXPECT_EQ(Raw("GET / HTTP/1.1\r\nX: " + std::string(1 << 20, 'x')).status, 431);
  // A chunk's extension that does not end.
  Connection extension = Connect();
  extension.Send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
      "Transfer-Encoding: chunked\r\n\r\n1;" +
      std::string(1 << 20, 'x'));
  EXPECT_EQ(ReplyOf(extension.ReadAll()).status, 400);
  // A body longer than its Content-Length: the rest is no request.
  EXPECT_EQ(
      Raw("POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}}}\r\n\r\n")
          .status,
      400);
}

TEST_F(TransportTest, ExpectationsAreAnswered) {
  Start();
  const std::string body = Chat("Hi", {{"max_tokens", 1}}).dump();
  Connection connection = Connect();
  connection.Send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
      "Expect: 100-continue\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_TRUE(connection.ReadTo("\r\n\r\n").starts_with("HTTP/1.1 100 ")) << "no 100";
  connection.Forget();
  connection.Send(body);
  EXPECT_EQ(ReplyOf(connection.ReadAll()).status, 200);
  // What will be refused is refused instead.
  const Reply refused =
      Raw("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
          "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(refused.status, 415);
  EXPECT_EQ(Raw("POST /api/show HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\n"
                "Content-Length: 5\r\n\r\n")
                .status,
            417);
}

TEST_F(TransportTest, MethodsAndPathsAreTold) {
  Start();
  EXPECT_EQ(Ask("GET", "/v1/chat/completions").status, 405);
  EXPECT_TRUE(Ask("GET", "/v1/chat/completions").Has("Allow: POST, OPTIONS"));
  EXPECT_TRUE(Ask("PUT", "/v1/models").Has("Allow: GET, HEAD, OPTIONS"));
  for (const char* path : {"/v1/v1/models", "/v1/models/", "/nothing", "/v1/chat/completions/"}) {
    const Reply reply = Ask("GET", path);
    EXPECT_EQ(reply.status, 404) << path;
    EXPECT_TRUE(reply.json().contains("error")) << path;
  }
  const Reply head = Ask("HEAD", "/v1/models");
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.body.empty());
  EXPECT_FALSE(head.Has("Content-Length: 0"));
  // HTTP/1.0: a stream ends with the connection.
  const std::string body = Chat("Hi", {{"max_tokens", 2}, {"stream", true}}).dump();
  const Reply old =
      Raw("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) +
          "\r\n\r\n" + body);
  EXPECT_EQ(old.status, 200);
  EXPECT_FALSE(old.Has("chunked"));
  EXPECT_EQ(Events(old.body).back(), "[DONE]");
}

TEST_F(TransportTest, RequestIdsAreEchoedWhereTheyAreHarmless) {
  Start();
  EXPECT_TRUE(
      Ask("GET", "/health/live", "", "X-Request-Id: abc-1_Z\r\n").Has("X-Request-Id: abc-1_Z"));
  EXPECT_TRUE(Ask("GET", "/health/live", "", "X-Request-Id: a b;c\r\n").Has("X-Request-Id: req_"));
}

TEST_F(TransportTest, SlowHeadsAreCutOff) {
  Start();
  Connection connection = Connect();
  connection.Send("GET / HTTP/1.1\r\n");
  const auto begin = Clock::now();
  const Reply reply = ReplyOf(connection.ReadAll());
  EXPECT_EQ(reply.status, 408);
  EXPECT_TRUE(connection.closed());
  EXPECT_GE(Clock::now() - begin, std::chrono::seconds(9));
}

TEST_F(TransportTest, ConnectionsAreBoundedAndIdleOnesHarmless) {
  Start({"--connections", "220"});
  std::vector<Connection> idle;
  for (int i = 0; i < 200; ++i) {
    idle.push_back(Connect());
    ASSERT_GE(idle.back().fd(), 0);
  }
  EXPECT_EQ(Post("/v1/chat/completions", Chat("Hi", {{"max_tokens", 2}})).status, 200);
  std::vector<Connection> more;
  for (int i = 0; i < 30; ++i) more.push_back(Connect());
  EXPECT_EQ(ReplyOf(more.back().ReadAll()).status, 503);
  more.clear();
  idle.clear();
  // The places are free again.
  const auto late = Clock::now() + kPatience;
  while (Ask("GET", "/health/live").status != 200 && Clock::now() < late) {
  }
  EXPECT_EQ(Ask("GET", "/health/live").status, 200);
}

TEST_F(TransportTest, UnixSocketsAreServedAndRemoved) {
  const std::string path = folder_.path() + "/g.sock";
  Start({"demo", "--host", "unix:" + path, "--threads", "2"}, /*demo=*/false);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  Connection connection(fd);
  // No page of a browser comes this way: any Host will do.
  connection.Send("GET /health/live HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(ReplyOf(connection.ReadAll()).status, 200);
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace gemma3::testing
