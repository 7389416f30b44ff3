// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Writing GGUF files, whole ones for tests that need a model and broken ones for tests of the
// reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/tensor.h"
#include "src/base/vocabulary.h"

namespace gemma3::testing {

// Quantises as the reference does without an importance matrix: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 from
// values, whose count is a multiple of 32.
std::vector<std::byte> QuantizeBlocks(TensorType type, const std::vector<float>& values);

// Random codes with random scales for any block type, so that values lie between about -1 and 1.
std::vector<std::byte> RandomBlocks(TensorType type, size_t elements, uint32_t seed);

// The id of a type in the file format.
uint32_t GgufTypeId(TensorType type);

// Appends the bytes of a GGUF file piece by piece; nothing is checked.
class GgufWriter {
 public:
  template <class T>
  void Key(const std::string& key, T value) {
    StartKey(key);
    Value(value);
  }
  void KeyBool(const std::string& key, bool value);
  void KeyString(const std::string& key, std::string_view value);
  void KeyStrings(const std::string& key, const std::vector<std::string>& values);
  void KeyFloats(const std::string& key, const std::vector<float>& values);
  void KeyInts(const std::string& key, const std::vector<int32_t>& values);
  void KeyBools(const std::string& key, const std::vector<bool>& values);
  // A key with anything behind it: the type id and the value's bytes.
  void KeyRaw(const std::string& key, uint32_t type, std::string_view bytes);

  // `shape` is slowest first, as in TensorView.
  void Tensor(const std::string& name, TensorType type, const std::vector<uint64_t>& shape,
              std::vector<std::byte> bytes);
  // A description with anything in it, and `bytes` of data.
  void TensorRaw(std::string_view name, const std::vector<int64_t>& ne, int32_t type,
                 uint64_t offset, size_t bytes);

  // What a correct file would be given for the next tensor.
  uint64_t NextOffset() const { return data_.size(); }

  // Public, so that tests can lie about them.
  uint32_t magic = 0x46554747, version = 3;
  int64_t extra_tensors = 0, extra_keys = 0;  // added to the counts
  uint32_t alignment = 32;                    // written as a key unless 32

  std::string Finish() const;

 private:
  void StartKey(const std::string& key);
  template <class T>
  void Value(T value) {
    if constexpr (std::is_same_v<T, uint32_t>) {
      PutRaw(uint32_t{4}, keys_);
    } else if constexpr (std::is_same_v<T, int32_t>) {
      PutRaw(uint32_t{5}, keys_);
    } else if constexpr (std::is_same_v<T, float>) {
      PutRaw(uint32_t{6}, keys_);
    } else if constexpr (std::is_same_v<T, uint64_t>) {
      PutRaw(uint32_t{10}, keys_);
    } else if constexpr (std::is_same_v<T, uint16_t>) {
      PutRaw(uint32_t{2}, keys_);
    } else {
      static_assert(std::is_same_v<T, double>);
      PutRaw(uint32_t{12}, keys_);
    }
    PutRaw(value, keys_);
  }
  template <class T>
  static void PutRaw(T value, std::string& out) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void PutString(std::string_view value, std::string& out);

  int64_t key_count_ = 0, tensor_count_ = 0;
  std::string keys_, infos_, data_;
};

// <pad> <eos> <bos> <unk> <mask>, all bytes, "ab", "abc", letters, unused pieces, and in the last
// places of `config` its image marks: `config.text.vocab_size` pieces, at least 280.
SpmVocabulary TinyVocabulary(const ModelConfig& config);

enum class GgufVision { kNone, kOllama };  // kOllama: in the same file

struct GgufModelOptions {
  TensorType matrices = TensorType::kF16;  // of the text model; embedding and tower matrices too
  GgufVision vision = GgufVision::kNone;
  bool vocabulary = true;
  bool embedding = true;  // false: the caller adds token_embd.weight
};

// The keys and tensors of a random model, as llama.cpp's converter writes them (norms + 1).
GgufWriter MakeGguf(const ModelConfig& config, uint32_t seed, const GgufModelOptions& options = {});
void AddVocabulary(const SpmVocabulary& vocabulary, GgufWriter* writer);
// The architecture and the sizes of the language model. window: as the file says it.
void AddTextKeys(const TextConfig& text, const std::string& architecture, size_t window,
                 GgufWriter* writer);
// The name of a tensor in llama.cpp's form.
std::string GgufName(const std::string& canonical);

// The vision part as a file of its own. `swap_mlp`: with the names of fc1 and fc2 exchanged.
GgufWriter MakeMmproj(const ModelConfig& config, uint32_t seed, bool swap_mlp = false);

Status WriteGguf(const std::string& path, const GgufWriter& writer);

}  // namespace gemma3::testing
