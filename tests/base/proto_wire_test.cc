// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/proto_wire.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace gemma3 {
namespace {

using namespace std::string_literals;

bool IsDamaged(std::string_view message) {
  WireReader reader(message);
  WireField field;
  while (reader.Next(field)) {
  }
  return reader.damaged();
}

TEST(ProtoWire, ReadsWhatItWrote) {
  std::string message;
  AppendVarintField(1, 0, message);
  AppendVarintField(2, ~uint64_t{0}, message);
  AppendVarintField(0x1FFFFFFF, 300, message);
  AppendFixed32Field(3, 0xDEADBEEF, message);
  AppendBytesField(4, "abc\0d"s, message);
  AppendBytesField(5, "", message);
  message += "\x31\x01\x02\x03\x04\x05\x06\x07\x08"s;  // field 6, fixed64

  WireReader reader(message);
  WireField f;
  ASSERT_TRUE(reader.Next(f));
  EXPECT_TRUE(f.number == 1 && f.type == WireType::kVarint && f.value == 0);
  ASSERT_TRUE(reader.Next(f));
  EXPECT_TRUE(f.number == 2 && f.value == ~uint64_t{0});
  ASSERT_TRUE(reader.Next(f));
  EXPECT_TRUE(f.number == 0x1FFFFFFF && f.value == 300);
  ASSERT_TRUE(reader.Next(f));
  EXPECT_TRUE(f.type == WireType::kFixed32 && f.value == 0xDEADBEEF);
  ASSERT_TRUE(reader.Next(f));
  EXPECT_TRUE(f.type == WireType::kBytes && f.bytes == "abc\0d"s);
  ASSERT_TRUE(reader.Next(f));
  EXPECT_TRUE(f.number == 5 && f.bytes.empty());
  ASSERT_TRUE(reader.Next(f));
  EXPECT_TRUE(f.type == WireType::kFixed64 && f.value == 0x0807060504030201u);
  EXPECT_FALSE(reader.Next(f));
  EXPECT_FALSE(reader.damaged());
}

TEST(ProtoWire, EveryCutInsideAFieldIsDamage) {
  std::string message;
  AppendVarintField(2, 300, message);
  const size_t first = message.size();
  AppendBytesField(4, "abcdef", message);
  const size_t second = message.size();
  AppendFixed32Field(3, 7, message);
  for (size_t cut = 0; cut <= message.size(); ++cut) {
    const bool whole = cut == 0 || cut == first || cut == second || cut == message.size();
    EXPECT_EQ(IsDamaged(std::string_view(message).substr(0, cut)), !whole) << cut;
  }
}

TEST(ProtoWire, RefusesNonsense) {
  EXPECT_TRUE(IsDamaged("\x00\x01"s));                                         // field 0
  EXPECT_TRUE(IsDamaged("\x0B"s));                                             // group
  EXPECT_TRUE(IsDamaged("\x0C"s));                                             // end of group
  EXPECT_TRUE(IsDamaged("\x0E"s));                                             // wire type 6
  EXPECT_TRUE(IsDamaged("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"));      // 65 bits
  EXPECT_TRUE(IsDamaged("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"));  // 11 bytes
  EXPECT_TRUE(IsDamaged("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"));      // length 2^64-1
  EXPECT_TRUE(IsDamaged("\x80\x80\x80\x80\x80\x01\x00"s));  // number above 2^29-1
}

}  // namespace
}  // namespace gemma3
