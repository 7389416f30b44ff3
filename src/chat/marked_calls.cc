// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/chat/marked_calls.h"

#include <algorithm>
#include <utility>

#include "src/base/ascii.h"
#include "src/base/status.h"
#include "src/chat/call_value.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

using Members = std::vector<std::pair<std::string, std::string_view>>;

std::string_view TrimBlanks(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

// The template's "dictsort": by key, in any case.
Members SortedMembers(std::string_view object) {
  Members members;
  ForEachMember(object, [&](const std::string& key, std::string_view value) {
    members.emplace_back(key, value);
    return true;
  });
  std::ranges::sort(members, {}, [](const auto& member) {
    return std::pair(AsciiLower(member.first), member.first);
  });
  return members;
}

std::optional<std::string_view> FindMember(std::string_view object, std::string_view name) {
  std::optional<std::string_view> found;
  if (object.starts_with('{')) {
    ForEachMember(object, [&](const std::string& key, std::string_view value) {
      if (key == name) found = value;
      return true;
    });
  }
  return found;
}

// Writes values in the form of the head of the header.
class Writer {
 public:
  Writer(const CallMarks& marks, PromptBuilder& builder) : marks_(marks), builder_(builder) {}

  void Text(std::string_view text) { builder_.Text(text); }
  Status String(std::string_view text) {
    GEMMA3_CHECK_OK(builder_.Control(marks_.escape));
    Text(text);
    return builder_.Control(marks_.escape);
  }

  // Keys of objects are strings inside declarations and bare elsewhere.
  Status Value(std::string_view json, bool escape_keys) {
    if (json.starts_with('"')) return String(JsonStringText(json));
    if (json.starts_with('{')) {
      Text("{");
      GEMMA3_CHECK_OK(ObjectMembers(json, escape_keys));
      Text("}");
      return {};
    }
    if (json.starts_with('[')) {
      Text("[");
      Status status;
      bool first = true;
      ForEachElement(json, [&](std::string_view element) {
        if (!first) Text(",");
        first = false;
        status = Value(element, escape_keys);
        return status.has_value();
      });
      GEMMA3_CHECK_OK(status);
      Text("]");
      return {};
    }
    Text(json);
    return {};
  }

  Status ObjectMembers(std::string_view object, bool escape_keys) {
    bool first = true;
    for (const auto& [key, value] : SortedMembers(object)) {
      if (!first) Text(",");
      first = false;
      if (escape_keys) {
        GEMMA3_CHECK_OK(String(key));
      } else {
        Text(key);
      }
      Text(":");
      GEMMA3_CHECK_OK(Value(value, escape_keys));
    }
    return {};
  }

  // A JSON Schema as the template writes it: description, what the type wants, type.
  Status Schema(std::string_view schema, bool with_description) {
    bool first = true;
    const auto keyword = [&](std::string_view name) {
      if (!first) Text(",");
      first = false;
      Text(name);
      Text(":");
    };
    const auto description = FindMember(schema, "description");
    if (with_description && description && description->starts_with('"')) {
      keyword("description");
      GEMMA3_CHECK_OK(String(JsonStringText(*description)));
    }
    if (const auto values = FindMember(schema, "enum"); values && values->starts_with('[')) {
      keyword("enum");
      GEMMA3_CHECK_OK(Value(*values, /*escape_keys=*/true));
    }
    if (const auto items = FindMember(schema, "items"); items && items->starts_with('{')) {
      keyword("items");
      Text("{");
      GEMMA3_CHECK_OK(Schema(*items, /*with_description=*/true));
      Text("}");
    }
    const auto properties = FindMember(schema, "properties");
    if (properties && properties->size() > 2 && properties->starts_with('{')) {
      keyword("properties");
      Text("{");
      bool first_property = true;
      for (const auto& [name, property] : SortedMembers(*properties)) {
        if (!first_property) Text(",");
        first_property = false;
        Text(name);
        Text(":{");
        GEMMA3_CHECK_OK(Schema(property, /*with_description=*/true));
        Text("}");
      }
      Text("}");
    }
    if (const auto required = FindMember(schema, "required");
        required && required->size() > 2 && required->starts_with('[')) {
      keyword("required");
      GEMMA3_CHECK_OK(Value(*required, /*escape_keys=*/true));
    }
    if (const auto type = FindMember(schema, "type"); type && type->starts_with('"')) {
      std::string upper = JsonStringText(*type);
      for (char& c : upper) c = ToUpper(c);
      keyword("type");
      GEMMA3_CHECK_OK(String(upper));
    }
    return {};
  }

 private:
  const CallMarks& marks_;
  PromptBuilder& builder_;
};

}  // namespace

Result<CallMarks> CallMarks::Find(const Tokenizer& tokenizer) {
  CallMarks marks;
  const struct {
    TokenId* id;
    std::string_view spelling, unused;
  } all[] = {
      {&marks.begin_declaration, "<start_function_declaration>", "<unused40>"},
      {&marks.end_declaration, "<end_function_declaration>", "<unused41>"},
      {&marks.begin_call, "<start_function_call>", "<unused42>"},
      {&marks.end_call, "<end_function_call>", "<unused43>"},
      {&marks.begin_response, "<start_function_response>", "<unused44>"},
      {&marks.end_response, "<end_function_response>", "<unused45>"},
      {&marks.escape, "<escape>", "<unused46>"},
  };
  for (const auto& mark : all) {
    *mark.id = tokenizer.Find(mark.spelling);
    if (*mark.id < 0) *mark.id = tokenizer.Find(mark.unused);
    if (*mark.id < 0 || !tokenizer.IsControl(*mark.id)) {
      return Fail(ErrorCode::kBadModel, "tokenizer: no mark ", mark.spelling,
                  "; this is not the vocabulary of a FunctionGemma model");
    }
  }
  return marks;
}

Status WriteDeclaration(const ToolSet::Entry& tool, const CallMarks& marks,
                        PromptBuilder& builder) {
  Writer writer(marks, builder);
  GEMMA3_CHECK_OK(builder.Control(marks.begin_declaration));
  writer.Text("declaration:" + tool.name + "{description:");
  GEMMA3_CHECK_OK(writer.String(tool.description));
  writer.Text(",parameters:{");
  GEMMA3_CHECK_OK(writer.Schema(tool.schema, /*with_description=*/false));
  writer.Text("}}");
  return builder.Control(marks.end_declaration);
}

Status WriteMarkedCall(std::string_view name, std::string_view arguments, const CallMarks& marks,
                       PromptBuilder& builder) {
  Writer writer(marks, builder);
  GEMMA3_CHECK_OK(builder.Control(marks.begin_call));
  writer.Text("call:" + std::string(name) + "{");
  GEMMA3_CHECK_OK(writer.ObjectMembers(arguments, /*escape_keys=*/false));
  writer.Text("}");
  return builder.Control(marks.end_call);
}

Status WriteMarkedResult(std::string_view name, std::string_view text, const CallMarks& marks,
                         PromptBuilder& builder) {
  Writer writer(marks, builder);
  writer.Text("response:" + std::string(name) + "{");
  const std::optional<std::string> json = CompactJson(text);
  if (json && json->starts_with('{')) {
    GEMMA3_CHECK_OK(writer.ObjectMembers(*json, /*escape_keys=*/false));
  } else {
    writer.Text("value:");
    GEMMA3_CHECK_OK(writer.String(text));
  }
  writer.Text("}");
  return builder.Control(marks.end_response);
}

// ---- The answer
// ----------------------------------------------------------------------------------

void MarkedCallReader::Feed(TokenId id, std::string_view bytes, std::string& out) {
  // An open call ends at whatever mark cannot stand in one.
  if (in_call_ && (id == marks_.begin_call || id == marks_.begin_response)) EndCall(out);
  if (id == marks_.begin_call) {
    in_call_ = true;
    in_string_ = false;
    pieces_ = {{false, {}}};
    written_ = bytes;
    return;
  }
  // The marks that the model may write behind its calls are the program's to read.
  if (!in_call_) {
    if (id != marks_.begin_response && id != marks_.end_call) out += bytes;
    return;
  }
  written_ += bytes;
  if (id == marks_.end_call) {
    EndCall(out);
  } else if (id == marks_.escape) {
    in_string_ = !in_string_;
    pieces_.push_back({in_string_, {}});
  } else {
    pieces_.back().text += bytes;
  }
}

void MarkedCallReader::Flush(std::string& out) {
  if (in_call_) EndCall(out);
}

void MarkedCallReader::EndCall(std::string& out) {
  in_call_ = false;
  std::optional<ToolCall> call = ReadCall();
  pieces_.clear();
  if (!call || calls_.size() == kMaxCalls) {
    out += written_;
  } else if (tools_.parallel() || calls_.empty()) {
    call->id = MakeCallId(id_seed_, calls_.size());
    calls_.push_back(*std::move(call));
  }
  written_.clear();
}

std::optional<ToolCall> MarkedCallReader::ReadCall() const {
  if (in_string_) return std::nullopt;
  // The head: call:NAME{
  std::string_view head = TrimBlanks(pieces_[0].text);
  const size_t brace = head.find('{');
  if (!head.starts_with("call:") || brace == std::string_view::npos) return std::nullopt;
  const ToolSet::Entry* tool = tools_.Callable(TrimBlanks(head.substr(5, brace - 5)));
  if (tool == nullptr) return std::nullopt;

  CallValue value;
  CallValue::Status status = CallValue::Status::kMore;
  const auto push = [&](CallToken token) {
    if (status != CallValue::Status::kMore) return false;
    status = value.Push(token);
    return status != CallValue::Status::kBad;
  };
  // A bare run is a key, or a value as its schema wants it: a model that leaves out the marks still
  // means a string where only strings are allowed.
  const auto push_bare = [&](std::string_view text) {
    text = TrimBlanks(text);
    if (text.empty()) return true;
    if (value.AtKey()) return push({CallToken::Kind::kString, std::string(text)});
    bool is_string = false;
    if (const auto key = value.AtValueOf(); key && value.depth() == 1) {
      const auto parameter = std::ranges::find(tool->parameters, *key, &ToolSet::Parameter::name);
      is_string = parameter != tool->parameters.end() && parameter->is_string;
    }
    if (!is_string) {
      if (text == "true" || text == "false" || text == "null") {
        return push({CallToken::Kind::kWord, std::string(text)});
      }
      if (std::string number = JsonNumber(text); !number.empty()) {
        return push({CallToken::Kind::kNumber, std::move(number)});
      }
    }
    return push({CallToken::Kind::kString, std::string(text)});
  };

  for (const Piece& piece : pieces_) {
    if (piece.is_string) {
      if (!push({CallToken::Kind::kString, piece.text})) return std::nullopt;
      continue;
    }
    std::string_view text = piece.text;
    if (&piece == pieces_.data()) text.remove_prefix(text.find('{'));
    while (!text.empty()) {
      const size_t end =
          std::min(text.find_first_of(value.AtKey() ? "{}[],:" : "{}[],"), text.size());
      // Behind a key, a colon is structure; in a value it is text.
      const bool colon = end > 0 && text[0] == ':' && !value.AtKey() && !value.AtValueOf();
      if (colon) {
        if (!push({CallToken::Kind::kPunctuation, ":"})) return std::nullopt;
        text.remove_prefix(1);
        continue;
      }
      if (!push_bare(text.substr(0, end))) return std::nullopt;
      if (end < text.size()) {
        if (!push({CallToken::Kind::kPunctuation, std::string(1, text[end])})) return std::nullopt;
      }
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  if (status != CallValue::Status::kDone) return std::nullopt;
  ToolCall call{{}, tool->name, std::move(value).Take()};
  if (FindInvalidUtf8(call.arguments) != std::string::npos) return std::nullopt;
  return call;
}

}  // namespace gemma3
