// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/chat/call_unit.h"

#include <algorithm>

#include "src/text/utf8.h"

namespace gemma3 {
namespace {

using Kind = CallToken::Kind;

constexpr size_t kMaxCalls = 128;  // in one unit
constexpr std::string_view kPrint = "print";

// Keys of the objects that may be a call, or hold one.
constexpr std::string_view kCallKeys[] = {"name", "parameters", "arguments",  "id",
                                          "type", "function",   "tool_calls", "tool_call"};

}  // namespace

std::optional<std::string> ArgumentsFrom(std::optional<std::string_view> value,
                                         const ToolSet::Entry& tool) {
  std::optional<std::string> arguments;
  if (value && value->starts_with('"')) {
    const std::string text = JsonStringText(*value);
    if (!text.empty()) {
      arguments = CompactJson(text);
      if (!arguments) return std::nullopt;
    }
  } else if (value) {
    arguments = std::string(*value);
  }
  if (!arguments || *arguments == "null") {
    if (tool.needs_arguments) return std::nullopt;
    return "{}";
  }
  if (!arguments->starts_with('{')) return std::nullopt;
  if (FindInvalidUtf8(*arguments) != std::string::npos) return std::nullopt;
  return arguments;
}

bool CallUnit::MayBegin(std::string_view word) const {
  switch (state_) {
    case State::kStart:
      return kPrint.starts_with(word) || tools_.BeginsCallable(word);
    case State::kListFirst:
    case State::kListName:
    case State::kPrintName:
      return tools_.BeginsCallable(word);
    default:
      return true;
  }
}

CallUnit::Status CallUnit::Push(const CallToken& token) {
  switch (state_) {
    case State::kStart:
      if (token.Is('[')) return in_list_ = true, state_ = State::kListFirst, Status::kMore;
      if (token.Is('{')) return state_ = State::kJson, value_.Push(token);
      bare_ = true;
      return PushName(token);
    case State::kListFirst:
      if (token.Is('{')) {
        state_ = State::kJson;
        call_depth_ = name_depth_ = 2;
        (void)value_.Push({Kind::kPunctuation, "["});
        return value_.Push(token);
      }
      return PushName(token);
    case State::kListName:
      if (token.Is(']')) return Status::kDone;
      return PushName(token);
    case State::kListComma:
      if (token.Is(']')) return Status::kDone;
      if (!token.Is(',')) return Status::kBad;
      state_ = State::kListName;
      return Status::kMore;
    case State::kPrintName:
      return PushName(token);
    case State::kPrintClose:
      return token.Is(')') ? Status::kDone : Status::kBad;
    case State::kOpen:
      // A word alone was "print", or the name of a tool that is spelled so.
      if (!token.Is('(')) return Status::kBad;
      if (tool_ == nullptr) {
        in_print_ = true;
        state_ = State::kPrintName;
      } else {
        begun_ = true;
        state_ = State::kArgument;
      }
      return Status::kMore;
    case State::kArgument:
    case State::kWord:
      return PushArgument(token);
    case State::kValue:
      return PushValue(token);
    case State::kComma:
      if (token.Is(')')) return EndCall();
      if (!token.Is(',')) return Status::kBad;
      state_ = State::kArgument;
      return Status::kMore;
    case State::kJson:
      return PushJson(token);
  }
  return Status::kBad;
}

CallUnit::Status CallUnit::PushName(const CallToken& token) {
  if (token.kind != Kind::kWord) return Status::kBad;
  tool_ = tools_.Callable(token.text);
  const bool print = state_ == State::kStart && token.text == kPrint;
  if (tool_ == nullptr && !print) return Status::kBad;
  state_ = State::kOpen;
  return Status::kMore;
}

CallUnit::Status CallUnit::PushArgument(const CallToken& token) {
  if (state_ == State::kWord) {
    if (token.Is('=')) {
      if (!keys_.insert(keyword_).second) return Status::kBad;
      state_ = State::kValue;
      return Status::kMore;
    }
    // No keyword, so it has to be a literal.
    const CallToken word{Kind::kWord, std::exchange(keyword_, {})};
    if (!keywords_.empty() || PushValue(word) != Status::kMore) return Status::kBad;
    return state_ == State::kComma ? Push(token) : Status::kBad;
  }
  if (token.Is(')')) return EndCall();
  if (token.kind == Kind::kWord) {
    keyword_ = token.text;
    state_ = State::kWord;
    return Status::kMore;
  }
  if (!keywords_.empty()) return Status::kBad;
  return PushValue(token);
}

CallUnit::Status CallUnit::PushValue(const CallToken& token) {
  state_ = State::kValue;
  const Status status = value_.Push(token);
  return status == Status::kDone ? EndArgument() : status;
}

CallUnit::Status CallUnit::EndArgument() {
  std::string json = std::exchange(value_, CallValue()).Take();
  if (keyword_.empty()) {
    positional_.push_back(std::move(json));
  } else {
    keywords_.emplace_back(std::exchange(keyword_, {}), std::move(json));
  }
  state_ = State::kComma;
  return Status::kMore;
}

CallUnit::Status CallUnit::EndCall() {
  // Values without a name are those of the first parameters.
  if (positional_.size() > tool_->parameters.size() || calls_.size() == kMaxCalls) {
    return Status::kBad;
  }
  std::string arguments = "{";
  const auto add = [&arguments](std::string_view name, std::string_view json) {
    if (arguments.size() > 1) arguments += ',';
    AppendJsonString(name, arguments);
    (arguments += ':') += json;
  };
  for (size_t i = 0; i < positional_.size(); ++i) {
    const std::string& name = tool_->parameters[i].name;
    if (!keys_.insert(name).second) return Status::kBad;
    add(name, positional_[i]);
  }
  for (const auto& [name, json] : keywords_) add(name, json);
  arguments += '}';
  if (FindInvalidUtf8(arguments) != std::string::npos) return Status::kBad;
  calls_.push_back({tool_->name, std::move(arguments)});
  positional_.clear();
  keywords_.clear();
  keys_.clear();
  if (in_print_) return state_ = State::kPrintClose, Status::kMore;
  if (!in_list_) return Status::kDone;
  state_ = State::kListComma;
  return Status::kMore;
}

CallUnit::Status CallUnit::PushJson(const CallToken& token) {
  if (value_.depth() == call_depth_) {
    if (value_.AtKey() && token.kind == Kind::kString &&
        std::ranges::find(kCallKeys, token.text) == std::end(kCallKeys)) {
      return Status::kBad;
    }
    if (value_.AtValueOf() == "name") {
      if (token.kind != Kind::kString || tools_.Callable(token.text) == nullptr) {
        return Status::kBad;
      }
      begun_ = true;
    }
  }
  // What is around a call leads to it by one key after the other, the first in its object.
  if (!begun_ && value_.depth() == name_depth_) {
    const auto key = value_.AtValueOf();
    if (key == "function" || key == "tool_call") ++name_depth_;
    if (key == "tool_calls") name_depth_ += 2;
    if (key == "name" && token.kind == Kind::kString && tools_.Callable(token.text) != nullptr) {
      begun_ = true;
    }
  }
  const Status status = value_.Push(token);
  if (status != Status::kDone) return status;
  const std::string json = std::exchange(value_, CallValue()).Take();
  const bool read = json.starts_with('{')
                        ? ReadObject(json, /*wrapped=*/false)
                        : ForEachElement(json, [&](std::string_view element) {
                            return element.starts_with('{') && ReadObject(element, true);
                          });
  return read && !calls_.empty() ? Status::kDone : Status::kBad;
}

// `wrapped`: it stands in a list or in another object, and holds no further ones.
bool CallUnit::ReadObject(std::string_view json, bool wrapped) {
  std::optional<std::string> name;
  std::optional<std::string_view> arguments, function, call, calls;
  size_t members = 0;
  const bool known = ForEachMember(json, [&](const std::string& key, std::string_view value) {
    ++members;
    if (key == "name") {
      if (!value.starts_with('"')) return false;
      name = JsonStringText(value);
    } else if (key == "parameters" || key == "arguments") {
      if (arguments) return false;
      arguments = value;
    } else if (key == "type") {
      return value == "\"function\"" || value == "\"function_call\"" || value == "\"tool_call\"";
    } else if (key == "function") {
      function = value;
    } else if (key == "tool_call") {
      call = value;
    } else if (key == "tool_calls") {
      calls = value;
    } else if (key != "id") {
      return false;
    }
    return true;
  });
  if (!known) return false;
  if (call) {
    return !wrapped && members == 1 && call->starts_with('{') && ReadObject(*call, true);
  }
  if (calls) {
    return !wrapped && members == 1 && calls->starts_with('[') &&
           ForEachElement(*calls, [&](std::string_view element) {
             return element.starts_with('{') && ReadObject(element, true);
           });
  }
  if (function) {
    // Behind a function object there is no further one, whatever it is wrapped in.
    if (name || arguments || !function->starts_with('{')) return false;
    bool nested = false;
    ForEachMember(*function, [&](const std::string& key, std::string_view) {
      return !(nested = nested || key == "function");
    });
    return !nested && ReadObject(*function, true);
  }
  if (!name || calls_.size() == kMaxCalls) return false;
  const ToolSet::Entry* tool = tools_.Callable(*name);
  if (tool == nullptr) return false;
  std::optional<std::string> object = ArgumentsFrom(arguments, *tool);
  if (!object) return false;
  calls_.push_back({*std::move(name), *std::move(object)});
  return true;
}

}  // namespace gemma3
