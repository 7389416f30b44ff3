// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// LoRA adapters for tests: random ones for any model, and those of files in other formats.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "gemma3/config.h"
#include "src/formats/dequantize.h"
#include "src/formats/safetensors.h"
#include "src/formats/shape_table.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {

inline constexpr char kPlainConfig[] =
    R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none"})";

// What PEFT saves of factors A and B of the modules ("layers.0.mlp.up_proj") of a model.
inline void WriteRandomAdapter(const TempFolder& folder, const std::string& name,
                               const ModelConfig& config, const std::vector<std::string>& modules,
                               uint32_t seed, double size = 0.3,
                               const std::string& prefix = "base_model.model.model.") {
  constexpr size_t kRank = 4;
  const ShapeTable shapes = ShapesOf(config);
  TensorBank bank;
  for (const std::string& module : modules) {
    const auto& shape = shapes.at(module + ".weight");
    const auto add = [&](const char* half, std::vector<uint64_t> dims, double scale) {
      std::vector<float> values = RandomValues(dims, seed++);
      for (float& value : values) value *= static_cast<float>(scale);
      bank.Add(prefix + module + half, TensorType::kF32, dims, values);
    };
    add(".lora_A.weight", {kRank, shape[1]}, 1);
    add(".lora_B.weight", {shape[0], kRank}, size);
  }
  folder.Write(name + "/adapter_config.json", kPlainConfig);
  const Status written =
      WriteSafetensors(folder.path() + "/" + name + "/adapter_model.safetensors", bank.views());
  ASSERT_TRUE(written) << written.error().message;
}

// Every linear layer of the text model.
inline std::vector<std::string> AllModules(const TextConfig& text) {
  std::vector<std::string> modules;
  for (size_t i = 0; i < text.num_layers; ++i) {
    for (const char* part : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                             "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
      modules.push_back("layers." + std::to_string(i) + "." + part);
    }
  }
  return modules;
}

// The tensors of a PEFT file of plain factors, by module and half, as floats.
struct Factor {
  std::vector<uint64_t> shape;
  std::vector<float> values;
};
inline std::map<std::pair<std::string, bool>, Factor> ReadFactors(const std::string& path) {
  std::map<std::pair<std::string, bool>, Factor> factors;
  const auto set = OpenSafetensors(path);
  EXPECT_TRUE(set) << set.error().message;
  for (const auto& [name, view] : set->tensors) {
    const size_t at = name.find(".lora_");
    const size_t begin = name.find("layers.");
    Factor factor{view.shape, std::vector<float>(view.shape[0] * view.shape[1])};
    Dequantize(view.type, view.data, factor.values.size(), factor.values.data());
    factors[{name.substr(begin, at - begin), name[at + 6] == 'A'}] = std::move(factor);
  }
  return factors;
}

// The same adapter as MLX keeps it (transposed, with a scale), or llama.cpp.
inline void WriteAsMlx(const TempFolder& folder, const std::string& peft, double scale) {
  TensorBank bank;
  for (const auto& [key, factor] : ReadFactors(peft)) {
    const uint64_t rows = factor.shape[0], cols = factor.shape[1];
    std::vector<float> turned(factor.values.size());
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < cols; ++c) turned[c * rows + r] = factor.values[r * cols + c];
    }
    bank.Add("model." + key.first + (key.second ? ".lora_a" : ".lora_b"), TensorType::kF32,
             {cols, rows}, turned);
  }
  folder.Write("mlx/adapter_config.json", R"({"fine_tune_type": "lora", "num_layers": 16,
      "lora_parameters": {"rank": 4, "dropout": 0.0, "scale": )" +
                                              std::to_string(scale) + "}}");
  ASSERT_TRUE(WriteSafetensors(folder.path() + "/mlx/adapters.safetensors", bank.views()));
}

inline void WriteAsGguf(const TempFolder& folder, const std::string& peft, float alpha) {
  static const std::map<std::string, std::string> kParts = {
      {"self_attn.q_proj", "attn_q"}, {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"},
      {"mlp.gate_proj", "ffn_gate"},  {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}};
  GgufWriter writer;
  writer.KeyString("general.architecture", "gemma3");
  writer.KeyString("general.type", "adapter");
  writer.KeyString("adapter.type", "lora");
  writer.Key("adapter.lora.alpha", alpha);
  for (const auto& [key, factor] : ReadFactors(peft)) {
    const size_t part = key.first.find('.', 7) + 1;
    TensorBank bank;
    bank.Add("t", TensorType::kF32, factor.shape, factor.values);
    const TensorView& view = bank.views().at("t");
    writer.Tensor("blk." + key.first.substr(7, part - 7) + kParts.at(key.first.substr(part)) +
                      ".weight" + (key.second ? ".lora_a" : ".lora_b"),
                  TensorType::kF32, factor.shape, {view.data, view.data + view.bytes});
  }
  ASSERT_TRUE(WriteGguf(folder.path() + "/adapter.gguf", writer));
}

}  // namespace gemma3::testing
