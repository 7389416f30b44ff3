// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

std::string File(const std::string& header, size_t data_bytes) {
  std::string file(8, '\0');
  const uint64_t size = header.size();
  std::memcpy(file.data(), &size, 8);
  return file + header + std::string(data_bytes, 'x');
}

// Parses a copy of exactly this size, so that a read past the end is seen by the sanitizer.
Result<TensorMap> Parse(const std::string& file) {
  static const std::string kName = "m.safetensors";
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(file.data()),
                                     reinterpret_cast<const std::byte*>(file.data()) + file.size());
  auto tensors = ParseSafetensors(bytes, kName);
  if (!tensors) {
    EXPECT_TRUE(tensors.error().message.starts_with(kName)) << tensors.error().message;
  }
  return tensors;
}

void ExpectRefused(const std::string& file, const std::string& part) {
  const auto tensors = Parse(file);
  ASSERT_FALSE(tensors) << part;
  EXPECT_NE(tensors.error().message.find(part), std::string::npos) << tensors.error().message;
}

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

TEST(Safetensors, WhatIsWrittenIsReadBack) {
  testing::TensorBank bank;
  bank.Add("b", TensorType::kBF16, {3, 2}, {1, 2, 3, 4, 5, 6});
  bank.Add("a", TensorType::kF16, {1}, {0.5f});
  bank.Add("z", TensorType::kF32, {2}, {-1, 1e-3f});
  bank.AddBytes("ids", TensorType::kI64, {1}, std::vector<std::byte>(8, std::byte{3}));
  bank.AddBytes("scalar", TensorType::kU8, {}, {std::byte{9}});
  bank.AddBytes("none", TensorType::kF32, {4, 0}, {});
  bank.AddBytes("quoted \"\\\n name", TensorType::kU8, {2}, {std::byte{1}, std::byte{2}});
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/m.safetensors";
  const Status written = WriteSafetensors(path, bank.views());
  ASSERT_TRUE(written) << written.error().message;
  const auto set = OpenSafetensors(path);
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->tensors.size(), bank.views().size());
  for (const auto& [name, view] : bank.views()) {
    const TensorView& read = set->tensors.at(name);
    EXPECT_EQ(read.type, view.type);
    EXPECT_EQ(read.shape, view.shape);
    ASSERT_EQ(read.bytes, view.bytes);
    EXPECT_TRUE(std::equal(view.data, view.data + view.bytes, read.data));
    EXPECT_EQ(*read.file, path);
    // Falling element size keeps every tensor aligned to its own elements.
    EXPECT_EQ(reinterpret_cast<uintptr_t>(read.data) % InfoOf(read.type).block_bytes, 0u) << name;
  }
}

TEST(Safetensors, WritingRefusesWhatItCannotWrite) {
  testing::TensorBank bank;
  bank.AddBytes("q", TensorType::kQ4_0, {32}, std::vector<std::byte>(18));
  const testing::TempFolder folder;
  EXPECT_FALSE(WriteSafetensors(folder.path() + "/m", bank.views()));
  testing::TensorBank shorter;
  shorter.AddBytes("q", TensorType::kF32, {2}, std::vector<std::byte>(4));
  EXPECT_FALSE(WriteSafetensors(folder.path() + "/m", shorter.views()));
  const Status status = WriteSafetensors(folder.path() + "/no/such/folder", {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
}

TEST(Safetensors, AcceptsWhatTheReferenceReaderAccepts) {
  EXPECT_EQ(Parse(File("{}", 0))->size(), 0u);
  EXPECT_EQ(Parse(File(" \n\t{} \r\n", 0))->size(), 0u);
  EXPECT_EQ(Parse(File(R"({"__metadata__":{"format":"pt"}})", 0))->size(), 0u);
  EXPECT_TRUE(Parse(File("{" + Entry("a", "F32", "[]", "[0,4]") + "}", 4)));
  EXPECT_TRUE(Parse(File(
      "{" + Entry("a", "F32", "[0]", "[0,0]") + "," + Entry("b", "F32", "[1]", "[0,4]") + "}", 4)));
  // Listed in another order than stored, with an odd offset, and an escaped name.
  const auto tensors = Parse(File(
      "{" + Entry("b", "BF16", "[2]", "[1,5]") + "," + Entry("\\u00e9", "U8", "[1]", "[0,1]") + "}",
      5));
  ASSERT_TRUE(tensors);
  EXPECT_TRUE(tensors->contains("\u00e9"));
}

TEST(Safetensors, RefusesAWrongHeaderLength) {
  for (size_t size = 0; size < 8; ++size) ExpectRefused(std::string(size, '\0'), "too few");
  const auto with_length = [](uint64_t length) {
    std::string file = File("{}", 0);
    std::memcpy(file.data(), &length, 8);
    return file;
  };
  ExpectRefused(with_length(0), "header");
  ExpectRefused(with_length(1), "header");
  ExpectRefused(with_length(3), "only 2 bytes follow");
  ExpectRefused(with_length(100'000'000), "only 2 bytes follow");
  ExpectRefused(with_length(100'000'001), "at most 100000000");
  ExpectRefused(with_length(uint64_t{1} << 63), "at most 100000000");
  ExpectRefused(with_length(UINT64_MAX), "at most 100000000");
  ExpectRefused(std::string("\x3c\x00\x00\x00\x00\xff\xff\xff", 8), "at most 100000000");
}

TEST(Safetensors, RefusesAHeaderThatIsNotTheOneShapeItMayHave) {
  ExpectRefused(File("\xff\xfe", 0), "JSON");
  ExpectRefused(File("{\"a\xff\":1}", 0), "JSON");
  ExpectRefused(File("{", 0), "JSON");
  ExpectRefused(File("{}x", 0), "JSON");
  ExpectRefused(File("{}\0", 0) + '\0', "1 bytes");
  ExpectRefused(File("[]", 0), "object");
  ExpectRefused(File("1", 0), "object");
  ExpectRefused(File(R"({"a":1})", 0), "\"a\"");
  ExpectRefused(File(R"({"a":null})", 0), "\"a\"");
  ExpectRefused(File(R"({"a":{}})", 0), "lacks");
  ExpectRefused(File(R"({"a":{"dtype":"F32","shape":[]}})", 0), "lacks");
  ExpectRefused(File(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})", 4),
                "unknown key");
  ExpectRefused(File(R"({"__metadata__":{"a":1}})", 0), "strings only");
  ExpectRefused(File(R"({"__metadata__":{"a":{"b":"c"}}})", 0), "strings only");
  ExpectRefused(File("{" + Entry("a", "F31", "[1]", "[0,4]") + "}", 4), "F31");
  for (const char* shape : {"[1.0]", "[1e0]", "[-1]", "[\"1\"]", "[null]", "[true]", "[[1]]", "1",
                            "\"1\"", "{}", "[18446744073709551616]"}) {
    ExpectRefused(File("{" + Entry("a", "F32", shape, "[0,4]") + "}", 4), "shape");
  }
  for (const char* offsets : {"[0]", "[0,4,4]", "[]", "[0.0,4]", "[-0.5,4]", "[0,\"4\"]", "4"}) {
    ExpectRefused(File("{" + Entry("a", "F32", "[1]", offsets) + "}", 4), "data_offsets");
  }
}

TEST(Safetensors, RefusesRepeatedKeys) {
  const std::string entry = Entry("a", "U8", "[0]", "[0,0]");
  ExpectRefused(File("{" + entry + "," + entry + "}", 0), "twice");
  ExpectRefused(File(R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0),
                "twice");
  ExpectRefused(File(R"({"__metadata__":{"a":"b","a":"c"}})", 0), "twice");
  ExpectRefused(File(R"({"__metadata__":{},"__metadata__":{}})", 0), "twice");
}

TEST(Safetensors, DeepNestingCostsNothing) {
  ExpectRefused(File("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}", 0),
                "\"a\"");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  ExpectRefused(File(objects, 0), "unknown key");
}

TEST(Safetensors, RefusesHolesOverlapsAndWrongEnds) {
  const auto pair = [](const std::string& a, const std::string& b) {
    return "{" + Entry("a", "U8", "[4]", a) + "," + Entry("b", "U8", "[4]", b) + "}";
  };
  EXPECT_TRUE(Parse(File(pair("[0,4]", "[4,8]"), 8)));
  ExpectRefused(File(pair("[1,5]", "[5,9]"), 9), "without holes");
  ExpectRefused(File(pair("[0,4]", "[5,9]"), 9), "without holes");
  ExpectRefused(File(pair("[0,4]", "[3,7]"), 7), "without holes");
  ExpectRefused(File(pair("[0,4]", "[0,4]"), 4), "without holes");
  ExpectRefused(File("{" + Entry("a", "U8", "[4]", "[4,0]") + "}", 4), "without holes");
  ExpectRefused(File(pair("[0,4]", "[4,8]"), 7), "holds only 7");
  ExpectRefused(File(pair("[0,4]", "[4,8]"), 9), "holds 9");
  ExpectRefused(File("{}", 1), "holds 1");
  std::string shared = "{";
  for (char c = 'a'; c < 'k'; ++c) {
    shared += (c == 'a' ? "" : ",") + Entry(std::string(1, c), "F32", "[2,2]", "[0,16]");
  }
  ExpectRefused(File(shared + "}", 16), "without holes");
}

TEST(Safetensors, RefusesSizesThatDoNotFit) {
  ExpectRefused(File("{" + Entry("a", "F32", "[2]", "[0,4]") + "}", 4), "needs 8 bytes");
  ExpectRefused(File("{" + Entry("a", "F32", "[2,18446744073709551614]", "[0,16]") + "}", 16),
                "larger than any file");
  ExpectRefused(File("{" + Entry("a", "F32", "[2,9223372036854775807]", "[0,16]") + "}", 16),
                "larger than any file");
  ExpectRefused(
      File("{" + Entry("a", "U8", "[18446744073709551615]", "[0,18446744073709551615]") + "}", 16),
      "larger than any file");
  ExpectRefused(File("{" + Entry("a", "U8", "[1000]", "[0,1000]") + "}", 999), "holds only 999");
}

TEST(Safetensors, ValidTypesThatNothingReadsAreUnsupported) {
  for (const char* dtype : {"F8_E8M0", "F8_E5M2", "F4", "F6_E2M3", "C64"}) {
    const auto tensors = Parse(File("{" + Entry("a", dtype, "[4]", "[0,4]") + "}", 4));
    ASSERT_FALSE(tensors);
    EXPECT_EQ(tensors.error().code, ErrorCode::kUnsupported);
  }
}

TEST(SafetensorsIndex, AcceptsPlainFileNamesOnly) {
  const auto parse = [](const std::string& name) {
    return ParseSafetensorsIndex(
        "{\"metadata\":{\"total_size\":1,\"total_parameters\":2},"
        "\"weight_map\":{\"a\":" +
            name + "}}",
        "i.json");
  };
  EXPECT_TRUE(parse("\"model-00001-of-00002.safetensors\""));
  for (const char* name : {"\"../m\"", "\"/etc/m\"", "\"a/b\"", "\"a\\\\b\"", "\"C:m\"", "\"\"",
                           "\".\"", "\"..\"", "\"a\\u0000b\"", "1", "null", "[\"a\"]"}) {
    EXPECT_FALSE(parse(name)) << name;
  }
  EXPECT_FALSE(ParseSafetensorsIndex("{}", "i.json"));
  EXPECT_FALSE(ParseSafetensorsIndex(R"({"weight_map":[]})", "i.json"));
  EXPECT_FALSE(ParseSafetensorsIndex(R"({"weight_map":{"a":"b","a":"c"}})", "i.json"));
}

class SafetensorsShards : public ::testing::Test {
 protected:
  void SetUp() override {
    Shard("one", {"a", "b"});
    Shard("two", {"c"});
  }
  void Shard(const std::string& name, const std::vector<std::string>& tensors) {
    testing::TensorBank bank;
    for (const std::string& tensor : tensors) bank.Add(tensor, TensorType::kF32, {1}, {1});
    ASSERT_TRUE(WriteSafetensors(folder_.path() + "/" + name, bank.views()));
  }
  Result<SafetensorsSet> Open(const std::string& map) {
    return OpenSafetensorsShards(folder_.Write("index.json", "{\"weight_map\":" + map + "}"));
  }
  testing::TempFolder folder_;
};

TEST_F(SafetensorsShards, EveryTensorIsFoundInItsShard) {
  const auto set = Open(R"({"a":"one","b":"one","c":"two"})");
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->tensors.size(), 3u);
  EXPECT_EQ(set->files.size(), 2u);
  EXPECT_TRUE(set->tensors.at("c").file->ends_with("two"));
}

TEST_F(SafetensorsShards, RefusesWhatDoesNotFitTheIndex) {
  EXPECT_FALSE(Open(R"({"a":"one","c":"three"})"));  // a missing shard
  EXPECT_FALSE(Open(R"({"a":"one","d":"two"})"));    // a missing tensor
  EXPECT_FALSE(Open(R"({"a":"two","c":"two"})"));    // a tensor in another shard
  EXPECT_FALSE(Open(R"({"a":"one","c":"one","b":"two"})"));
  Shard("two", {"c", "a"});
  const auto twice = Open(R"({"a":"one","b":"one","c":"two"})");
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("two shards"), std::string::npos) << twice.error().message;
}

}  // namespace
}  // namespace gemma3
