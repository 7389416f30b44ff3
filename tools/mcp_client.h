// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A client of the Model Context Protocol: starts a server, lists its tools and calls them.
//
// Messages are JSON-RPC 2.0, one a line, on the server's standard streams. The server is not
// trusted: lines, nesting, pages and waiting are bounded, lines that are no messages are passed
// over, and what it writes to its standard error reaches the user only as the last words of one
// that died. Of what a server may ask of a client only ping is answered; no other capability is
// declared. Source: modelcontextprotocol.io, revision 2025-06-18.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/tools.h"
#include "tools/child.h"
#include "tools/tool_box.h"

namespace gemma3::cli {

// Lines to and from a server: a process, or a test.
class McpChannel {
 public:
  using Clock = Child::Clock;
  enum class Got { kLine, kClosed, kTimeout, kStopped, kTooLong };

  virtual ~McpChannel() = default;
  // Sends a line in the course of the next Receive.
  virtual void Send(std::string_view line) = 0;
  // Waits for the next line and puts it, without its end, into `line`.
  virtual Got Receive(std::string* line, Clock::time_point deadline, const StopCheck& stop) = 0;
  // What is known of why it was closed, in a few words or lines; asked once it was.
  virtual std::string LastWords() = 0;
};

// Starts a server. Its process group ends with the channel: the server finds its input closed, then
// is asked to end, then killed. Errors: kIo.
Result<std::unique_ptr<McpChannel>> StartMcpServer(const std::vector<std::string>& command,
                                                   size_t max_line_bytes);

struct McpLimits {
  std::chrono::milliseconds start = std::chrono::seconds(60);  // the server may be downloaded first
  std::chrono::milliseconds list = std::chrono::seconds(30);   // each page
  std::chrono::milliseconds call = std::chrono::seconds(120);
  size_t line_bytes = 16 << 20;
  size_t pages = 100;
  size_t tools = 1000;
  size_t result_bytes = 64 << 10;  // as in ToolLimits
};

class McpClient {
 public:
  // Shakes hands and lists the tools. `where` names the server in errors and notes. Errors: kIo for
  // a server that ends, does not answer or speaks another protocol; kCancelled.
  static Result<std::unique_ptr<McpClient>> Connect(std::unique_ptr<McpChannel> channel,
                                                    std::string where, const McpLimits& limits,
                                                    const StopCheck& stop);
  ~McpClient();

  const std::string& where() const;
  // What the server calls itself, of letters, digits, _ and -; maybe empty.
  const std::string& name() const;
  // Those whose names a model can write (gemma3/tools.h).
  const std::vector<Tool>& tools() const;
  // For people: what of the server's tools is left out and why.
  const std::vector<std::string>& notes() const;

  // Protocol errors, results that are errors, a server that is silent or has ended: all are results
  // that failed. Errors: kCancelled; kInvalidArgument for arguments that are no object in one line.
  Result<ToolResult> Call(const std::string& tool, const std::string& arguments,
                          const StopCheck& stop);

 private:
  struct Impl;
  explicit McpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Starts a server by its command line and adds its tools to the box; the user is asked before each
// call. A tool whose name is taken gets the server's name in front. Returns the notes. Errors:
// kInvalidArgument for a command line that is none, and as Connect.
Result<std::vector<std::string>> AddMcpServer(const std::string& command_line,
                                              const McpLimits& limits, const StopCheck& stop,
                                              ToolBox& box);

}  // namespace gemma3::cli
