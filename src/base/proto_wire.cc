// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Protocol buffer wire encoding: reading fields of untrusted bytes, and writing fields.
#include "src/base/proto_wire.h"

namespace gemma3 {

bool WireReader::ReadVarint(uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (offset_ == message_.size()) return false;
    const uint8_t byte = static_cast<uint8_t>(message_[offset_++]);
    if (shift == 63 && byte > 1) return false;  // more than 64 bits
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool WireReader::ReadFixed(size_t size, uint64_t& value) {
  if (message_.size() - offset_ < size) return false;
  value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(message_[offset_ + i])) << (8 * i);
  }
  offset_ += size;
  return true;
}

bool WireReader::Next(WireField& field) {
  if (damaged_ || offset_ == message_.size()) return false;
  damaged_ = true;  // until the field is whole
  uint64_t tag;
  if (!ReadVarint(tag)) return false;
  const uint64_t number = tag >> 3;
  if (number == 0 || number > 0x1FFFFFFF) return false;
  field.number = static_cast<uint32_t>(number);
  field.value = 0;
  field.bytes = {};
  switch (tag & 7) {
    case 0:
      field.type = WireType::kVarint;
      if (!ReadVarint(field.value)) return false;
      break;
    case 1:
      field.type = WireType::kFixed64;
      if (!ReadFixed(8, field.value)) return false;
      break;
    case 2: {
      field.type = WireType::kBytes;
      uint64_t size;
      if (!ReadVarint(size) || size > message_.size() - offset_) return false;
      field.bytes = message_.substr(offset_, size);
      offset_ += size;
      break;
    }
    case 5:
      field.type = WireType::kFixed32;
      if (!ReadFixed(4, field.value)) return false;
      break;
    default:
      return false;
  }
  damaged_ = false;
  return true;
}

void AppendVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void AppendVarintField(uint32_t number, uint64_t value, std::string& out) {
  AppendVarint(uint64_t{number} << 3 | static_cast<uint64_t>(WireType::kVarint), out);
  AppendVarint(value, out);
}

void AppendFixed32Field(uint32_t number, uint32_t value, std::string& out) {
  AppendVarint(uint64_t{number} << 3 | static_cast<uint64_t>(WireType::kFixed32), out);
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

void AppendBytesField(uint32_t number, std::string_view bytes, std::string& out) {
  AppendVarint(uint64_t{number} << 3 | static_cast<uint64_t>(WireType::kBytes), out);
  AppendVarint(bytes.size(), out);
  out.append(bytes);
}

}  // namespace gemma3
