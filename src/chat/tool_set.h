// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The tools of a request, checked and looked up by name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/tools.h"

namespace gemma3 {

// Immutable; threads may share one.
class ToolSet {
 public:
  static constexpr size_t kMaxTools = 128;
  static constexpr size_t kMaxDescriptionBytes = 64 << 10;
  static constexpr size_t kMaxParametersBytes = 1 << 20;

  struct Parameter {
    std::string name;
    bool is_string = false;  // the schema wants a string and nothing else
  };
  struct Entry {
    std::string name;
    std::string description;
    std::string schema;                 // of the arguments, as JSON without blanks
    std::vector<Parameter> parameters;  // in the order of the schema
    bool needs_arguments = false;       // the schema requires some
    bool callable = true;               // the choice lets the model call it
  };

  ToolSet() = default;  // no tools
  // Errors: kInvalidArgument naming the tool, for a name, a description or parameters that are not
  // as in gemma3/tools.h; and for a choice of tools that are not there, or of none to call.
  static Result<ToolSet> Create(const ToolOptions& options);

  std::span<const Entry> tools() const { return tools_; }
  ToolStyle style() const { return style_; }
  bool parallel() const { return parallel_; }

  // The tool of that name that may be called, or null.
  const Entry* Callable(std::string_view name) const;
  // Whether the name of one that may be called begins so.
  bool BeginsCallable(std::string_view beginning) const;

 private:
  std::vector<Entry> tools_;
  ToolStyle style_ = ToolStyle::kJson;
  bool parallel_ = true;
};

// "call_" and 24 letters or digits. The same arguments give the same id; different ones differ in
// all but 2^-64 of cases.
std::string MakeCallId(uint64_t seed, uint64_t index);

}  // namespace gemma3
