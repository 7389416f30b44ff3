// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 tokenize: text to token ids, and back.

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/tokenizer.h"
#include "src/base/status.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/models.h"
#include "tools/output.h"
#include "tools/prompt.h"

namespace gemma3::cli {
namespace {

// Lines of standard input. Output is flushed before each read that may wait, so that a program on
// both ends of a pipe can ask and be answered line by line.
class Lines {
 public:
  explicit Lines(Output& out) : out_(out) {}

  // Queues text for standard output.
  void Print(std::string_view text) {
    pending_ += text;
    if (pending_.size() >= (1 << 16)) Flush();
  }
  bool Flush() {
    const bool ok = out_.Write(pending_);
    pending_.clear();
    return ok;
  }

  // False: the end.
  Result<bool> Next(std::string* line) {
    for (;;) {
      if (const size_t end = buffer_.find('\n', searched_); end != std::string::npos) {
        line->assign(buffer_, begin_, end - begin_);
        begin_ = searched_ = end + 1;
        return true;
      }
      buffer_.erase(0, begin_);
      begin_ = 0;
      searched_ = buffer_.size();
      if (!Flush()) return false;  // nobody reads on
      char chunk[1 << 16];
      const ssize_t count = ::read(0, chunk, sizeof(chunk));
      if (count > 0) {
        buffer_.append(chunk, static_cast<size_t>(count));
      } else if (count < 0 && errno == EINTR) {
        continue;
      } else if (count < 0 && errno != EBADF) {
        return Fail(ErrorCode::kIo, "cannot read standard input: ", std::strerror(errno));
      } else if (buffer_.empty()) {
        return false;
      } else {
        *line = std::move(buffer_);
        buffer_.clear();
        searched_ = 0;
        return true;
      }
    }
  }

 private:
  Output& out_;
  std::string buffer_;
  size_t begin_ = 0;     // of the next line in buffer_
  size_t searched_ = 0;  // no line end in [begin_, searched_)
  std::string pending_;
};

// Ids with spaces, line ends or commas between.
Result<std::vector<TokenId>> ParseIds(std::string_view text) {
  static constexpr std::string_view kBetween = " \t\r\n,[]";
  std::vector<TokenId> ids;
  for (;;) {
    const size_t begin = text.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) return ids;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(kBetween));
    TokenId id = 0;
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || rest != word.data() + word.size()) {
      return Fail(ErrorCode::kInvalidArgument, "\"", word, "\" is no token id");
    }
    ids.push_back(id);
    text.remove_prefix(word.size());
  }
}

std::string Join(std::span<const TokenId> ids, const char* between) {
  std::string text;
  for (const TokenId id : ids) {
    if (!text.empty()) text += between;
    text += std::to_string(id);
  }
  return text;
}

Result<std::string> ConvertLine(const Tokenizer& tokenizer, const std::string& line, bool decode) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  if (decode) {
    if (!json.is_array()) return Fail(ErrorCode::kInvalidArgument, "not a JSON array of ids");
    std::vector<TokenId> ids;
    for (const nlohmann::json& id : json) {
      if (!id.is_number_integer() || id < INT32_MIN || id > INT32_MAX) {
        return Fail(ErrorCode::kInvalidArgument, "not a JSON array of ids");
      }
      ids.push_back(id.get<TokenId>());
    }
    GEMMA3_TRY(std::string decoded, tokenizer.Decode(ids));
    const nlohmann::json text = std::move(decoded);
    return text.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  if (!json.is_string()) return Fail(ErrorCode::kInvalidArgument, "not a JSON string");
  GEMMA3_TRY(const std::vector<TokenId> ids, tokenizer.Encode(json.get_ref<const std::string&>()));
  return "[" + Join(ids, ", ") + "]";
}

int ConvertLines(const Tokenizer& tokenizer, bool decode, Output& out) {
  Lines lines(out);
  std::string line;
  for (size_t number = 1;; ++number) {
    const Result<bool> more = lines.Next(&line);
    if (!more) return Report(more.error());
    if (!*more) break;
    const Result<std::string> converted = ConvertLine(tokenizer, line, decode);
    if (!converted) {
      lines.Flush();
      PrintError("line " + std::to_string(number) +
                 " of standard input: " + converted.error().message);
      return kExitRuntime;
    }
    lines.Print(*converted + "\n");
  }
  lines.Flush();
  return kExitOk;
}

}  // namespace

int TokenizeCommand(int argc, const char* const* argv) {
  bool json_lines = false;
  bool decode = false;
  Args args(
      "tokenize", "MODEL|tokenizer.model [TEXT]",
      "Prints the token ids of TEXT, or of all bytes of standard input, on one line. Text is\n"
      "only ever text: no spelling gives a control token, and no BOS is added.");
  args.AddFlag("--json-lines", &json_lines,
               "a JSON string a line on standard input; a JSON array of ids a line comes out");
  args.AddFlag("--decode", &decode, "the other way: ids to text");
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().empty()) return args.UsageError("which MODEL or tokenizer.model?");
  if (json_lines && args.words().size() > 1) {
    return args.UsageError("--json-lines reads standard input and takes no TEXT");
  }

  const auto path = ResolveModel(args.words()[0]);
  if (!path) return Report(path.error(), During::kLoad);
  const auto tokenizer = Tokenizer::Load(*path);
  if (!tokenizer) return Report(tokenizer.error(), During::kLoad);

  Output out;
  if (json_lines) return out.Finish(ConvertLines(*tokenizer, decode, out));

  std::string text;
  for (const std::string& word : std::span(args.words()).subspan(1)) {
    if (&word != &args.words()[1]) text += ' ';
    text += word;
  }
  if (args.words().size() == 1) {
    auto input = ReadAll("-");
    if (!input) return Report(input.error());
    text = *std::move(input);
  }
  if (decode) {
    const auto ids = ParseIds(text);
    if (!ids) return Report(ids.error());
    const auto decoded = tokenizer->Decode(*ids);
    if (!decoded) return Report(decoded.error());
    out.Write(*decoded);
    if (out.is_terminal()) out.EndLine();
  } else {
    const auto ids = tokenizer->Encode(text);
    if (!ids) return Report(ids.error());
    out.Write(Join(*ids, " ") + "\n");
  }
  return out.Finish(kExitOk);
}

}  // namespace gemma3::cli
