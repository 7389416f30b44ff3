// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A schema as a document: its dialect, and where its references lead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gemma3/error.h"
#include "src/base/ordered_json.h"

namespace gemma3 {

class SchemaDocument {
 public:
  static constexpr size_t kMaxBytes = 1 << 20;
  static constexpr size_t kMaxDepth = 256;

  // Errors: kInvalidArgument for what is no JSON object or boolean, or of an unknown $schema.
  static Result<SchemaDocument> Parse(std::string_view text);

  const OrderedJson& json() const { return json_; }
  // Draft 4, 6 and 7: what stands beside a $ref does not count.
  bool ref_stands_alone() const { return ref_stands_alone_; }
  // Where the $ref `node` (a string) leads. Errors: kUnsupported for other documents,
  // kInvalidArgument for places that there are not.
  Result<uint32_t> Follow(uint32_t node) const;

 private:
  void FindIds(uint32_t node, const std::string& base, uint32_t resource);

  OrderedJson json_;
  bool ref_stands_alone_ = false;
  bool old_ids_ = false;                                 // an id beside a $ref does not count
  std::unordered_map<std::string, uint32_t> resources_;  // by URI
  std::unordered_map<std::string, uint32_t> anchors_;    // by URI#name
  std::unordered_map<uint32_t, std::string> bases_;      // of the nodes with an id
};

// Words that hold schemas, by the form of their value.
enum class SubschemaForm : uint8_t { kNone, kSchema, kList, kMap, kSchemaOrList };
SubschemaForm SubschemasOf(std::string_view keyword);

}  // namespace gemma3
