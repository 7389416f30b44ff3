// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/zip.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>

#include "tests/support/zip_writer.h"

namespace gemma3 {
namespace {

using testing::ZipWriter;

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string Stored(const std::string& archive, const ZipMember& member) {
  const auto bytes = StoredBytes(Bytes(archive), member, "a.zip");
  if (!bytes) return "error: " + bytes.error().message;
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

TEST(Zip, FindsStoredMembersInEveryForm) {
  for (const bool zip64 : {false, true}) {
    for (const std::string& start : {std::string(), std::string("MZqFpD='\n program", 18)}) {
      for (const size_t comment : {0, 5, 65535}) {
        ZipWriter writer(start);
        writer.zip64 = zip64;
        writer.Add("dir/", "");
        writer.Add("dir/one.gguf", "first", 64);
        writer.Add("two", std::string("se\0cond", 7));
        const std::string archive = writer.Finish(std::string(comment, 'c'));
        EXPECT_TRUE(HasZipDirectory(Bytes(archive)));
        const auto members = ReadZipDirectory(Bytes(archive), "a.zip");
        ASSERT_TRUE(members) << members.error().message;
        ASSERT_EQ(members->size(), 3u);
        EXPECT_EQ((*members)[1].name, "dir/one.gguf");
        EXPECT_TRUE((*members)[1].stored);
        EXPECT_EQ(Stored(archive, (*members)[0]), "");
        EXPECT_EQ(Stored(archive, (*members)[1]), "first");
        EXPECT_EQ(Stored(archive, (*members)[2]), std::string("se\0cond", 7));
        const auto first = StoredBytes(Bytes(archive), (*members)[1], "a.zip");
        EXPECT_EQ((first->data() - Bytes(archive).data()) % 64, 0);
      }
    }
  }
}

TEST(Zip, CompressedAndEncryptedMembersAreNotStored) {
  ZipWriter writer;
  writer.method = 8;
  writer.size_lie = 100;
  writer.Add("deflated.gguf", "x");
  writer.method = 0;
  writer.flags = 1;
  writer.size_lie = 0;
  writer.Add("encrypted.gguf", "x");
  const std::string archive = writer.Finish();
  const auto members = ReadZipDirectory(Bytes(archive), "a.zip");
  ASSERT_TRUE(members);
  EXPECT_FALSE((*members)[0].stored);
  EXPECT_FALSE((*members)[1].stored);
}

void Put(std::string& text, size_t at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) text[at + i] = static_cast<char>(value >> 8 * i & 255);
}

TEST(Zip, BrokenDirectoriesAreErrorsAndNothingElse) {
  ZipWriter writer;
  writer.Add("m", "bytes");
  const std::string good = writer.Finish();
  const size_t end = good.size() - 22, entry = end - 47;
  writer.zip64 = true;
  ZipWriter writer64;
  writer64.zip64 = true;
  writer64.Add("m", "bytes");
  const std::string good64 = writer64.Finish();
  const size_t locator = good64.size() - 22 - 20, record = locator - 56, entry64 = record - 47 - 28;

  const auto with = [](std::string text, size_t at, uint64_t value, size_t bytes) {
    Put(text, at, value, bytes);
    return text;
  };
  for (const std::string& archive : {
           std::string(),
           std::string("PK\x03\x04"),
           good.substr(0, good.size() - 1),
           good.substr(1),
           with(good, end + 8, 2, 2),                        // one part of several
           with(good, end + 4, 1, 2),                        // its first is another
           with(with(good, end + 8, 2, 2), end + 10, 2, 2),  // more entries than there are
           with(good, end + 12, 1000, 4),                    // a longer directory
           with(good, end + 12, 20, 4),                      // a shorter one
           with(good, end + 16, 0xfffffffe, 4),              // somewhere else
           with(good, end + 16, entry - 1, 4),
           with(good, entry, 0, 4),            // no entry
           with(good, entry + 28, 0xffff, 2),  // a name, an extra field
           with(good, entry + 30, 0xffff, 2),  // and a comment that reach too far
           with(good, entry + 32, 0xffff, 2),
           with(good, entry + 24, 0xffffffff, 4),  // 64 bits that are not there
           with(good, entry + 24, 4, 4),           // stored, but of two sizes
           with(good64, locator + 8, uint64_t{1} << 63, 8),
           with(good64, locator + 8, record - 1, 8),
           with(good64, record + 32, ~uint64_t{0}, 8),
           with(good64, record + 40, ~uint64_t{0}, 8),
           with(good64, record + 48, ~uint64_t{0} - 3, 8),
           with(good64, entry64 + 47 + 2, 16, 2),  // two of three numbers
           with(good64, entry64 + 47 + 2, 25, 2),
       }) {
    const auto members = ReadZipDirectory(Bytes(archive), "a.zip");
    ASSERT_FALSE(members) << archive.size();
    EXPECT_NE(members.error().message.find("a.zip"), std::string::npos);
  }
}

TEST(Zip, MembersLieInTheArchive) {
  ZipWriter writer;
  writer.zip64 = true;
  writer.Add("m", "bytes");
  const std::string good = writer.Finish();
  auto members = ReadZipDirectory(Bytes(good), "a.zip");
  ASSERT_TRUE(members);
  const ZipMember member = members->front();
  for (const uint64_t header :
       {uint64_t{1}, good.size() - 29, uint64_t{good.size()}, ~uint64_t{0}}) {
    ZipMember moved = member;
    moved.header = header;
    EXPECT_TRUE(Stored(good, moved).starts_with("error")) << header;
  }
  for (const uint64_t size : {uint64_t{good.size()}, ~uint64_t{0}, ~uint64_t{0} - 36}) {
    ZipMember longer = member;
    longer.size = size;
    EXPECT_TRUE(Stored(good, longer).starts_with("error")) << size;
  }
  std::string far = good;
  Put(far, 28, 0xffff, 2);  // the local header's extra field
  EXPECT_TRUE(Stored(far, member).starts_with("error"));
}

}  // namespace
}  // namespace gemma3
