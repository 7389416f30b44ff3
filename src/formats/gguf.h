// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The GGUF container, versions 2 and 3 (ggml-org/ggml, docs/gguf.md and src/gguf.cpp): typed
// key/value pairs, then tensor descriptions, then aligned tensor data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/base/file_map.h"
#include "src/base/tensor.h"

namespace gemma3 {

// The numbers are the file format's.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

// A checked but not decoded value: `bytes` views the file.
struct GgufValue {
  GgufType type = GgufType::kU8;  // of the value, or of an array's elements
  bool is_array = false;
  uint64_t count = 1;                // of an array's elements
  std::span<const std::byte> bytes;  // a scalar; the packed elements; strings with their lengths
};

// One file's metadata and tensors. Views and values point into the bytes it was parsed from.
class GgufFile {
 public:
  // Checks everything that can be checked without knowing the model. `file` names the bytes in
  // messages and becomes TensorView::file; both must outlive the result.
  // Errors: kBadModel for a broken rule; kUnsupported for version 1, for big-endian files and for
  // tensor types that this library does not read.
  static Result<GgufFile> Parse(std::span<const std::byte> bytes, const std::string& file);

  const std::string& file() const { return *file_; }
  // Shapes are slowest dimension first, the reverse of the file's order.
  const TensorMap& tensors() const { return tensors_; }
  TensorMap TakeTensors() { return std::move(tensors_); }

  bool Has(const std::string& key) const { return values_.contains(key); }
  const GgufValue* Find(const std::string& key) const;
  std::vector<std::string> Keys() const;  // sorted

  // Typed values; nothing where the key is missing. Integers of every width are accepted for Uint
  // if not negative; floats also from integers. Errors: kBadModel, naming file, key and what it is.
  Result<std::optional<uint64_t>> Uint(const std::string& key) const;
  Result<std::optional<double>> Float(const std::string& key) const;
  Result<std::optional<bool>> Bool(const std::string& key) const;
  Result<std::optional<std::string>> String(const std::string& key) const;
  Result<std::optional<std::vector<std::string_view>>> Strings(const std::string& key) const;
  Result<std::optional<std::vector<double>>> Floats(const std::string& key) const;
  Result<std::optional<std::vector<int64_t>>> Ints(const std::string& key) const;  // bools as 0, 1

 private:
  GgufFile() = default;
  Error Wrong(const std::string& key, const GgufValue& value, const char* expected) const;

  const std::string* file_ = nullptr;
  std::map<std::string, GgufValue> values_;
  TensorMap tensors_;
};

// A model in one file, or in parts named "...-00001-of-00003.gguf".
struct GgufSet {
  GgufFile metadata;  // of the first part, without its tensors
  TensorMap tensors;  // of all parts
  std::vector<std::shared_ptr<const FileMap>> files;
};

// Opens `path`, which may be or name a file in an archive (llamafile.h), and, if it is one part of
// several, all of them. Errors: those of Parse; kBadModel
// for a part that is missing, of another model, or out of order, and for a tensor in two parts.
Result<GgufSet> OpenGgufFiles(const std::string& path);

// Whether the bytes start like a GGUF file.
bool IsGguf(std::span<const std::byte> bytes);

}  // namespace gemma3
