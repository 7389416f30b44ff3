// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Writing zip archives of stored members, whole ones and broken ones. Nothing is checked, and check
// sums are zero, which nobody reads here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma3::testing {

class ZipWriter {
 public:
  // Bytes before the first member: a program, for example.
  explicit ZipWriter(std::string start = "") : out_(std::move(start)) {}

  // `align`: of the member's bytes, as llamafile's tool pads them with an extra field.
  void Add(const std::string& name, std::string_view bytes, size_t align = 1) {
    const uint64_t header = out_.size();
    const size_t begin = out_.size() + 30 + name.size();
    // A field has 4 bytes of its own.
    const size_t extra = align > 1 ? (align - (begin + 4) % align) % align + 4 : 0;
    Numbers(out_, {{4, 0x04034b50},
                   {2, 20},
                   {2, flags},
                   {2, method},
                   {4, 0},
                   {4, 0},
                   {4, bytes.size()},
                   {4, bytes.size()},
                   {2, name.size()},
                   {2, extra}});
    out_ += name;
    if (extra != 0) {
      Numbers(out_, {{2, 0xd935}, {2, extra - 4}});
      out_.append(extra - 4, '\0');
    }
    out_ += bytes;
    std::string long_numbers;
    if (zip64) {
      Numbers(long_numbers, {{2, 1}, {2, 24}, {8, bytes.size()}, {8, bytes.size()}, {8, header}});
    }
    const auto number = [&](uint64_t n) { return zip64 ? 0xffffffff : n; };
    Numbers(directory_, {{4, 0x02014b50},
                         {2, 20},
                         {2, 20},
                         {2, flags},
                         {2, method},
                         {4, 0},
                         {4, 0},
                         {4, number(bytes.size())},
                         {4, number(bytes.size() + size_lie)},
                         {2, name.size()},
                         {2, long_numbers.size()},
                         {2, 0},
                         {2, 0},
                         {2, 0},
                         {4, 0},
                         {4, number(header)}});
    directory_ += name + long_numbers;
    ++count_;
  }

  // `comment`: behind the end record.
  std::string Finish(const std::string& comment = "") const {
    std::string out = out_ + directory_;
    const uint64_t offset = out_.size();
    if (zip64) {
      const uint64_t record = out.size();
      Numbers(out, {{4, 0x06064b50},
                    {8, 44},
                    {2, 45},
                    {2, 45},
                    {4, 0},
                    {4, 0},
                    {8, count_},
                    {8, count_},
                    {8, directory_.size()},
                    {8, offset}});
      Numbers(out, {{4, 0x07064b50}, {4, 0}, {8, record}, {4, 1}});
    }
    const auto number = [&](uint64_t n, uint64_t all) { return zip64 ? all : n; };
    Numbers(out, {{4, 0x06054b50},
                  {2, 0},
                  {2, 0},
                  {2, number(count_, 0xffff)},
                  {2, number(count_, 0xffff)},
                  {4, number(directory_.size(), 0xffffffff)},
                  {4, number(offset, 0xffffffff)},
                  {2, comment.size()}});
    return out + comment;
  }

  // Public, so that tests can choose and lie.
  bool zip64 = false;
  uint16_t flags = 0, method = 0;
  uint64_t size_lie = 0;  // added to the size before compression

 private:
  struct Number {
    size_t bytes;
    uint64_t value;
  };
  static void Numbers(std::string& out, const std::vector<Number>& numbers) {
    for (const Number& n : numbers) {
      for (size_t i = 0; i < n.bytes; ++i) out += static_cast<char>(n.value >> 8 * i & 255);
    }
  }

  std::string out_, directory_;
  uint64_t count_ = 0;
};

}  // namespace gemma3::testing
