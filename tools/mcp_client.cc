// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/mcp_client.h"

#include <poll.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "gemma3/version.h"
#include "src/base/status.h"
#include "tools/base64.h"
#include "tools/text.h"
#include "tools/tool_text.h"

namespace gemma3::cli {
namespace {

// Ordered, for the properties of a schema.
using Json = nlohmann::ordered_json;

constexpr std::string_view kProtocol = "2025-06-18";
constexpr std::string_view kKnownProtocols[] = {"2024-11-05", "2025-03-26", "2025-06-18",
                                                "2025-11-25"};
constexpr int kMethodNotFound = -32601;  // JSON-RPC

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Whether parsing and writing `text` is cheap, whatever it is: nesting is bounded, since writing
// recurses, and so is the sum of the squares of the sizes of objects, since looking up is linear.
bool IsModest(std::string_view text) {
  constexpr size_t kMaxDepth = 100;
  constexpr size_t kMaxLookups = 50'000'000;
  std::vector<size_t> members;
  size_t lookups = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      members.push_back(0);
      if (members.size() > kMaxDepth) return false;
    } else if (c == ']' || c == '}') {
      if (!members.empty()) members.pop_back();
    } else if (c == ':' && !members.empty()) {
      lookups += members.back()++;
      if (lookups > kMaxLookups) return false;
    }
  }
  return true;
}

// What `line` holds, or a discarded value.
Json Parse(std::string_view line) {
  if (!IsModest(line)) return Json(Json::value_t::discarded);
  return Json::parse(line, nullptr, /*allow_exceptions=*/false);
}

std::string StringOf(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}
const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it != object.end() ? &*it : nullptr;
}

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}
bool IsToolName(std::string_view name) {
  return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [](char c) {
    return IsNameCharacter(c) || c == '.' || c == '/';
  });
}

// The picture of a piece of a result, or null where it holds none that can be read.
std::shared_ptr<const Image> PictureOf(const Json& content) {
  constexpr ImageOptions kLimits = {.max_pixels = 50'000'000};
  const auto bytes = DecodeBase64(StringOf(content, "data"));
  if (!bytes) return nullptr;
  auto image =
      DecodeImage({reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size()}, kLimits);
  return image ? std::make_shared<const Image>(*std::move(image)) : nullptr;
}

// A piece of a result as text. What is no text is named: the model should know that it was there.
std::string ContentText(const Json& content, ToolResult& result) {
  constexpr size_t kMaxPictures = 8;
  const std::string type = StringOf(content, "type");
  if (type == "text") return StringOf(content, "text");
  if (type == "image" && result.pictures.size() < kMaxPictures) {
    if (auto picture = PictureOf(content)) {
      result.pictures.push_back(std::move(picture));
      return Format("[picture %zu]", result.pictures.size());
    }
  }
  if (type == "image" || type == "audio") {
    return "[" + type + ": " + StringOf(content, "mimeType") + ", not shown]";
  }
  if (type == "resource_link") {
    return "[resource: " + StringOf(content, "name") + " " + StringOf(content, "uri") + "]";
  }
  if (type == "resource") {
    const Json* resource = Find(content, "resource");
    if (resource == nullptr) return {};
    if (std::string text = StringOf(*resource, "text"); !text.empty()) return text;
    return "[resource: " + StringOf(*resource, "uri") + " " + StringOf(*resource, "mimeType") +
           ", not shown]";
  }
  return "[content of the kind " + type + ", not shown]";
}

// A server in a process of its own.
class McpProcess : public McpChannel {
 public:
  McpProcess(Child child, size_t max_line_bytes)
      : child_(std::move(child)), max_line_bytes_(max_line_bytes) {}
  ~McpProcess() override { child_.FinishPolitely(std::chrono::seconds(2)); }

  void Send(std::string_view line) override { (sent_ += line) += '\n'; }

  Got Receive(std::string* line, Clock::time_point deadline, const StopCheck& stop) override {
    bool closed = false;
    while (true) {
      const size_t end = received_.find('\n', searched_);
      if (end != std::string::npos) {
        line->assign(received_, taken_, end - taken_);
        taken_ = searched_ = end + 1;
        if (line->ends_with('\r')) line->pop_back();
        return Got::kLine;
      }
      received_.erase(0, taken_);
      taken_ = 0;
      searched_ = received_.size();
      if (received_.size() > max_line_bytes_) return Got::kTooLong;
      if (closed) return Got::kClosed;
      std::string_view input = sent_;
      switch (child_.Exchange(&input, /*close_input=*/false, &received_, max_line_bytes_ + kSlack,
                              &errors_, kErrorBytes, deadline, stop)) {
        case Child::Ended::kNo:
          // One that died may have left somebody who holds its output open.
          closed = received_.size() == searched_ && child_.HasEnded();
          break;
        case Child::Ended::kEof:
          closed = true;
          break;
        case Child::Ended::kDeadline:
          return Got::kTimeout;
        case Child::Ended::kCancelled:
          return Got::kStopped;
      }
      sent_.erase(0, sent_.size() - input.size());
    }
  }

  std::string LastWords() override {
    // Its standard error, and its end, may come later than that of its output.
    std::string_view none;
    const auto deadline = Clock::now() + std::chrono::milliseconds(500);
    bool ended = false;
    while (true) {
      const bool last = ended;
      const Child::Ended how =
          child_.Exchange(&none, true, &received_, 0, &errors_, kErrorBytes, deadline, {});
      if (last || how == Child::Ended::kDeadline) break;
      ended = child_.HasEnded();
      if (!ended && how == Child::Ended::kEof) ::poll(nullptr, 0, 5);
    }
    const int code = child_.Finish();
    std::string words = !ended       ? "it closed its output"
                        : code > 128 ? Format("signal %d", code - 128)
                                     : Format("exit code %d", code);
    const std::string errors = CleanToolText(errors_);
    // The last line says why, as a rule.
    const size_t end = errors.find_last_not_of(" \n\t");
    if (end != std::string::npos) {
      const size_t begin = errors.find_last_of('\n', end);
      words += ": " + OneLine(errors.substr(begin + 1, end - begin), 300);
    }
    return words;
  }

 private:
  static constexpr size_t kErrorBytes = 4 << 10;
  static constexpr size_t kSlack = 1 << 20;  // what may be read at once, and more

  Child child_;
  const size_t max_line_bytes_;
  std::string sent_, received_, errors_;
  size_t taken_ = 0, searched_ = 0;  // of received_
};

}  // namespace

Result<std::unique_ptr<McpChannel>> StartMcpServer(const std::vector<std::string>& command,
                                                   size_t max_line_bytes) {
  GEMMA3_TRY(Child child, Child::Start(command));
  return std::unique_ptr<McpChannel>(
      std::make_unique<McpProcess>(std::move(child), max_line_bytes));
}

struct McpClient::Impl {
  std::unique_ptr<McpChannel> channel;
  std::string where;
  McpLimits limits;
  std::string name;
  std::vector<Tool> tools;
  std::vector<std::string> notes;
  std::string dead;  // why there is no server any more
  int64_t last_id = 0;

  // What a request came to.
  struct Answer {
    std::optional<Json> result;
    std::string failure;  // without a result: why
    bool stopped = false;
  };

  void Notify(std::string_view method, Json params = Json::object()) {
    channel->Send(Dump({{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}}));
  }

  // `params` is JSON.
  Answer Request(std::string_view method, std::string_view params, std::chrono::milliseconds time,
                 const StopCheck& stop) {
    if (!dead.empty()) return {{}, dead};
    const int64_t id = ++last_id;
    std::string line = Dump({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}});
    line.pop_back();
    channel->Send(((line += ",\"params\":") += params) += '}');
    const auto deadline = McpChannel::Clock::now() + time;
    while (true) {
      switch (channel->Receive(&line, deadline, stop)) {
        case McpChannel::Got::kLine:
          break;
        case McpChannel::Got::kClosed:
          dead = where + " has ended (" + channel->LastWords() + ")";
          return {{}, dead};
        case McpChannel::Got::kTooLong:
          dead = where + Format(" sent a line of more than %zu bytes", limits.line_bytes);
          return {{}, dead};
        case McpChannel::Got::kTimeout:
          Abandon(id, "timeout");
          return {{},
                  where + Format(" did not answer within %.1f s",
                                 static_cast<double>(time.count()) / 1000)};
        case McpChannel::Got::kStopped:
          Abandon(id, "the user stopped it");
          return {{}, "stopped", true};
      }
      if (std::optional<Answer> answer = Take(line, id)) return *std::move(answer);
    }
  }

  // The server need not go on with it; what it still says to it is passed over.
  void Abandon(int64_t id, std::string_view why) {
    Notify("notifications/cancelled", {{"requestId", id}, {"reason", why}});
    std::string line;  // sends it
    (void)channel->Receive(&line, McpChannel::Clock::now() + std::chrono::milliseconds(20), {});
  }

  // The answer to `id`, if the line holds it. Answers what the server asks.
  std::optional<Answer> Take(std::string_view line, int64_t id) {
    const Json message = Parse(CleanLine(line));
    if (!message.is_array()) return TakeMessage(message, id);
    std::optional<Answer> answer;  // a batch
    for (const Json& part : message) {
      if (auto taken = TakeMessage(part, id); taken && !answer) answer = std::move(taken);
    }
    return answer;
  }

  std::optional<Answer> TakeMessage(const Json& message, int64_t id) {
    if (!message.is_object()) return std::nullopt;  // not of this protocol: a log, say
    const Json* const its_id = Find(message, "id");
    if (const Json* method = Find(message, "method")) {
      if (its_id == nullptr || !(its_id->is_string() || its_id->is_number())) return std::nullopt;
      Json answer = {{"jsonrpc", "2.0"}, {"id", *its_id}};
      if (*method == "ping") {
        answer["result"] = Json::object();
      } else {
        answer["error"] = {{"code", kMethodNotFound}, {"message", "Method not found"}};
      }
      channel->Send(Dump(answer));
      return std::nullopt;
    }
    if (its_id == nullptr || *its_id != id) return std::nullopt;
    if (const Json* error = Find(message, "error")) {
      const Json* code = Find(*error, "code");
      return Answer{{},
                    "error " + (code && code->is_number_integer() ? Dump(*code) : "?") + ": " +
                        StringOf(*error, "message")};
    }
    if (const Json* result = Find(message, "result")) return Answer{*result, {}};
    return std::nullopt;
  }

  // Bytes that are no UTF-8 would make the whole line no JSON.
  static std::string CleanLine(std::string_view line) { return CleanToolText(line); }

  Status ShakeHands(const StopCheck& stop) {
    const Json hello = {{"protocolVersion", kProtocol},
                        {"capabilities", Json::object()},
                        {"clientInfo", {{"name", "gemma3"}, {"version", GEMMA3_VERSION}}}};
    const Answer answer = Request("initialize", Dump(hello), limits.start, stop);
    GEMMA3_CHECK_OK(Check(answer));
    const std::string protocol = StringOf(*answer.result, "protocolVersion");
    if (std::ranges::find(kKnownProtocols, protocol) == std::end(kKnownProtocols)) {
      return Fail(ErrorCode::kIo, where, " speaks revision \"", OneLine(protocol, 40),
                  "\" of the Model Context Protocol, which is not known here");
    }
    if (const Json* info = Find(*answer.result, "serverInfo")) {
      for (const char c : StringOf(*info, "name")) {
        if (name.size() < 40) name += IsNameCharacter(c) ? c : '_';
      }
    }
    Notify("notifications/initialized");
    const Json* capabilities = Find(*answer.result, "capabilities");
    if (capabilities == nullptr || Find(*capabilities, "tools") == nullptr) {
      notes.push_back(where + " has no tools");
      return {};
    }
    return ListTools(stop);
  }

  Status ListTools(const StopCheck& stop) {
    std::set<std::string> cursors;
    std::string cursor;
    for (size_t page = 0; page < limits.pages; ++page) {
      Json params = Json::object();
      if (!cursor.empty()) params["cursor"] = cursor;
      const Answer answer = Request("tools/list", Dump(params), limits.list, stop);
      GEMMA3_CHECK_OK(Check(answer));
      if (const Json* listed = Find(*answer.result, "tools"); listed && listed->is_array()) {
        for (const Json& tool : *listed) AddTool(tool);
      }
      cursor = StringOf(*answer.result, "nextCursor");
      if (cursor.empty()) return {};
      if (!cursors.insert(cursor).second) {
        notes.push_back(where +
                        " lists its tools in a circle; those of the first round are offered");
        return {};
      }
    }
    notes.push_back(
        where + Format(" lists more than %zu pages of tools; the rest is left out", limits.pages));
    return {};
  }

  void AddTool(const Json& listed) {
    const std::string tool_name = StringOf(listed, "name");
    const auto leave_out = [&](std::string_view why) {
      if (notes.size() < 20) {
        notes.push_back(where + ": the tool \"" + OneLine(tool_name, 100) +
                        "\" is left out: " + std::string(why));
      }
    };
    if (!IsToolName(tool_name)) {
      return leave_out("its name has other characters than letters, digits and _ - . /");
    }
    if (std::ranges::find(tools, tool_name, &Tool::name) != tools.end()) {
      return leave_out("it is there twice");
    }
    if (tools.size() == limits.tools) return leave_out("there are too many");
    Tool tool{tool_name, CleanToolText(StringOf(listed, "description")), {}};
    if (tool.description.empty()) tool.description = CleanToolText(StringOf(listed, "title"));
    if (const Json* schema = Find(listed, "inputSchema")) {
      if (!schema->is_object()) return leave_out("its inputSchema is no object");
      tool.parameters = Dump(*schema);
    }
    tools.push_back(std::move(tool));
  }

  Status Check(const Answer& answer) const {
    if (answer.result && answer.result->is_object()) return {};
    if (answer.stopped) return Fail(ErrorCode::kCancelled, "the start of ", where, " was stopped");
    return Fail(ErrorCode::kIo, answer.result ? where + " sent a result that is no object"
                                : answer.failure.starts_with(where)
                                    ? answer.failure
                                    : where + ": " + OneLine(answer.failure, 500));
  }
};

McpClient::McpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
McpClient::~McpClient() = default;
const std::string& McpClient::where() const { return impl_->where; }
const std::string& McpClient::name() const { return impl_->name; }
const std::vector<Tool>& McpClient::tools() const { return impl_->tools; }
const std::vector<std::string>& McpClient::notes() const { return impl_->notes; }

Result<std::unique_ptr<McpClient>> McpClient::Connect(std::unique_ptr<McpChannel> channel,
                                                      std::string where, const McpLimits& limits,
                                                      const StopCheck& stop) {
  auto impl = std::make_unique<Impl>();
  impl->channel = std::move(channel);
  impl->where = std::move(where);
  impl->limits = limits;
  GEMMA3_CHECK_OK(impl->ShakeHands(stop));
  return std::unique_ptr<McpClient>(new McpClient(std::move(impl)));
}

Result<ToolResult> McpClient::Call(const std::string& tool, const std::string& arguments,
                                   const StopCheck& stop) {
  // As they are: reading numbers and writing them anew would change them.
  if (!arguments.starts_with('{') || arguments.find('\n') != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument, "the arguments of ", tool,
                " are no JSON object in one line");
  }
  const std::string params = "{\"name\":" + Dump(Json(tool)) + ",\"arguments\":" + arguments + "}";
  const Impl::Answer answer = impl_->Request("tools/call", params, impl_->limits.call, stop);
  if (answer.stopped) return Fail(ErrorCode::kCancelled, "the tool was stopped");
  const size_t limit = impl_->limits.result_bytes;
  if (!answer.result) return ToolResult{CutToolText(CleanToolText(answer.failure), limit), true};

  ToolResult result;
  const Json* content = Find(*answer.result, "content");
  if (content != nullptr && content->is_array()) {
    for (const Json& part : *content) {
      if (!result.text.empty()) result.text += '\n';
      result.text += ContentText(part, result);
    }
  }
  if (result.text.empty()) {
    if (const Json* structured = Find(*answer.result, "structuredContent")) {
      result.text = Dump(*structured);
    }
  }
  result.text = CutToolText(CleanToolText(result.text), limit);
  const Json* error = Find(*answer.result, "isError");
  result.failed = error != nullptr && *error == true;
  return result;
}

Result<std::vector<std::string>> AddMcpServer(const std::string& command_line,
                                              const McpLimits& limits, const StopCheck& stop,
                                              ToolBox& box) {
  GEMMA3_TRY(const std::vector<std::string> command, SplitCommand(command_line));
  GEMMA3_TRY(std::unique_ptr<McpChannel> channel, StartMcpServer(command, limits.line_bytes));
  GEMMA3_TRY(
      std::unique_ptr<McpClient> connected,
      McpClient::Connect(std::move(channel), "the MCP server \"" + OneLine(command_line, 100) + '"',
                         limits, stop));
  const std::shared_ptr<McpClient> client = std::move(connected);
  std::vector<std::string> notes = client->notes();
  for (const Tool& listed : client->tools()) {
    ProgramTool tool;
    tool.tool = listed;
    tool.from = client->where();
    if (box.Find(listed.name) != nullptr && !client->name().empty()) {
      tool.tool.name = client->name() + "_" + listed.name;
    }
    tool.run = [client, name = listed.name](const std::string& arguments, const StopCheck& asked) {
      return client->Call(name, arguments, asked);
    };
    if (const Status added = box.Add(std::move(tool)); !added) {
      notes.push_back(added.error().message + "; it is left out");
    }
  }
  return notes;
}

}  // namespace gemma3::cli
