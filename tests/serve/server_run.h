// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A server with the demo model, run as people do, and connections to it byte by byte.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/demo_model.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

// How long anything may take before a test fails: sanitizers and crowded machines are slow.
inline constexpr std::chrono::seconds kPatience(kSanitized ? 400 : 120);

// One connection. Closed at its end.
class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  Connection(Connection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Connection() { Close(); }
  void Close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int fd() const { return fd_; }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // What comes until `done` says that it is enough, or the server closes.
  template <class Done>
  std::string ReadUntil(const Done& done) {
    const auto late = Clock::now() + kPatience;
    while (!done(got_) && Clock::now() < late) {
      pollfd ready = {fd_, POLLIN, 0};
      if (::poll(&ready, 1, 1000) <= 0) continue;
      char bytes[1 << 14];
      const ssize_t size = ::recv(fd_, bytes, sizeof bytes, 0);
      if (size <= 0) {
        closed_ = true;
        break;
      }
      got_.append(bytes, static_cast<size_t>(size));
    }
    return got_;
  }
  std::string ReadAll() {
    return ReadUntil([](const std::string&) { return false; });
  }
  std::string ReadTo(std::string_view text) {
    return ReadUntil(
        [text](const std::string& got) { return got.find(text) != std::string::npos; });
  }
  bool closed() const { return closed_; }
  void Forget() { got_.clear(); }

 private:
  int fd_;
  std::string got_;
  bool closed_ = false;
};

inline int PortOf(const std::string& url) { return std::atoi(url.c_str() + url.rfind(':') + 1); }

inline Connection ConnectTo(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return Connection(-1);
  }
  return Connection(fd);
}

inline void WaitUntil(const std::function<bool()>& done, std::chrono::milliseconds within) {
  const auto late = Clock::now() + within;
  bool is_done = done();
  while (!is_done && Clock::now() < late) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    is_done = done();
  }
  EXPECT_TRUE(is_done);  // asked once: what it waits for may pass
}

struct Reply {
  int status = 0;
  std::string head, body;
  Json json() const { return Json::parse(body, nullptr, false); }
  bool Has(std::string_view header) const { return head.find(header) != std::string::npos; }
};

// Takes the chunks of a body together.
inline std::string Unchunked(std::string_view body) {
  std::string whole;
  for (;;) {
    const size_t size = std::strtoul(std::string(body.substr(0, 16)).c_str(), nullptr, 16);
    const size_t line = body.find("\r\n");
    if (size == 0 || line == std::string_view::npos) return whole;
    whole += body.substr(line + 2, size);
    body.remove_prefix(std::min(body.size(), line + 2 + size + 2));
  }
}

inline Reply ReplyOf(const std::string& bytes) {
  Reply reply;
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string::npos || bytes.size() < 12) return reply;
  reply.status = std::atoi(bytes.c_str() + 9);
  reply.head = bytes.substr(0, end + 2);
  reply.body = bytes.substr(end + 4);
  if (reply.Has("Transfer-Encoding: chunked")) reply.body = Unchunked(reply.body);
  return reply;
}

class ServerTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  // Starts `gemma3 serve` and waits until it says where it listens. More arguments may name
  // another model and another place.
  void Start(std::vector<std::string> arguments = {}, bool demo = true,
             const std::vector<std::pair<std::string, std::string>>& environment = {}) {
    std::vector<std::string> all = {GEMMA3_PROGRAM, "serve"};
    if (demo) all.insert(all.end(), {"demo", "--port", "0", "--threads", "2"});
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const std::string err = folder_.path() + "/stderr";
    ::unlink(err.c_str());  // of a server before, which said where it listened
    pid_ = ::fork();
    if (pid_ == 0) {
      const int out = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
      ::dup2(out, 2);
      for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    const auto late = Clock::now() + kPatience;
    while (Clock::now() < late) {
      const std::string text = Errors();
      const size_t at = text.find("listening on ");
      if (at != std::string::npos && text.find('\n', at) != std::string::npos) {
        port_ = PortOf(text.substr(at + 13, text.find('\n', at) - at - 13));
        return;
      }
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        FAIL() << "the server has ended: " << Errors();
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL() << "the server does not listen: " << Errors();
  }
  std::string Errors() const {
    std::ifstream file(folder_.path() + "/stderr", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  // Waits for its end; the exit code, or 128 + the signal.
  int Wait() {
    int status = 0;
    const auto late = Clock::now() + kPatience;
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      if (Clock::now() > late) return -1;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  Connection Connect() const { return ConnectTo(port_); }
  static std::string Request(std::string_view method, std::string_view path, std::string_view body,
                             std::string_view headers = "", bool close = true) {
    std::string text = std::string(method) + " " + std::string(path) +
                       " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers);
    if (close) text += "Connection: close\r\n";
    if (!body.empty()) {
      text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n";
    }
    return text + "\r\n" + std::string(body);
  }
  Reply Ask(std::string_view method, std::string_view path, std::string_view body = "",
            std::string_view headers = "") const {
    Connection connection = Connect();
    connection.Send(Request(method, path, body, headers));
    return ReplyOf(connection.ReadAll());
  }
  Reply Post(std::string_view path, const Json& body, std::string_view headers = "") const {
    return Ask("POST", path, body.dump(), headers);
  }
  // What is sent byte for byte.
  Reply Raw(std::string_view bytes) const {
    Connection connection = Connect();
    connection.Send(bytes);
    return ReplyOf(connection.ReadAll());
  }
  // A figure of /metrics.
  double Metric(const std::string& name) const {
    const std::string text = Ask("GET", "/metrics").body;
    const size_t at = text.find("\n" + name + "{");
    if (at == std::string::npos) return -1;
    return std::atof(text.c_str() + text.find("} ", at) + 2);
  }

  const TempFolder folder_;
  pid_t pid_ = -1;
  int port_ = 0;
};

inline Json Chat(std::string_view text, Json more = Json::object()) {
  Json body = {{"model", "demo"},
               {"messages", Json::array({{{"role", "user"}, {"content", text}}})},
               {"temperature", 0}};
  if (!more.is_null()) body.update(more);
  return body;
}

// The data of each event of a stream.
inline std::vector<std::string> Events(const std::string& body) {
  std::vector<std::string> events;
  for (size_t at = 0; (at = body.find("data: ", at)) != std::string::npos;) {
    const size_t end = body.find("\n", at);
    events.push_back(body.substr(at + 6, end - at - 6));
    at = end;
  }
  return events;
}

}  // namespace gemma3::testing
