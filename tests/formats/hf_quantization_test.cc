// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Quantised Hugging Face folders: every layout gives the values of its definition, mixed folders
// load, and what is damaged, contradicts itself or is of another method is refused in words.
#include "src/formats/hf_quantization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "src/formats/checkpoint.h"
#include "src/formats/grouped_codes.h"
#include "src/formats/safetensors.h"
#include "tests/support/quantized_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

template <class T>
std::vector<std::byte> Bytes(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

Result<HfQuantization> Parse(const std::string& settings) {
  auto config = JsonValue::Parse("{\"quantization_config\": " + settings + "}", "config.json");
  EXPECT_TRUE(config);
  return ParseHfQuantization(*config);
}

std::vector<float> ValuesOf(const TensorView& view) {
  std::vector<float> values(view.shape[0] * view.shape[1]);
  for (size_t r = 0; r < view.shape[0]; ++r) {
    DequantizeCodesRow(view, r, values.data() + r * view.shape[1]);
  }
  return values;
}

// The matrix of module "m" of a bank, or the error.
Result<TensorView> Join(const TensorBank& bank, const std::string& settings) {
  auto quantization = Parse(settings);
  if (!quantization) return std::unexpected(quantization.error());
  TensorMap tensors = bank.views();
  Remarks remarks;
  if (auto joined = JoinQuantizedModules(*quantization, "folder", &tensors, &remarks); !joined) {
    return std::unexpected(joined.error());
  }
  EXPECT_EQ(tensors.size(), 1u);
  return tensors.at("m.weight");
}

// ---- Words written out by hand

constexpr char kCt[] = R"({"quant_method":"compressed-tensors","format":"pack-quantized",
    "config_groups":{"group_0":{"weights":{"num_bits":4}}}})";
constexpr char kGptq[] = R"({"quant_method":"gptq","bits":4,"group_size":-1,"sym":false})";
constexpr char kGptqV2[] =
    R"({"quant_method":"gptq","bits":4,"group_size":8,"checkpoint_format":"gptq_v2"})";
constexpr char kAwq[] = R"({"quant_method":"awq","bits":4,"group_size":8,"version":"GEMM"})";

std::vector<float> PackedValues(std::vector<uint32_t> words, int64_t cols) {
  TensorBank bank;
  bank.AddBytes("m.weight_packed", TensorType::kI32, {1, words.size()}, Bytes(words));
  bank.AddBytes("m.weight_shape", TensorType::kI64, {2}, Bytes(std::vector<int64_t>{1, cols}));
  bank.Add("m.weight_scale", TensorType::kBF16, {1, 1}, {0.5f});
  const auto view = Join(bank, kCt);
  EXPECT_TRUE(view) << view.error().message;
  return view ? ValuesOf(*view) : std::vector<float>();
}

TEST(CompressedTensors, BitsOfAWord) {
  std::vector<float> expected;
  for (int i = 0; i < 8; ++i) expected.push_back(0.5f * static_cast<float>(i - 8));
  EXPECT_EQ(PackedValues({0x76543210}, 8), expected);
  expected.clear();
  for (int i = 0; i < 16; ++i) expected.push_back(0.5f * static_cast<float>((5 * i + 3) % 16 - 8));
  EXPECT_EQ(PackedValues({0x61C72D83, 0xE94FA50B}, 16), expected);
  // Three bits cross the words.
  expected.clear();
  for (int i = 0; i < 32; ++i) expected.push_back(0.5f * static_cast<float>((3 * i + 1) % 8 - 4));
  EXPECT_EQ(PackedValues({0xE1CC55E1, 0x55E1CC55, 0xCC55E1CC}, 32), expected);
  // The last word of a row need not be full.
  EXPECT_EQ(PackedValues({0x76543210, 0x0000000f}, 9).back(), 3.5f);
}

TEST(CompressedTensors, BlocksOfFP8ShareScales) {
  TensorBank bank;
  std::vector<uint8_t> codes(3 * 5, 0x38);  // 1
  codes[14] = 0xbf;                         // -1.875
  bank.AddBytes("m.weight", TensorType::kF8_E4M3, {3, 5}, Bytes(codes));
  bank.Add("m.weight_scale_inv", TensorType::kF32, {2, 3}, {1, 2, 3, 4, 5, 6});
  const auto view = Join(bank, R"({"quant_method":"fp8","weight_block_size":[2,2]})");
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(ValuesOf(*view),
            (std::vector<float>{1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, -1.875f * 6}));
  EXPECT_EQ(StoredType(*view), "FP8");
  EXPECT_EQ(StoredBytes(*view), 15u + 6 * 4);
}

// The eight outputs, or inputs, with codes 3, 8, 13, 2, 7, 12, 1, 6.
constexpr int kVector[8] = {3, 8, 13, 2, 7, 12, 1, 6};

TEST(Gptq, BitsOfAWord) {
  // 8 inputs of 8 outputs, all outputs alike; stored zero points 4 are 5 in the first format.
  TensorBank bank;
  bank.AddBytes("m.qweight", TensorType::kI32, {1, 8}, Bytes(std::vector<uint32_t>(8, 0x61C72D83)));
  bank.AddBytes("m.qzeros", TensorType::kI32, {1, 1}, Bytes(std::vector<uint32_t>{0x44444444}));
  bank.Add("m.scales", TensorType::kF16, {1, 8}, {1, 2, 3, 4, 5, 6, 7, 8});
  for (const auto& [settings, zero] : {std::pair(kGptq, 5), {kGptqV2, 4}}) {
    const auto view = Join(bank, settings);
    ASSERT_TRUE(view) << view.error().message;
    std::vector<float> expected;
    for (int r = 0; r < 8; ++r) {
      for (const int code : kVector)
        expected.push_back(static_cast<float>((r + 1) * (code - zero)));
    }
    EXPECT_EQ(ValuesOf(*view), expected);
  }
}

TEST(Awq, BitsOfAWord) {
  // 16 inputs of 8 outputs; zero points as the codes in the first group of 8, 0 in the second.
  TensorBank bank;
  bank.AddBytes("m.qweight", TensorType::kI32, {16, 1},
                Bytes(std::vector<uint32_t>(16, 0x6C2817D3)));
  bank.AddBytes("m.qzeros", TensorType::kI32, {2, 1}, Bytes(std::vector<uint32_t>{0x6C2817D3, 0}));
  bank.Add("m.scales", TensorType::kF16, {2, 8}, std::vector<float>(16, 1));
  const auto view = Join(bank, kAwq);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->shape, (std::vector<uint64_t>{8, 16}));
  const std::vector<float> values = ValuesOf(*view);
  for (size_t r = 0; r < 8; ++r) {
    for (size_t c = 0; c < 16; ++c) {
      EXPECT_EQ(values[16 * r + c], c < 8 ? 0 : static_cast<float>(kVector[r])) << r << " " << c;
    }
  }
}

// ---- Every layout, against a writer that sets single bits

struct LayoutCase {
  const char* name;
  QuantizedOptions options;
};

std::vector<LayoutCase> Layouts() {
  using enum CodeLayout;
  std::vector<LayoutCase> cases;
  for (const uint64_t bits : {1, 2, 3, 4, 5, 6, 7, 8}) {
    for (const bool symmetric : {true, false}) {
      if (bits == 1 && symmetric) continue;  // codes -1 and 0: the writer's scale means nothing
      cases.push_back({"packed", {.layout = kPacked, .bits = bits, .symmetric = symmetric}});
      cases.push_back({"packed rows",
                       {.layout = kPacked, .bits = bits, .group_size = 0, .symmetric = symmetric}});
    }
    cases.push_back(
        {"packed order", {.layout = kPacked, .bits = bits, .symmetric = false, .act_order = true}});
  }
  for (const bool symmetric : {true, false}) {
    for (const uint64_t group : {0, 32, 128}) {
      cases.push_back(
          {"int8", {.layout = kInt8, .bits = 8, .group_size = group, .symmetric = symmetric}});
      cases.push_back({"awq",
                       {.layout = kAwq,
                        .group_size = group,
                        .symmetric = symmetric,
                        .scale_type = TensorType::kF16}});
      for (const uint64_t bits : {2, 3, 4, 8}) {
        for (const CodeLayout layout : {kGptq, kGptqV2}) {
          cases.push_back({"gptq",
                           {.layout = layout,
                            .bits = bits,
                            .group_size = group,
                            .symmetric = symmetric,
                            .act_order = group == 32,
                            .scale_type = TensorType::kF16}});
        }
      }
    }
  }
  for (const CodeLayout layout : {kFloat8, kScaleInv}) {
    for (const uint64_t block : {0, 32, 128}) {
      cases.push_back({"fp8",
                       {.layout = layout,
                        .bits = 8,
                        .group_size = 0,
                        .block = block,
                        .scale_type = TensorType::kF32}});
    }
  }
  return cases;
}

TEST(QuantizedLayouts, GiveTheirValues) {
  constexpr uint64_t kRows = 64, kCols = 160;  // the last group of 128 has 32
  const std::vector<float> values = RandomValues({kRows, kCols}, 5);
  for (const LayoutCase& c : Layouts()) {
    const QuantizedMatrix matrix = QuantizeMatrix(values, kRows, kCols, c.options);
    TensorBank bank;
    AddQuantized("m", matrix, &bank);
    const std::string what = std::string(c.name) + " " + QuantizationConfig(c.options);
    const auto view = Join(bank, QuantizationConfig(c.options));
    ASSERT_TRUE(view) << what << ": " << view.error().message;
    EXPECT_EQ(view->shape, (std::vector<uint64_t>{kRows, kCols})) << what;
    const std::vector<float> expected = matrix.Values();
    EXPECT_EQ(ValuesOf(*view), expected) << what;
    // A part of the rows is the same rows.
    std::vector<float> row(kCols);
    DequantizeCodesRow(RowsOf(*view, 33, 20), 2, row.data());
    EXPECT_TRUE(std::equal(row.begin(), row.end(), expected.begin() + 35 * kCols)) << what;
    size_t stored = 0;
    for (const auto& [name, part] : bank.views()) stored += part.bytes;
    EXPECT_EQ(StoredBytes(*view), stored) << what;
  }
}

// Rows that are no whole words, nor blocks, and rows that are no whole bytes of zero points.
TEST(QuantizedLayouts, RaggedSizes) {
  using enum CodeLayout;
  constexpr uint64_t kRows = 5, kCols = 43;
  const std::vector<float> values = RandomValues({kRows, kCols}, 6);
  for (const uint64_t bits : {2, 3, 4, 5, 6, 7, 8}) {
    const QuantizedOptions options{.bits = bits, .group_size = 0, .symmetric = false};
    const QuantizedMatrix matrix = QuantizeMatrix(values, kRows, kCols, options);
    TensorBank bank;
    AddQuantized("m", matrix, &bank);
    EXPECT_EQ(ValuesOf(*Join(bank, QuantizationConfig(options))), matrix.Values()) << bits;
  }
  for (const CodeLayout layout : {kInt8, kFloat8}) {
    const QuantizedOptions options{.layout = layout, .bits = 8, .group_size = 0};
    const QuantizedMatrix matrix = QuantizeMatrix(values, kRows, kCols, options);
    TensorBank bank;
    AddQuantized("m", matrix, &bank);
    EXPECT_EQ(ValuesOf(*Join(bank, QuantizationConfig(options))), matrix.Values());
  }
}

// What a symmetric file stores as its zero points tells its format, whatever it is called.
TEST(Gptq, SymmetricDataTellTheFormat) {
  const std::vector<float> values = RandomValues({32, 64}, 7);
  for (const CodeLayout layout : {CodeLayout::kGptq, CodeLayout::kGptqV2}) {
    for (const uint64_t bits : {2, 3, 4, 8}) {
      const QuantizedMatrix matrix =
          QuantizeMatrix(values, 32, 64, {.layout = layout, .bits = bits});
      TensorBank bank;
      AddQuantized("m", matrix, &bank);
      for (const char* settings :
           {R"({"quant_method":"gptq","sym":true,"checkpoint_format":"gptq"})",
            R"({"quant_method":"gptq","sym":true,"checkpoint_format":"gptq_v2"})",
            R"({"quant_method":"intel/auto-round","sym":true})"}) {
        const auto view = Join(bank, settings);
        ASSERT_TRUE(view) << view.error().message;
        EXPECT_EQ(ValuesOf(*view), matrix.Values()) << settings;
      }
    }
  }
}

// ---- What is damaged, contradicts itself or is unknown

void ExpectRefused(const TensorBank& bank, const std::string& settings, const std::string& part,
                   ErrorCode code = ErrorCode::kBadModel) {
  const auto view = Join(bank, settings);
  ASSERT_FALSE(view) << part;
  EXPECT_EQ(view.error().code, code) << view.error().message;
  EXPECT_NE(view.error().message.find(part), std::string::npos) << view.error().message;
}

// A bank with module "m", of which one tensor is another.
class OneTensor {
 public:
  OneTensor(const QuantizedOptions& options, std::string settings = "")
      : settings_(settings.empty() ? QuantizationConfig(options) : std::move(settings)),
        matrix_(QuantizeMatrix(RandomValues({32, 64}, 8), 32, 64, options)) {}

  void Missing(const std::string& part, const std::string& words) const {
    TensorBank bank = Good();
    bank.Remove("m" + part);
    ExpectRefused(bank, settings_, words);
  }
  void Zeros(const std::string& part, TensorType type, std::vector<uint64_t> shape,
             const std::string& words, ErrorCode code = ErrorCode::kBadModel) const {
    uint64_t bytes = InfoOf(type).block_bytes;
    for (const uint64_t n : shape) bytes *= n;
    Other(part, type, std::move(shape), std::vector<std::byte>(bytes), words, code);
  }
  void Other(const std::string& part, TensorType type, std::vector<uint64_t> shape,
             std::vector<std::byte> bytes, const std::string& words,
             ErrorCode code = ErrorCode::kBadModel) const {
    TensorBank bank = Good();
    bank.AddBytes("m" + part, type, std::move(shape), std::move(bytes));
    ExpectRefused(bank, settings_, words, code);
  }

 private:
  TensorBank Good() const {
    TensorBank bank;
    AddQuantized("m", matrix_, &bank);
    EXPECT_TRUE(Join(bank, settings_));
    return bank;
  }
  const std::string settings_;
  const QuantizedMatrix matrix_;
};

TEST(CompressedTensors, PartsThatDoNotBelongTogether) {
  const OneTensor packed({.symmetric = false, .act_order = true});
  packed.Missing(".weight_scale", "m.weight_scale is missing");
  packed.Missing(".weight_shape", "m.weight_shape is missing");
  packed.Missing(".weight_packed", "m.weight is missing");
  packed.Zeros(".weight_packed", TensorType::kI32, {32, 0}, "a matrix of I32; found I32 [32, 0]");
  packed.Zeros(".weight_packed", TensorType::kI32, {256}, "a matrix of I32; found I32 [256]");
  packed.Zeros(".weight_packed", TensorType::kI32, {32, 17}, "does not hold the matrix [32, 64]");
  packed.Zeros(".weight_packed", TensorType::kI32, {31, 8}, "does not hold the matrix [32, 64]");
  packed.Zeros(".weight_shape", TensorType::kI64, {2}, "does not hold the matrix [0, 0]");
  packed.Zeros(".weight_shape", TensorType::kI32, {2}, "should be I64 [2]");
  packed.Zeros(".weight_shape", TensorType::kI64, {3}, "should be I64 [2]");
  packed.Other(".weight_shape", TensorType::kI64, {2}, Bytes(std::vector<int64_t>{32, -1}),
               "does not hold");
  packed.Zeros(".weight_scale", TensorType::kI32, {32, 2}, "scales for the rows");
  packed.Zeros(".weight_scale", TensorType::kBF16, {32, 3}, "found BF16 [32, 3]");
  packed.Zeros(".weight_scale", TensorType::kBF16, {31, 2}, "found BF16 [31, 2]");
  packed.Zeros(".weight_scale", TensorType::kBF16, {0}, "found BF16 [0]");
  packed.Zeros(".weight_scale", TensorType::kBF16, {32, 2, 1}, "found BF16 [32, 2, 1]");
  packed.Zeros(".weight_zero_point", TensorType::kI32, {5, 2}, "should be I32 [4, 2]");
  packed.Zeros(".weight_zero_point", TensorType::kI8, {32, 1}, "should be I32 [4, 2], or I8");
  packed.Zeros(".weight_g_idx", TensorType::kI32, {63}, "should be I32 [64]");
  packed.Zeros(".weight_g_idx", TensorType::kI64, {64}, "should be I32 [64]");
  std::vector<int32_t> index(64, 1);
  index[9] = 2;
  packed.Other(".weight_g_idx", TensorType::kI32, {64}, Bytes(index), "input 9 is in group 2 of 2");
  index[9] = -1;
  packed.Other(".weight_g_idx", TensorType::kI32, {64}, Bytes(index),
               "input 9 is in group -1 of 2");

  const OneTensor bytes({.layout = CodeLayout::kInt8, .bits = 8, .symmetric = false});
  bytes.Missing(".weight", "m.weight is missing");
  bytes.Zeros(".weight", TensorType::kI16, {32, 64}, "a matrix of I8 or F8_E4M3");
  bytes.Zeros(".weight", TensorType::kI8, {64}, "a matrix of I8 or F8_E4M3");
  bytes.Zeros(".weight_zero_point", TensorType::kI32, {32, 2}, "should be I8");
  bytes.Zeros(".weight_zero_point", TensorType::kI8, {32}, "should be I8");
  const OneTensor float8({.layout = CodeLayout::kFloat8, .bits = 8});
  float8.Zeros(".weight_scale", TensorType::kF32, {2, 2}, "scales for the rows, groups or blocks");
  float8.Zeros(".weight_zero_point", TensorType::kI8, {32, 1}, "have no zero points");
}

TEST(CompressedTensors, UnsetGroupIndicesMeanOrder) {
  const QuantizedMatrix matrix = QuantizeMatrix(RandomValues({32, 64}, 8), 32, 64, {});
  TensorBank bank;
  AddQuantized("m", matrix, &bank);
  bank.AddBytes("m.weight_g_idx", TensorType::kI32, {64}, Bytes(std::vector<int32_t>(64, -1)));
  const auto view = Join(bank, kCt);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(ValuesOf(*view), matrix.Values());
}

TEST(Gptq, PartsThatDoNotBelongTogether) {
  const OneTensor gptq({.layout = CodeLayout::kGptq, .act_order = true});
  gptq.Missing(".qzeros", "m.qzeros is missing");
  gptq.Missing(".scales", "m.scales is missing");
  gptq.Zeros(".qweight", TensorType::kI32, {256}, "a matrix of I32");
  gptq.Zeros(".qweight", TensorType::kI16, {8, 32}, "a matrix of I32");
  gptq.Zeros(".qweight", TensorType::kI32, {8, 16}, "neither as GPTQ's nor as AWQ's",
             ErrorCode::kUnsupported);
  gptq.Zeros(".qweight", TensorType::kI32, {9, 32}, "should be I32 [72]");  // g_idx
  gptq.Zeros(".qzeros", TensorType::kI32, {2, 5}, "does not belong to");
  gptq.Zeros(".qzeros", TensorType::kI32, {3, 4}, "does not belong to");
  gptq.Zeros(".qzeros", TensorType::kI32, {2, 4}, "begins with 0, but the configuration says sym");
  gptq.Zeros(".scales", TensorType::kI32, {2, 32}, "F16, BF16 or F32");
  gptq.Zeros(".scales", TensorType::kF16, {3, 32}, "does not belong to");
  gptq.Zeros(".g_idx", TensorType::kI32, {65}, "should be I32 [64]");
  gptq.Other(".g_idx", TensorType::kI32, {64}, Bytes(std::vector<int32_t>(64, 2)),
             "input 0 is in group 2 of 2");
  const OneTensor ordered({.layout = CodeLayout::kGptq});
  ordered.Zeros(".g_idx", TensorType::kI32, {64}, "input 32 is in group 0, but without desc_act");
  const OneTensor awq({.layout = CodeLayout::kAwq});
  awq.Zeros(".qzeros", TensorType::kI32, {2, 3}, "should be I32 [2, 4]");
  awq.Zeros(".scales", TensorType::kF16, {3, 32}, "should be I32 [3, 4]");
}

TEST(Gptq, UnknownFormatsAreRefused) {
  TensorBank bank;
  AddQuantized("m",
               QuantizeMatrix(RandomValues({32, 64}, 8), 32, 64,
                              {.layout = CodeLayout::kGptq, .symmetric = false}),
               &bank);
  for (const char* settings : {R"({"quant_method":"gptq","checkpoint_format":"marlin"})",
                               R"({"quant_method":"gptq","is_marlin_format":true})",
                               R"({"quant_method":"awq","version":"gemv"})",
                               R"({"quant_method":"awq","version":"ipex"})"}) {
    ExpectRefused(bank, settings, "the weights are laid out as", ErrorCode::kUnsupported);
  }
  ExpectRefused(bank, R"({"quant_method":"auto-round","sym":false})", "not known well enough",
                ErrorCode::kUnsupported);
}

TEST(HfQuantization, RotationsAreRefused) {
  const auto refused = Parse(
      R"({"quant_method":"compressed-tensors","transform_config":{"config_groups":{"R1":{}}}})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("transform_config"), std::string::npos);
  EXPECT_TRUE(Parse(R"({"quant_method":"compressed-tensors","transform_config":{}})"));
  EXPECT_TRUE(Parse(R"({"quant_method":"compressed-tensors","transform_config":null})"));
}

TEST(HfQuantization, OtherMethodsAreNamed) {
  const auto refused = [](const char* part, TensorType type, const std::string& words) {
    TensorBank bank;
    bank.AddBytes("m" + std::string(part), type, {4},
                  std::vector<std::byte>(4 * InfoOf(type).block_bytes));
    ExpectRefused(bank, "{}", words, ErrorCode::kUnsupported);
    const auto view = Join(bank, "{}");
    EXPECT_NE(view.error().message.find("m" + std::string(part)), std::string::npos);
    EXPECT_NE(view.error().message.find("oad"), std::string::npos) << "says what to load";
  };
  refused(".weight.absmax", TensorType::kU8, "bitsandbytes");
  refused(".weight.quant_state.bitsandbytes__nf4", TensorType::kU8, "bitsandbytes");
  refused(".SCB", TensorType::kF32, "bitsandbytes");
  refused(".weight_scale_2", TensorType::kF32, "NVFP4");
  refused(".weight_global_scale", TensorType::kF32, "NVFP4");
  refused(".weight_packed", TensorType::kU8, "MXFP4");
  refused(".weight_scale", TensorType::kU8, "MXFP8");
  refused(".bitmask", TensorType::kU8, "sparse");
  refused(".scale_packed", TensorType::kF16, "Marlin");
  refused(".B", TensorType::kI32, "Marlin");
  refused(".W_q", TensorType::kU8, "HQQ");
  refused(".trellis", TensorType::kI16, "EXL3");
  refused(".q_weight", TensorType::kI32, "EXL2");
  refused(".codebooks", TensorType::kF16, "AQLM");
  refused(".weight._data", TensorType::kI8, "Quanto");
  refused("._weight_qdata", TensorType::kI8, "torchao");
  refused(".weight_scales", TensorType::kF16, "EETQ");
  // These use names that are known, and may mean something else.
  for (const char* method : {"quark", "fbgemm_fp8", "something-new"}) {
    TensorBank bank;
    bank.AddBytes("m.weight", TensorType::kF8_E4M3, {1, 1}, std::vector<std::byte>(1));
    bank.Add("m.weight_scale", TensorType::kF32, {1, 1}, {1});
    ExpectRefused(bank, "{\"quant_method\":\"" + std::string(method) + "\"}", method,
                  ErrorCode::kUnsupported);
  }
}

// ---- Folders

class QuantizedFolder : public ::testing::Test {
 protected:
  QuantizedFolder() {
    config_ = TinyVisionConfig();
    config_.text.hidden_size = 64;
    config_.vision.hidden_size = 96;
    EXPECT_TRUE(WriteHfFolder(source_.path(), config_));
  }

  void Load(const std::string& folder) {
    json_ = ReadFile(folder + "/config.json", 1 << 20).value();
    set_ = OpenSafetensors(folder + "/model.safetensors").value();
    tensors_ = set_.tensors;
  }
  void Quantize(const QuantizedOptions& options) {
    EXPECT_TRUE(WriteQuantizedFolder(source_.path(), folder_.path(), options));
    Load(folder_.path());
  }
  // Puts a member into config.json, at its begin.
  void Configure(const std::string& member) { json_.insert(json_.find('{') + 1, member + ","); }

  Result<Checkpoint> Open() {
    changed_.Write("config.json", json_);
    EXPECT_TRUE(WriteSafetensors(changed_.path() + "/model.safetensors", tensors_));
    return OpenCheckpoint(changed_.path());
  }
  static bool Notes(const Checkpoint& checkpoint, const std::string& part) {
    return std::ranges::count_if(checkpoint.remarks.notes, [&](const std::string& note) {
             return note.find(part) != std::string::npos;
           }) == 1;
  }

  const std::string layer_ = "language_model.model.layers.2.";
  TempFolder source_, folder_, changed_;
  ModelConfig config_;
  std::string json_;
  SafetensorsSet set_;
  TensorMap tensors_;
  TensorBank extra_;
};

TEST_F(QuantizedFolder, ModulesAreQuantisedWhereTheirTensorsAre) {
  Quantize({});
  // One layer's module in 16 bits again, the tower plain; scales for activations are left out.
  const std::string module = layer_ + "mlp.up_proj";
  for (const char* part : {".weight_packed", ".weight_scale", ".weight_shape"}) {
    tensors_.erase(module + part);
  }
  extra_.Add("plain", TensorType::kBF16, {64, 64}, RandomValues({64, 64}, 3));
  extra_.Add("scale", TensorType::kF32, {1}, {1});
  tensors_[module + ".weight"] = extra_.views().at("plain");
  tensors_[module + ".input_scale"] = extra_.views().at("scale");
  tensors_[layer_ + "self_attn.k_scale"] = extra_.views().at("scale");
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->tensors.at("layers.2.mlp.up_proj.weight").type, TensorType::kBF16);
  EXPECT_EQ(StoredType(checkpoint->tensors.at("layers.1.mlp.up_proj.weight")), "CT-int4");
  EXPECT_EQ(StoredType(checkpoint->tensors.at("vision.encoder.layers.0.mlp.fc1.weight")), "BF16");
  EXPECT_EQ(checkpoint->remarks.notes.size(), 1u);
  EXPECT_TRUE(Notes(*checkpoint, "activations and keys"));
  EXPECT_TRUE(checkpoint->remarks.warnings.empty());
}

TEST_F(QuantizedFolder, ATowerMayBeQuantisedToo) {
  Quantize({.layout = CodeLayout::kInt8, .bits = 8, .group_size = 0, .tower = true});
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(StoredType(checkpoint->tensors.at("vision.encoder.layers.0.mlp.fc1.weight")),
            "CT-int8");
  EXPECT_TRUE(Notes(*checkpoint, "activations and keys"));
}

TEST_F(QuantizedFolder, GptqSettingsMayLieInAFileOfTheirOwn) {
  Quantize({.layout = CodeLayout::kGptqV2, .symmetric = false});
  const size_t at = json_.find("\"quantization_config\"");
  ASSERT_NE(at, std::string::npos);
  json_.replace(at, 21, "\"something_else\"");
  const auto without = Open();
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().message.find("quantize_config.json"), std::string::npos);
  changed_.Write("quantize_config.json",
                 R"({"bits":4,"group_size":32,"sym":false,"checkpoint_format":"gptq_v2"})");
  EXPECT_TRUE(Open());
}

TEST_F(QuantizedFolder, AStaleConfigurationIsANote) {
  Load(source_.path());
  const std::string json = json_;
  for (const char* method : {"bitsandbytes", "gptq", "awq", "compressed-tensors", "fp8", "hqq",
                             "torchao", "quark", "something-new"}) {
    json_ = json;
    Configure("\"quantization_config\":{\"quant_method\":\"" + std::string(method) +
              "\",\"load_in_4bit\":true}");
    const auto checkpoint = Open();
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_EQ(checkpoint->remarks.notes.size(), 1u);
    EXPECT_TRUE(Notes(*checkpoint, "quantised by " + std::string(method)));
  }
  json_ = json;
  Configure(R"("quantization_config":{"bits":4,"group_size":64,"mode":"mxfp8"})");
  EXPECT_TRUE(Open());
  json_ = json;
  Configure(R"("quantization_config":{})");
  const auto unnamed = Open();
  ASSERT_TRUE(unnamed) << unnamed.error().message;
  EXPECT_TRUE(Notes(*unnamed, "an unnamed method"));
}

TEST_F(QuantizedFolder, AMatrixOfBytesIsNoStaleConfiguration) {
  Load(source_.path());
  Configure(R"("quantization_config":{"quant_method":"bitsandbytes","load_in_4bit":true})");
  const std::string weight = layer_ + "mlp.up_proj.weight";
  extra_.AddBytes("bytes", TensorType::kU8, {64 * 64 / 2, 1}, std::vector<std::byte>(64 * 32));
  tensors_[weight] = extra_.views().at("bytes");
  const auto alone = Open();
  ASSERT_FALSE(alone);
  EXPECT_NE(alone.error().message.find("bitsandbytes"), std::string::npos) << alone.error().message;
  EXPECT_NE(alone.error().message.find("without -bnb-4bit"), std::string::npos);
  tensors_[weight + ".absmax"] = extra_.views().at("bytes");
  const auto marked = Open();
  ASSERT_FALSE(marked);
  EXPECT_EQ(marked.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(marked.error().message.find(weight + ".absmax"), std::string::npos);
  EXPECT_NE(marked.error().message.find("without -bnb-4bit"), std::string::npos);
}

TEST_F(QuantizedFolder, TheSiblingOfATrainingCopyIsNamed) {
  const TempFolder parent;
  const std::string folder = parent.path() + "/models--unsloth--gemma-3-4b-it-unsloth-bnb-4bit/x";
  Load(source_.path());
  extra_.AddBytes("bytes", TensorType::kU8, {1}, std::vector<std::byte>(1));
  tensors_[layer_ + "mlp.up_proj.weight.absmax"] = extra_.views().at("bytes");
  std::filesystem::create_directories(folder);
  EXPECT_TRUE(WriteSafetensors(folder + "/model.safetensors", tensors_));
  std::filesystem::copy_file(source_.path() + "/config.json", folder + "/config.json");
  const auto refused = OpenCheckpoint(folder);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("Load gemma-3-4b-it, the model"), std::string::npos)
      << refused.error().message;
}

// Weights of a model that was calibrated and saved before it was quantised.
TEST_F(QuantizedFolder, ScalesBesidePlainWeightsAreLeftOut) {
  Load(source_.path());
  Configure(R"("quantization_config":{"quant_method":"compressed-tensors","format":"dense"})");
  extra_.Add("scale", TensorType::kBF16, {64, 1}, std::vector<float>(64, 1));
  tensors_[layer_ + "mlp.up_proj.weight_scale"] = extra_.views().at("scale");
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_TRUE(Notes(*checkpoint, "1 scales and zero points"));
}

TEST_F(QuantizedFolder, MatricesThatBecomeFloatsAreNoted) {
  Quantize({.layout = CodeLayout::kFloat8, .bits = 8, .group_size = 0});
  const auto float8 = Open();
  ASSERT_TRUE(float8) << float8.error().message;
  EXPECT_TRUE(Notes(*float8, "matrices of FP8 become BF16"));
  Quantize({.layout = CodeLayout::kGptq, .act_order = true});
  const auto ordered = Open();
  ASSERT_TRUE(ordered) << ordered.error().message;
  EXPECT_TRUE(Notes(*ordered, "become F32 in memory"));
}

}  // namespace
}  // namespace gemma3::testing
