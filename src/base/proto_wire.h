// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Protocol buffer wire encoding: reading fields of untrusted bytes, and writing fields.
// Format: protobuf.dev/programming-guides/encoding. Groups (wire types 3 and 4) count as damage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gemma3 {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;      // varint and fixed types, zero-extended
  std::string_view bytes;  // kBytes; points into the message
};

// Goes through the fields of one message, not into sub-messages.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : message_(message) {}
  // False at the end of the message and where it is damaged; damaged() tells which.
  bool Next(WireField& field);
  bool damaged() const { return damaged_; }
  // Bytes read so far: where the damage is.
  size_t offset() const { return offset_; }

 private:
  bool ReadVarint(uint64_t& value);
  bool ReadFixed(size_t size, uint64_t& value);

  std::string_view message_;
  size_t offset_ = 0;
  bool damaged_ = false;
};

void AppendVarint(uint64_t value, std::string& out);
void AppendVarintField(uint32_t number, uint64_t value, std::string& out);
void AppendFixed32Field(uint32_t number, uint32_t value, std::string& out);
void AppendBytesField(uint32_t number, std::string_view bytes, std::string& out);

}  // namespace gemma3
