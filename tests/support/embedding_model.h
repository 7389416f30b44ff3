// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The tiny EmbeddingGemma of tests/data/embedding: as a folder that can be changed, and as GGUF
// files of all kinds that there are.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/base/spm_proto.h"
#include "src/formats/checkpoint.h"
#include "src/formats/dequantize.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {

inline std::string EmbeddingData() {
  return std::string(GEMMA3_SOURCE_DIR) + "/tests/data/embedding/";
}

// With the demo model's tokenizer, which it was made with.
class EmbeddingFolder {
 public:
  EmbeddingFolder() {
    namespace fs = std::filesystem;
    fs::copy(EmbeddingData() + "tiny", path(), fs::copy_options::recursive);
    fs::copy(std::string(GEMMA3_DEMO_DIR) + "/tokenizer.model", path() + "/tokenizer.model");
  }
  const std::string& path() const { return folder_.path(); }
  std::string Path(const std::string& name) const { return path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) { folder_.Write(name, text); }
  void Remove(const std::string& name) { std::filesystem::remove_all(Path(name)); }
  void Edit(const std::string& name, const std::function<void(nlohmann::json&)>& edit) {
    std::ifstream in(Path(name));
    nlohmann::json json = in ? nlohmann::json::parse(in) : nlohmann::json::object();
    edit(json);
    Write(name, json.dump());
  }

 private:
  TempFolder folder_;
};

struct EmbeddingGgufOptions {
  bool older = false;  // architecture gemma3, dense.0 and dense.1, no key of the dense layers
  bool dense = true;
  TensorType matrices = TensorType::kBF16;  // kF32 and blocks of 32, too
  // Called before the tensors are written.
  std::function<void(GgufWriter&)> add_keys = {};
};

// What converters write of the folder's model, with the norms' 1 added.
inline std::string WriteEmbeddingGguf(const TempFolder& to, const std::string& name,
                                      const EmbeddingGgufOptions& options = {}) {
  const EmbeddingFolder folder;
  const auto checkpoint = OpenCheckpoint(folder.path());
  if (!checkpoint) {
    ADD_FAILURE() << checkpoint.error().message;
    return {};
  }
  const TextConfig& text = checkpoint->config.text;
  GgufWriter writer;
  const std::string architecture = options.older ? "gemma3" : "gemma-embedding";
  AddTextKeys(text, architecture, (text.sliding_window - 1) * 2, &writer);
  const auto put = [&](const char* key, size_t value) {
    writer.Key(architecture + "." + key, static_cast<uint32_t>(value));
  };
  put("pooling_type", 1);
  writer.Key(architecture + ".attention.layer_norm_rms_epsilon", text.rms_norm_eps);
  writer.Key(architecture + ".rope.freq_base", text.rope_theta_global);
  if (options.older) {
    writer.KeyBool("gemma3.attention.causal", false);
    std::vector<bool> local;
    for (const LayerKind kind : text.layers) local.push_back(kind == LayerKind::kLocal);
    writer.KeyBools("gemma3.attention.sliding_window_pattern", local);
  } else {
    writer.Key(architecture + ".rope.freq_base_swa", text.rope_theta_local);
    const auto& dense = checkpoint->config.embedding->dense;
    put("dense_2_feat_in", dense[0].inputs);
    put("dense_2_feat_out", dense[0].outputs);
    put("dense_3_feat_in", dense[1].inputs);
    put("dense_3_feat_out", dense[1].outputs);
  }
  const auto vocabulary = ParseSpmProto(checkpoint->tokenizer_proto, "the demo's tokenizer");
  if (!vocabulary) {
    ADD_FAILURE() << vocabulary.error().message;
    return {};
  }
  AddVocabulary(*vocabulary, &writer);
  writer.KeyBool("tokenizer.ggml.add_eos_token", true);
  if (options.add_keys) options.add_keys(writer);

  for (const auto& [canonical, view] : checkpoint->tensors) {
    if (canonical.starts_with("dense.") && !options.dense) continue;
    std::string gguf = GgufName(canonical);
    if (canonical == "dense.0.weight" && !options.older) gguf = "dense_2.weight";
    if (canonical == "dense.1.weight" && !options.older) gguf = "dense_3.weight";
    size_t count = 1;
    for (const uint64_t dim : view.shape) count *= dim;
    std::vector<float> values(count);
    Dequantize(view.type, view.data, count, values.data());
    const bool vector = view.shape.size() == 1;
    if (vector) {
      for (float& value : values) value += 1;
    }
    TensorBank bank;
    const TensorType type = vector ? TensorType::kF32 : options.matrices;
    std::vector<std::byte> bytes;
    if (InfoOf(type).block_elems > 1) {
      bytes = QuantizeBlocks(type, values);
    } else {
      bank.Add("t", type, view.shape, values);
      const TensorView& made = bank.views().at("t");
      bytes.assign(made.data, made.data + made.bytes);
    }
    writer.Tensor(gguf, type, view.shape, std::move(bytes));
  }
  const std::string path = to.path() + "/" + name;
  if (const Status written = WriteGguf(path, writer); !written) {
    ADD_FAILURE() << written.error().message;
  }
  return path;
}

}  // namespace gemma3::testing
