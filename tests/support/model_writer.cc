// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Random models on disk.
#include "tests/support/model_writer.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/base/half.h"
#include "src/base/status.h"
#include "src/formats/safetensors.h"

namespace gemma3::testing {
namespace {

// splitmix64: a sequence that no standard library changes.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  double Uniform() {  // in (0, 1)
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (static_cast<double>((z ^ (z >> 31)) >> 12) + 0.5) * 0x1p-52;
  }

  double Normal() {  // Box and Muller
    return std::sqrt(-2 * std::log(Uniform())) * std::cos(6.283185307179586 * Uniform());
  }

 private:
  uint64_t state_;
};

uint32_t HashName(const std::string& name) {  // FNV-1a
  uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

void Spill(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

ModelConfig TinyTextConfig() {
  ModelConfig config;
  config.name = "tiny";
  TextConfig& text = config.text;
  text.vocab_size = 300;
  text.hidden_size = 32;
  text.intermediate_size = 64;
  text.num_layers = 7;
  text.num_heads = 4;
  text.num_kv_heads = 2;
  text.head_dim = 16;
  text.attention_scale = 0.25f;
  text.sliding_window = 8;
  text.max_context = 512;
  text.rope_factor_global = 8;
  for (size_t i = 0; i < text.num_layers; ++i) {
    text.layers.push_back((i + 1) % 6 == 0 ? LayerKind::kGlobal : LayerKind::kLocal);
  }
  return config;
}

ModelConfig TinyVisionConfig() {
  ModelConfig config = TinyTextConfig();
  config.has_vision = true;
  VisionConfig& vision = config.vision;
  vision.hidden_size = 24;
  vision.intermediate_size = 40;
  vision.num_layers = 2;
  vision.num_heads = 3;
  vision.image_size = 56;
  vision.patch_size = 14;
  vision.tokens_per_image = 4;
  config.tokens.start_of_image = 297;
  config.tokens.end_of_image = 298;
  config.tokens.image_soft_token = 299;
  return config;
}

void TensorBank::AddBytes(const std::string& name, TensorType type, std::vector<uint64_t> shape,
                          std::vector<std::byte> bytes) {
  storage_.push_back(std::move(bytes));
  views_[name] = {.type = type,
                  .shape = std::move(shape),
                  .data = storage_.back().data(),
                  .bytes = storage_.back().size(),
                  .file = nullptr};
}

void TensorBank::Add(const std::string& name, TensorType type, std::vector<uint64_t> shape,
                     const std::vector<float>& values) {
  const size_t size = InfoOf(type).block_bytes;
  std::vector<std::byte> bytes(values.size() * size);
  for (size_t i = 0; i < values.size(); ++i) {
    std::byte* out = bytes.data() + i * size;
    if (type == TensorType::kF32) {
      std::memcpy(out, &values[i], size);
    } else {
      const uint16_t half =
          type == TensorType::kF16 ? HalfFromFloat(values[i]) : Bf16FromFloat(values[i]);
      std::memcpy(out, &half, size);
    }
  }
  AddBytes(name, type, std::move(shape), std::move(bytes));
}

std::vector<float> RandomValues(const std::vector<uint64_t>& shape, uint32_t seed) {
  uint64_t count = 1, inputs = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    count *= shape[i];
    if (i > 0) inputs *= shape[i];
  }
  const double deviation = shape.size() < 2 ? 0.1 : 1 / std::sqrt(static_cast<double>(inputs));
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(deviation * random.Normal());
  return values;
}

TensorBank RandomTensors(const ShapeTable& table, TensorType type, uint32_t seed) {
  TensorBank bank;
  for (const auto& [name, shape] : table) {
    bank.Add(name, type, shape, RandomValues(shape, seed * 2654435761u + HashName(name)));
  }
  return bank;
}

std::string HfName(const std::string& canonical, HfNames names) {
  const auto rest = [&](const char* prefix) {
    return canonical.substr(std::string(prefix).size());
  };
  const std::string outer = names == HfNames::kNew ? "model." : "";
  if (canonical.starts_with("vision."))
    return outer + "vision_tower.vision_model." + rest("vision.");
  if (canonical.starts_with("projector.")) {
    return outer + "multi_modal_projector." + rest("projector.");
  }
  switch (names) {
    case HfNames::kTextOnly:
      return "model." + canonical;
    case HfNames::kOfficial:
      return "language_model.model." + canonical;
    case HfNames::kNew:
      return "model.language_model." + canonical;
  }
  return canonical;
}

Status WriteHfFolder(const std::string& folder, const ModelConfig& config, uint32_t seed,
                     TensorType type, HfNames names) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  ShapeTable table = TextShapes(config.text);
  if (config.has_vision) table.merge(VisionShapes(config.vision, config.text));
  const TensorBank bank = RandomTensors(table, type, seed);
  TensorMap named;
  for (const auto& [name, view] : bank.views()) {
    named[HfName(name, config.has_vision ? names : HfNames::kTextOnly)] = view;
  }
  Spill(folder + "/config.json", HfConfigJson(config));
  Spill(folder + "/generation_config.json", HfGenerationJson(config));
  return WriteSafetensors(folder + "/model.safetensors", named);
}

}  // namespace gemma3::testing
