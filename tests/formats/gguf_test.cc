// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/gguf.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/gguf_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

using testing::GgufWriter;

// Keeps a copy of exactly the file's size, so that a read past the end is seen by the sanitizer.
struct Parsed {
  std::vector<std::byte> bytes;
  std::string name = "m.gguf";
  Result<GgufFile> file;
  explicit Parsed(const std::string& content)
      : bytes(reinterpret_cast<const std::byte*>(content.data()),
              reinterpret_cast<const std::byte*>(content.data()) + content.size()),
        file(GgufFile::Parse(bytes, name)) {}
};

void ExpectRefused(const std::string& content, const std::string& part,
                   ErrorCode code = ErrorCode::kBadModel) {
  const Parsed parsed(content);
  ASSERT_FALSE(parsed.file) << part;
  EXPECT_EQ(parsed.file.error().code, code) << parsed.file.error().message;
  EXPECT_TRUE(parsed.file.error().message.starts_with("m.gguf")) << parsed.file.error().message;
  EXPECT_NE(parsed.file.error().message.find(part), std::string::npos)
      << parsed.file.error().message;
}

template <class T>
std::string Raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// An array value: element type, count, and what follows.
std::string Array(uint32_t type, uint64_t count, const std::string& rest) {
  return Raw(type) + Raw(count) + rest;
}

TEST(Gguf, TypedValues) {
  for (const uint32_t version : {2u, 3u}) {
    GgufWriter writer;
    writer.version = version;
    writer.Key("a.u32", uint32_t{7});
    writer.Key("a.i32", int32_t{-7});
    writer.Key("a.u16", uint16_t{3});
    writer.Key("a.u64", UINT64_MAX);
    writer.Key("a.f32", 1.5f);
    writer.Key("a.f64", 2.5);
    writer.KeyRaw("a.bool", 7, "\x02");  // any byte but 0 is true
    writer.KeyString("a.string", "text");
    writer.KeyStrings("a.strings", {"x", "", "z"});
    writer.KeyFloats("a.floats", {1, 2});
    writer.KeyInts("a.ints", {-1, 2});
    writer.KeyBools("a.bools", {true, false});
    writer.KeyStrings("a.empty", {});
    const Parsed parsed(writer.Finish());
    ASSERT_TRUE(parsed.file) << parsed.file.error().message;
    const GgufFile& gguf = *parsed.file;
    EXPECT_EQ(**gguf.Uint("a.u32"), 7u);
    EXPECT_EQ(**gguf.Uint("a.u16"), 3u);
    EXPECT_FALSE(gguf.Uint("a.i32"));
    EXPECT_FALSE(gguf.Uint("a.u64"));
    EXPECT_FALSE(gguf.Uint("a.f32"));
    EXPECT_FALSE(gguf.Uint("a.string"));
    EXPECT_FALSE(gguf.Uint("a.ints"));
    EXPECT_EQ(**gguf.Float("a.f32"), 1.5);
    EXPECT_EQ(**gguf.Float("a.f64"), 2.5);
    EXPECT_EQ(**gguf.Float("a.i32"), -7.0);
    EXPECT_FALSE(gguf.Float("a.bool"));
    EXPECT_FALSE(gguf.Float("a.floats"));
    EXPECT_EQ(**gguf.Bool("a.bool"), true);
    EXPECT_FALSE(gguf.Bool("a.u32"));
    EXPECT_EQ(**gguf.String("a.string"), "text");
    EXPECT_FALSE(gguf.String("a.strings"));
    EXPECT_EQ(**gguf.Strings("a.strings"), (std::vector<std::string_view>{"x", "", "z"}));
    EXPECT_EQ(**gguf.Strings("a.empty"), std::vector<std::string_view>());
    EXPECT_FALSE(gguf.Strings("a.string"));
    EXPECT_FALSE(gguf.Strings("a.ints"));
    EXPECT_EQ(**gguf.Floats("a.floats"), (std::vector<double>{1, 2}));
    EXPECT_EQ(**gguf.Floats("a.ints"), (std::vector<double>{-1, 2}));
    EXPECT_FALSE(gguf.Floats("a.bools"));
    EXPECT_FALSE(gguf.Floats("a.strings"));
    EXPECT_EQ(**gguf.Ints("a.ints"), (std::vector<int64_t>{-1, 2}));
    EXPECT_EQ(**gguf.Ints("a.bools"), (std::vector<int64_t>{1, 0}));
    EXPECT_FALSE(gguf.Ints("a.floats"));
    EXPECT_FALSE(gguf.Uint("missing")->has_value());
    EXPECT_FALSE(gguf.Strings("missing")->has_value());
  }
}

TEST(Gguf, Tensors) {
  for (const uint32_t alignment : {32u, 8u, 256u}) {
    GgufWriter writer;
    writer.alignment = alignment;
    writer.Tensor("m", TensorType::kQ8_0, {3, 64}, std::vector<std::byte>(3 * 68, std::byte{1}));
    writer.Tensor("v", TensorType::kF32, {5}, std::vector<std::byte>(20, std::byte{2}));
    writer.Tensor("scalar", TensorType::kF16, {}, std::vector<std::byte>(2, std::byte{3}));
    writer.Tensor("none", TensorType::kF16, {0, 7}, {});
    const Parsed parsed(writer.Finish());
    ASSERT_TRUE(parsed.file) << parsed.file.error().message;
    const TensorMap& tensors = parsed.file->tensors();
    EXPECT_EQ(tensors.at("m").shape, (std::vector<uint64_t>{3, 64}));
    EXPECT_EQ(tensors.at("m").type, TensorType::kQ8_0);
    EXPECT_EQ(tensors.at("m").bytes, 204u);
    EXPECT_EQ(tensors.at("m").data[203], std::byte{1});
    EXPECT_EQ(tensors.at("v").data[19], std::byte{2});
    EXPECT_EQ(tensors.at("scalar").bytes, 2u);
    EXPECT_EQ(tensors.at("none").bytes, 0u);
    EXPECT_EQ(*tensors.at("m").file, "m.gguf");
  }
}

TEST(Gguf, RefusesAWrongHeader) {
  const std::string whole = GgufWriter().Finish();
  ASSERT_EQ(whole.size(), 24u);
  EXPECT_TRUE(Parsed(whole).file);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Parsed(whole.substr(0, size)).file) << size;
  }
  GgufWriter magic;
  magic.magic ^= 1;
  ExpectRefused(magic.Finish(), "not a GGUF");
  for (const auto& [version, code] : {std::pair<uint32_t, ErrorCode>{0, ErrorCode::kBadModel},
                                      {1, ErrorCode::kUnsupported},
                                      {4, ErrorCode::kBadModel},
                                      {0x03000000, ErrorCode::kUnsupported},
                                      {0xffffffff, ErrorCode::kBadModel}}) {
    GgufWriter writer;
    writer.version = version;
    ExpectRefused(writer.Finish(), version == 0x03000000 ? "big-endian" : "version", code);
  }
  for (const int64_t count : {int64_t{-1}, INT64_MIN, int64_t{1} << 31, int64_t{1} << 62}) {
    GgufWriter tensors, keys;
    tensors.extra_tensors = keys.extra_keys = count;
    ExpectRefused(tensors.Finish(), "tensors cannot be");
    ExpectRefused(keys.Finish(), "keys cannot be");
  }
  GgufWriter more;
  more.Key("a", uint32_t{1});
  more.extra_tensors = 1;
  ExpectRefused(more.Finish() + std::string(3, '\0'), "tensor description");
}

TEST(Gguf, RefusesWrongKeys) {
  GgufWriter empty, zero, twice, text;
  empty.Key("", uint32_t{1});
  ExpectRefused(empty.Finish(), "empty");
  zero.Key(std::string("a\0b", 3), uint32_t{1});
  ExpectRefused(zero.Finish(), "zero byte");
  twice.Key("a", uint32_t{1});
  twice.Key("a", uint32_t{2});
  ExpectRefused(twice.Finish(), "twice");
  text.Key("not utf-8 \xff\x1b[2J", uint32_t{1});
  EXPECT_TRUE(Parsed(text.Finish()).file);
  text.Key("not utf-8 \xff\x1b[2J", uint32_t{1});
  ExpectRefused(text.Finish(), "not utf-8 ??[2J");  // no terminal codes in a message

  GgufWriter base;
  base.extra_keys = 3;
  for (const uint64_t length : {UINT64_MAX, UINT64_MAX - 7, uint64_t{1} << 31, uint64_t{100}}) {
    ExpectRefused(base.Finish() + Raw(length) + std::string(40, 'x'), "a key");
  }
}

TEST(Gguf, RefusesWrongValues) {
  const auto refused = [](uint32_t type, const std::string& bytes, const std::string& part) {
    GgufWriter writer;
    writer.KeyRaw("k", type, bytes);
    ExpectRefused(writer.Finish(), part);
  };
  for (const uint32_t type : {13u, 14u, 255u, UINT32_MAX}) refused(type, "xxxxxxxx", "unknown");
  refused(9, Array(9, 1, Array(4, 1, "xxxx")), "array of arrays");
  refused(9, Array(13, 1, "xxxx"), "unknown");
  refused(4, "xxx", "past the end");
  refused(8, Raw(UINT64_MAX) + "x", "past the end");
  refused(8, Raw(uint64_t{2}) + "x", "past the end");
  refused(8, Raw((uint64_t{1} << 30) + 1) + "x", "past the end");
  for (uint32_t type = 0; type <= 12; ++type) {
    if (type == 9) continue;
    for (const uint64_t count : {UINT64_MAX, uint64_t{1} << 63, (uint64_t{1} << 30) + 1,
                                 uint64_t{1} << 30, uint64_t{100}}) {
      refused(9, Array(type, count, "xxxxxxxx"), "past the end");
    }
  }
  refused(9, Array(8, 3, std::string(23, '\0')),
          "past the end");  // a length short of three strings
  refused(9, std::string(5, '\0'), "past the end");
}

TEST(Gguf, RefusesAWrongAlignment) {
  const auto with = [](auto value) {
    GgufWriter writer;
    writer.Key("general.alignment", value);
    writer.Tensor("t", TensorType::kF32, {8}, std::vector<std::byte>(32));
    return writer.Finish();
  };
  EXPECT_TRUE(Parsed(with(uint32_t{32})).file);
  EXPECT_TRUE(Parsed(with(uint32_t{1})).file.has_value());
  ExpectRefused(with(uint64_t{32}), "should be a u32");
  ExpectRefused(with(int32_t{32}), "should be a u32");
  ExpectRefused(with(uint32_t{0}), "power of two");
  ExpectRefused(with(uint32_t{24}), "power of two");
  ExpectRefused(with(uint32_t{1} << 31), "holds only 0");
}

TEST(Gguf, RefusesWrongTensors) {
  const auto refused = [](std::string_view name, const std::vector<int64_t>& ne, int32_t type,
                          uint64_t offset, size_t bytes, const std::string& part,
                          ErrorCode code = ErrorCode::kBadModel) {
    GgufWriter writer;
    writer.TensorRaw(name, ne, type, offset, bytes);
    ExpectRefused(writer.Finish(), part, code);
  };
  GgufWriter good;
  good.TensorRaw(std::string(63, 'n'), {32, 2}, 2, 0, 36);
  EXPECT_TRUE(Parsed(good.Finish()).file);

  refused(std::string(64, 'n'), {32}, 2, 0, 18, "at most 63");
  refused(std::string(1000, 'n'), {32}, 2, 0, 18, "at most 63");
  refused("t", {1, 1, 1, 1, 1}, 0, 0, 4, "at most 4");
  refused("t", {-1}, 0, 0, 4, "dimension of -1");
  refused("t", {1, INT64_MIN}, 0, 0, 4, "dimension of");
  refused("t", {INT64_MAX, 2}, 0, 0, 4, "larger than any file");
  refused("t", {int64_t{1} << 32, int64_t{1} << 32}, 0, 0, 4, "larger than any file");
  refused("t", {INT64_MAX}, 0, 0, 4, "inside the file");  // elements fit, their bytes do not
  refused("t", {int64_t{1} << 40}, 0, 0, 4, "holds only");
  refused("t", {31}, 2, 0, 18, "no whole blocks");
  refused("t", {128}, 12, 0, 72, "no whole blocks");
  for (const int32_t type : {-1, 4, 5, 31, 33, 36, 38, 43, 96, 100, 159, 201, 400, INT32_MAX}) {
    refused("t", {256}, type, 0, 256,
            "has type " + std::to_string(static_cast<uint32_t>(type)) +
                ", which this library does not know",
            ErrorCode::kUnsupported);
  }
  for (const int32_t type : {97, 133, 137, 144, 158, 202, 337, 399}) {
    refused("t", {256}, type, 0, 256,
            "quantised for ik_llama.cpp (type " + std::to_string(type) + ")",
            ErrorCode::kUnsupported);
  }
  for (const int32_t type : {9, 15, 34, 35, 40, 41, 42}) {
    refused("t", {256}, type, 0, 512, "does not read", ErrorCode::kUnsupported);
  }
  refused("t", {8}, 0, 4, 64, "multiple of 32");
  refused("t", {8}, 0, 64, 32, "holds only");
  refused("t", {8}, 0, UINT64_MAX - 31, 32, "inside the file");
  refused("t", {8}, 0, uint64_t{1} << 63, 32, "holds only");

  GgufWriter twice, overlap, dims;
  twice.Tensor("t", TensorType::kF32, {8}, std::vector<std::byte>(32));
  twice.Tensor("t", TensorType::kF32, {8}, std::vector<std::byte>(32));
  ExpectRefused(twice.Finish(), "twice");
  overlap.TensorRaw("a", {16}, 0, 0, 64);
  overlap.TensorRaw("b", {8}, 0, 32, 0);
  ExpectRefused(overlap.Finish(), "overlaps");
  dims.extra_tensors = 1;
  ExpectRefused(dims.Finish() + Raw(uint64_t{1}) + "t" + Raw(UINT32_MAX) + std::string(99, 'x'),
                "at most 4");
}

TEST(Gguf, EveryTruncationIsAnError) {
  GgufWriter writer;
  writer.KeyStrings("a", {"b", "c"});
  writer.Key("d", 1.0f);
  writer.Tensor("t", TensorType::kF32, {8}, std::vector<std::byte>(32));
  writer.Tensor("u", TensorType::kQ4_0, {2, 32}, std::vector<std::byte>(36));
  std::string content = writer.Finish();
  content.resize(content.size() - 28);  // the padding behind the last tensor
  ASSERT_TRUE(Parsed(content).file);
  for (size_t size = 0; size < content.size(); ++size) {
    EXPECT_FALSE(Parsed(content.substr(0, size)).file) << size;
  }
}

class GgufSplit : public ::testing::Test {
 protected:
  void Part(int number, int count, uint16_t no, uint16_t said, const std::string& tensor,
            int total = 2) {
    GgufWriter writer;
    writer.Key("split.no", no);
    writer.Key("split.count", said);
    writer.Key("split.tensors.count", int32_t{total});
    if (no == 0) writer.KeyString("general.name", "whole");
    writer.Tensor(tensor, TensorType::kF32, {8}, std::vector<std::byte>(32));
    ASSERT_TRUE(testing::WriteGguf(Path(number, count), writer));
  }
  std::string Path(int number, int count) const {
    char name[40];
    std::snprintf(name, sizeof name, "/m-%05d-of-%05d.gguf", number, count);
    return folder_.path() + name;
  }
  void ExpectError(const std::string& path, const std::string& part) {
    const auto set = OpenGgufFiles(path);
    ASSERT_FALSE(set);
    EXPECT_NE(set.error().message.find(part), std::string::npos) << set.error().message;
  }
  testing::TempFolder folder_;
};

TEST_F(GgufSplit, AnyPartOpensAll) {
  Part(1, 2, 0, 2, "a");
  Part(2, 2, 1, 2, "b");
  for (const int number : {1, 2}) {
    const auto set = OpenGgufFiles(Path(number, 2));
    ASSERT_TRUE(set) << set.error().message;
    EXPECT_EQ(set->tensors.size(), 2u);
    EXPECT_EQ(set->files.size(), 2u);
    EXPECT_EQ(**set->metadata.String("general.name"), "whole");
  }
}

TEST_F(GgufSplit, RefusesPartsThatDoNotFit) {
  Part(1, 2, 0, 2, "a");
  ExpectError(Path(1, 2), "missing");
  Part(2, 2, 1, 2, "a");
  ExpectError(Path(1, 2), "another part");
  Part(2, 2, 0, 2, "b");
  ExpectError(Path(1, 2), "calls itself part 1 of 2");
  Part(2, 2, 7, 2, "b");
  ExpectError(Path(1, 2), "calls itself part 8 of 2");
  Part(2, 2, 1, 3, "b");
  ExpectError(Path(1, 2), "calls itself part 2 of 3");
  Part(2, 2, 1, 2, "b");
  Part(1, 2, 0, 2, "a", 3);
  ExpectError(Path(1, 2), "expected 3");
  std::filesystem::copy_file(Path(1, 2), folder_.path() + "/plain.gguf");
  ExpectError(folder_.path() + "/plain.gguf", "expected a name like");
  Part(1, 3, 0, 2, "a");
  ExpectError(Path(1, 3), "expected a name like");
}

}  // namespace
}  // namespace gemma3
