// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// LoRA adapters as people have them, brought to one form: folders of PEFT (huggingface/peft,
// src/peft/tuners/lora), Unsloth's among them, and of MLX (ml-explore/mlx-lm, mlx_lm/tuner), and
// GGUF files (ggml-org/llama.cpp, src/llama-adapter.cpp). No weight is read.
//
// Nothing in a file is passed over: a tensor that has no meaning here is an error that names it,
// for an adapter that does nothing looks like one that works.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gemma3/error.h"
#include "src/automata/text_dfa.h"
#include "src/base/file_map.h"
#include "src/base/remarks.h"
#include "src/base/tensor.h"

namespace gemma3 {

// y = W x becomes y + scale * B (A x). Either factor may be stored transposed.
struct LoraFactors {
  TensorView a, b;
  bool a_transposed = false;  // [inputs, rank] in place of [rank, inputs]
  bool b_transposed = false;  // [rank, outputs] in place of [outputs, rank]
  double scale = 1;
  std::optional<TensorView> bias = {};       // of B: scale * bias is added, too
  std::optional<TensorView> magnitude = {};  // DoRA: lengths of the rows of W + scale * B A
  std::string key;                           // as the file spells A, for messages
};

// A tensor that takes another one's place, or that of rows of it.
struct ReplacedTensor {
  TensorView tensor;
  std::string key;
};

struct AdapterFile {
  std::string path, name;  // name: of the folder or file
  // By module, under canonical names without ".weight" (checkpoint.h): "layers.3.mlp.up_proj",
  // "embed_tokens", "lm_head", "vision.encoder.layers.0.self_attn.q_proj". Of embed_tokens, inputs
  // are tokens, and rows of the table get the delta, transposed.
  std::map<std::string, LoraFactors> factors;
  std::map<std::string, ReplacedTensor> whole;       // by module
  std::map<std::string, ReplacedTensor> token_rows;  // by module: rows at token_ids
  std::map<std::string, std::vector<uint64_t>> token_ids;
  // What is done to the embedding is done to a head that repeats it, too; or only that of two whole
  // tables one stands for both.
  bool ties_head = false, ties_tables = false;
  // Tokens that the files beside it add to a vocabulary: spellings.
  std::vector<std::string> added_tokens;
  std::string base_model;  // that it names, "" where it names none
  Remarks remarks;
  std::vector<std::shared_ptr<const FileMap>> files;
};

// A folder with adapter_config.json, the safetensors file in one, or a GGUF file. Errors: kIo;
// kBadModel; kUnsupported for other kinds of adapters, by name, and for one without tensors.
Result<AdapterFile> OpenAdapterFile(const std::string& path);

// What a folder holds: the text of its adapter_config.json, and its tensors, under the names that
// messages call them by. As OpenAdapterFile, without tokens and files.
Result<AdapterFile> ReadAdapterTensors(const std::string& config, const std::string& config_name,
                                       TensorMap tensors, const std::string& tensors_name);

// The modules that a pattern of alpha_pattern means: those whose whole name it matches, or what is
// behind a point of it. A regular expression of Python's, in as far as it means the same to
// automata/regex.h. Errors: kUnsupported for what is not understood there.
Result<TextDfa> CompileModulePattern(const std::string& pattern);

}  // namespace gemma3
