// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/batch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/base/ordered_json.h"
#include "src/base/status.h"
#include "tools/answer_json.h"
#include "tools/constraint_of.h"
#include "tools/errors.h"
#include "tools/interrupt.h"
#include "tools/output.h"
#include "tools/terminal.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

using Json = nlohmann::ordered_json;

// Of a line: more than a schema may have. What is nested deeper is never copied, which recurses.
constexpr size_t kMaxDepth = 300;

// ---- Lines

// Lines of a file or of standard input, as they come.
class LineSource {
 public:
  static Result<std::unique_ptr<LineSource>> Open(const std::string& path) {
    const int fd = path == "-" ? 0 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return Fail(ErrorCode::kIo, path, ": ", std::strerror(errno));
    return std::unique_ptr<LineSource>(new LineSource(path, fd));
  }
  ~LineSource() {
    if (fd_ > 0) ::close(fd_);
  }
  LineSource(const LineSource&) = delete;
  LineSource& operator=(const LineSource&) = delete;

  // Whether Next would not wait: who writes the lines may want an answer first.
  bool Ready() const {
    if (end_ || buffer_.find('\n') != std::string::npos) return true;
    pollfd ready = {fd_, POLLIN, 0};
    return ::poll(&ready, 1, 0) != 0;
  }
  // The next line that is not blank, without its end; nothing at the end, or where Ctrl-C came.
  std::optional<std::string> Next() {
    for (;;) {
      const size_t at = buffer_.find('\n');
      if (at == std::string::npos && !end_) {
        char bytes[1 << 16];
        const ssize_t size = ::read(fd_, bytes, sizeof bytes);
        if (size < 0 && errno == EINTR) return std::nullopt;
        if (size < 0) error_ = errno;
        if (size <= 0) end_ = true;
        if (size > 0) buffer_.append(bytes, static_cast<size_t>(size));
        continue;
      }
      if (at == std::string::npos && buffer_.empty()) return std::nullopt;
      ++number_;
      const std::string line(TrimSpace(std::string_view(buffer_).substr(0, at)));
      buffer_.erase(0, at == std::string::npos ? at : at + 1);
      if (!line.empty()) return line;
    }
  }
  bool at_end() const { return end_ && buffer_.empty(); }
  int error() const { return error_; }  // errno
  size_t number() const { return number_; }
  const std::string& path() const { return path_; }

 private:
  LineSource(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  const std::string path_;
  const int fd_;
  std::string buffer_;
  bool end_ = false;
  int error_ = 0;
  size_t number_ = 0;
};

// ---- One line of the input

struct Item {
  Json id;
  Settings settings;
  Prompt prompt;
};

template <class... Parts>
std::unexpected<Error> Wrong(const Parts&... parts) {
  return Fail(ErrorCode::kInvalidArgument, parts...);
}

Result<std::string> TextOf(const Json& value, std::string_view name) {
  if (!value.is_string()) return Wrong(name, " must be a text");
  return value.get<std::string>();
}

Result<Part> PictureOf(const Json& value, const Settings& settings) {
  GEMMA3_TRY(const std::string path, TextOf(value, "the path of a picture"));
  GEMMA3_TRY(Image image, LoadImage(path, settings.images));
  return Part::Picture(std::move(image));
}

Result<std::vector<Part>> PartsOf(const Json& content, const Settings& settings) {
  if (content.is_string()) return std::vector{Part::Text(content.get<std::string>())};
  if (!content.is_array()) return Wrong("content must be a text or a list");
  std::vector<Part> parts;
  for (const Json& item : content) {
    const std::string type = item.is_object() ? item.value("type", "") : "";
    if (type == "text" && item.contains("text")) {
      GEMMA3_TRY(const std::string text, TextOf(item["text"], "text"));
      parts.push_back(Part::Text(text));
    } else if (type == "image" && item.contains("path")) {
      GEMMA3_TRY(Part picture, PictureOf(item["path"], settings));
      parts.push_back(std::move(picture));
    } else {
      return Wrong(
          "content takes {\"type\": \"text\", \"text\": ...} and {\"type\": \"image\", \"path\": "
          "...}");
    }
  }
  return parts;
}

Result<std::vector<Message>> MessagesOf(const Json& list, const Settings& settings) {
  if (!list.is_array()) return Wrong("messages must be a list");
  std::vector<Message> messages;
  for (const Json& item : list) {
    if (!item.is_object() || !item.contains("role") || !item.contains("content")) {
      return Wrong("a message has a role and a content");
    }
    GEMMA3_TRY(const std::string role, TextOf(item["role"], "role"));
    Message& message = messages.emplace_back();
    if (role == "system" || role == "developer") {
      message.role = Role::kSystem;
    } else if (role == "user") {
      message.role = Role::kUser;
    } else if (role == "model" || role == "assistant") {
      message.role = Role::kModel;
    } else {
      return Wrong("role must be system, user or model, not \"", role, "\"");
    }
    GEMMA3_TRY(message.parts, PartsOf(item["content"], settings));
    for (const auto& [key, value] : item.items()) {
      if (key != "role" && key != "content") return Wrong("a message has no \"", key, "\"");
    }
  }
  return messages;
}

// `written`: the value as JSON, as it stands in the line.
Status Apply(const std::string& key, const Json& value, const std::string& written,
             Settings& settings) {
  const Setting* setting = FindSetting(key);
  if (!setting) return ApplySetting(settings, key, "", false);  // names the nearest
  if (setting->group != SettingGroup::kSampling && setting->group != SettingGroup::kAnswer) {
    return Wrong(setting->name, " is the same for the whole batch: give it as --", setting->name);
  }
  if (setting->name.starts_with("tool-")) return Wrong("a batch has no tools");
  if (value.is_null()) return {};
  if (value.is_array() && setting->repeats) {
    setting->reset(settings);
    for (const Json& item : value) {
      GEMMA3_TRY(const std::string text, TextOf(item, setting->name));
      GEMMA3_CHECK_OK(ApplySetting(settings, key, text, false));
    }
    return {};
  }
  if (value.is_boolean()) {
    return ApplySetting(settings, key, value.get<bool>() ? "on" : "off", false);
  }
  if (value.is_string() && setting->repeats) setting->reset(settings);
  return ApplySetting(settings, key, value.is_string() ? value.get<std::string>() : written, false);
}

// The id as well where the rest is wrong.
Result<Item> ParseItem(const std::string& line, const BatchOptions& options, size_t number,
                       Json& id) {
  id = number;
  // Says what is wrong with the line, and keeps the spelling of numbers; `json` has doubles.
  const auto written = OrderedJson::Parse(line, kMaxDepth, SIZE_MAX);
  if (!written) return Wrong("line ", number, ": ", written.error().message);
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Wrong("line ", number, " is no JSON object");
  if (json.contains("id")) id = json["id"];
  Item item{id, options.settings, {}};
  const bool messages = json.contains("messages"), prompt = json.contains("prompt");
  if (messages == prompt) return Wrong("line ", number, " needs messages or a prompt, one of them");
  for (const auto& [key, value] : json.items()) {
    if (key == "id" || key == "messages" || key == "prompt" || key == "images") continue;
    const std::string text = written->Dump(written->Find(OrderedJson::kRoot, key));
    GEMMA3_CHECK_OK(Apply(key, value, text, item.settings));
  }
  const Settings& settings = item.settings;
  std::vector<Part> pictures;
  if (json.contains("images")) {
    if (!json["images"].is_array()) return Wrong("images must be a list of paths");
    for (const Json& path : json["images"]) {
      GEMMA3_TRY(Part picture, PictureOf(path, settings));
      pictures.push_back(std::move(picture));
    }
  }
  std::vector<Part>* last = nullptr;
  if (prompt) {
    GEMMA3_TRY(const std::string text, TextOf(json["prompt"], "prompt"));
    if (options.raw) {
      item.prompt = Prompt::Raw(text);
      last = &item.prompt.raw;
    } else {
      item.prompt.messages = {Message::User(text)};
    }
  } else if (options.raw) {
    return Wrong("with --raw a line needs a prompt: messages are for chats");
  } else {
    GEMMA3_TRY(item.prompt.messages, MessagesOf(json["messages"], settings));
    if (item.prompt.messages.empty()) return Wrong("messages is empty");
  }
  if (!last) {
    std::vector<Message>& all = item.prompt.messages;
    if (Translates(settings)) all.back().translation = {settings.from, settings.to};
    last = &all.back().parts;
  }
  GEMMA3_TRY(item.settings.generation.constraint, ConstraintOf(settings));
  if (!options.raw) {
    AddSchemaPrompt(settings, settings.generation.constraint, item.prompt.messages.back());
  }
  last->insert(last->begin(), std::make_move_iterator(pictures.begin()),
               std::make_move_iterator(pictures.end()));
  return item;
}

// The system text of the settings, or else of the model's store, where a chat brings none.
void AddSystem(Item& item, const ModelConfig& config) {
  std::vector<Message>& messages = item.prompt.messages;
  if (messages.empty() || messages.front().role == Role::kSystem) return;
  const std::string& text = item.settings.system ? *item.settings.system : config.system;
  if (!text.empty()) messages.insert(messages.begin(), Message::System(text));
}

// ---- The output

// What an earlier run has left: its whole lines. Cuts off a last one that is not.
Result<std::vector<Json>> IdsIn(const std::string& path) {
  std::vector<Json> ids;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) {
    if (errno == ENOENT) return ids;
    return Fail(ErrorCode::kIo, path, ": ", std::strerror(errno));
  }
  char* line = nullptr;
  size_t capacity = 0;
  off_t whole = 0;
  bool strange = false;
  for (ssize_t size; (size = ::getline(&line, &capacity, file)) > 0;) {
    if (line[size - 1] != '\n') break;
    const bool is_json =
        OrderedJson::Parse({line, static_cast<size_t>(size)}, kMaxDepth, SIZE_MAX).has_value();
    const Json json = is_json ? Json::parse(line, line + size) : Json();
    strange = strange || !json.is_object() || !json.contains("id");
    if (!strange) ids.push_back(json["id"]);
    whole += size;
  }
  std::free(line);
  std::fclose(file);
  if (strange) {
    return Wrong(path, " is there and is no output of a batch; give another --output");
  }
  if (::truncate(path.c_str(), whole) != 0) {
    return Fail(ErrorCode::kIo, path, ": ", std::strerror(errno));
  }
  return ids;
}

class BatchOutput {
 public:
  static Result<BatchOutput> Open(const std::string& path) {
    if (path.empty() || path == "-") return BatchOutput(1, false);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return Fail(ErrorCode::kIo, path, ": ", std::strerror(errno));
    return BatchOutput(fd, true);
  }
  BatchOutput(BatchOutput&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), owned_(other.owned_), out_(fd_) {}
  ~BatchOutput() {
    if (owned_ && fd_ >= 0) ::close(fd_);
  }
  Output& out() { return out_; }

 private:
  BatchOutput(int fd, bool owned) : fd_(fd), owned_(owned), out_(fd) {}
  int fd_;
  bool owned_;
  Output out_;
};

// A line with the count and the rate on standard error.
class BatchProgress {
 public:
  explicit BatchProgress(bool always) : enabled_(always || IsTerminal(2)) {}
  void Add(size_t tokens) {
    ++answers_;
    tokens_ += tokens;
    const auto now = Clock::now();
    if (!enabled_ || (now - shown_ < std::chrono::seconds(1) && answers_ > 1)) return;
    shown_ = now;
    Show("\r");
  }
  void Finish() {
    if (enabled_ && answers_ > 0) Show("\r"), WriteStderr("\n");
  }

 private:
  using Clock = std::chrono::steady_clock;
  void Show(const char* begin) const {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    WriteStderr(Format("%s%zu answers, %zu tokens, %.1f tokens/s ", begin, answers_, tokens_,
                       seconds > 0 ? static_cast<double>(tokens_) / seconds : 0.0));
  }
  const bool enabled_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = {};
  size_t answers_ = 0, tokens_ = 0;
};

}  // namespace

int RunBatch(const BatchOptions& options, const OpenedModel& opened) {
  auto source = LineSource::Open(options.input);
  if (!source) return Report(source.error());
  LineSource& lines = **source;
  std::vector<Json> done;
  const bool restartable = !options.output.empty() && options.output != "-";
  if (restartable) {
    auto ids = IdsIn(options.output);
    if (!ids) return Report(ids.error());
    done = *std::move(ids);
  }
  auto output = BatchOutput::Open(options.output);
  if (!output) return Report(output.error());
  Output& out = output->out();
  auto engine =
      Engine::Create(opened.model, opened.Session(options.settings.session), opened.draft());
  if (!engine) return Report(engine.error());

  struct Pending {
    Json id;
    Result<Ticket> ticket;
  };
  std::deque<Pending> pending;
  CancelFlag cancel;
  const CancelOnInterrupt scope(cancel);
  BatchProgress progress(options.verbose);
  int exit_code = kExitOk;
  const auto note = [&](const Error& error) {
    if (exit_code == kExitOk) exit_code = ExitCodeFor(error.code, During::kWork);
  };
  // Enough that the engine never waits for the next line.
  const size_t most = 2 * options.settings.session.parallel;
  bool more = true;
  while (!cancel.cancelled() && !out.failed() && (more || !pending.empty())) {
    if (more && pending.size() < most && (pending.empty() || lines.Ready())) {
      const auto line = lines.Next();
      if (!line) {
        more = !lines.at_end();
        continue;
      }
      Json id;
      auto item = ParseItem(*line, options, lines.number(), id);
      if (!done.empty()) {
        if (done.front() != id) {
          PrintError(options.output + " holds the answer to " + done.front().dump() + " where " +
                     options.input + " has " + id.dump() + "; give another --output");
          return kExitUsage;
        }
        done.erase(done.begin());
        continue;
      }
      pending.push_back({id, [&]() -> Result<Ticket> {
                           if (!item) return std::unexpected(item.error());
                           AddSystem(*item, opened.model.config());
                           item->settings.generation.cancel = cancel;
                           return engine->Submit(item->prompt, item->settings.generation);
                         }()});
      continue;
    }
    Pending next = std::move(pending.front());
    pending.pop_front();
    Json json = {{"id", next.id}};
    auto result = next.ticket ? next.ticket->Wait()
                              : Result<GenerationResult>(std::unexpected(next.ticket.error()));
    if (cancel.cancelled()) break;
    if (result) {
      json.update(AnswerJson(*result, opened));
      progress.Add(result->tokens);
    } else {
      json["error"] = {{"code", ErrorCodeName(result.error().code)},
                       {"message", result.error().message}};
      note(result.error());
      progress.Add(0);
    }
    out.Write(JsonLine(json, result ? result->calls : std::vector<ToolCall>()));
  }
  progress.Finish();
  if (lines.error() != 0) {
    PrintError(lines.path() + ": " + std::strerror(lines.error()));
    exit_code = kExitRuntime;
  }
  if (cancel.cancelled()) exit_code = kExitInterrupted;
  return out.Finish(exit_code);
}

}  // namespace gemma3::cli
