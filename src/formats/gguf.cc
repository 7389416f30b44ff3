// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reading GGUF. Every count is compared with the bytes that are left before anything is made of it.
#include "src/formats/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <utility>

#include "src/base/checked.h"
#include "src/base/half.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/llamafile.h"

namespace gemma3 {
namespace {

constexpr uint64_t kMaxStringBytes = uint64_t{1} << 30;
constexpr uint64_t kMaxArrayElements = uint64_t{1} << 30;
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxTensorNameBytes = 63;
constexpr uint64_t kMaxDims = 4;
constexpr uint64_t kDefaultAlignment = 32;

struct FileType {
  const char* name;
  std::optional<TensorType> type;  // nothing: valid, but not read here
};

// Tensor type ids of the format; an empty name marks ids that were removed from it.
FileType TensorTypeOf(uint32_t id) {
  static constexpr std::array<const char*, 43> kNames = {
      "F32",     "F16",   "Q4_0",   "Q4_1",  "",      "",       "Q5_0", "Q5_1",    "Q8_0",
      "Q8_1",    "Q2_K",  "Q3_K",   "Q4_K",  "Q5_K",  "Q6_K",   "Q8_K", "IQ2_XXS", "IQ2_XS",
      "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",   "I16",     "I32",
      "I64",     "F64",   "IQ1_M",  "BF16",  "",      "",       "",     "TQ1_0",   "TQ2_0",
      "",        "",      "",       "MXFP4", "NVFP4", "Q1_0",   "Q2_0"};
  if (id >= kNames.size()) return {"", std::nullopt};
  const std::string_view name = kNames[id];
  for (int t = 0; t <= static_cast<int>(TensorType::kMXFP4); ++t) {
    const TensorType type = static_cast<TensorType>(t);
    if (!name.empty() && name == InfoOf(type).name) return {kNames[id], type};
  }
  return {kNames[id], std::nullopt};
}

// Of tensors that are not read. Nothing is guessed about a type without a name, not even its size.
std::unexpected<Error> RefuseType(const std::string& where, uint32_t id, std::string_view name) {
  // ggml/include/ggml.h of ikawrakow/ik_llama.cpp, which has taken these ids for types of its own.
  const bool ik_llama =
      (id >= 97 && id <= 99) || (id >= 133 && id <= 158) || (id >= 202 && id <= 399);
  if (ik_llama) {
    return Fail(ErrorCode::kUnsupported, where, " was quantised for ik_llama.cpp (type ", id,
                "), which other programs cannot read; use a file made for llama.cpp");
  }
  if (!name.empty()) {
    return Fail(ErrorCode::kUnsupported, where, " has type ", name,
                ", which this library does not read; use a Q8_0, Q4_0, K or IQ file");
  }
  return Fail(ErrorCode::kUnsupported, where, " has type ", id,
              ", which this library does not know; it may be newer than this program. Use a Q8_0, "
              "Q4_0, K or IQ file");
}

const char* TypeName(GgufType type) {
  static constexpr std::array<const char*, 13> kNames = {"u8",  "i8",  "u16",  "i16",    "u32",
                                                         "i32", "f32", "bool", "string", "array",
                                                         "u64", "i64", "f64"};
  return kNames[static_cast<size_t>(type)];
}

// Bytes of a fixed-size value; 0 for strings and arrays.
uint64_t SizeOf(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      return 0;
  }
  return 0;
}

// A cursor that never passes the end. Once a read does not fit, it and all later ones give nothing.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }

  template <class T>
  std::optional<T> Number() {
    if (left() < sizeof(T)) return std::nullopt;
    const T value = LoadLittle<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }

  std::optional<std::span<const std::byte>> Bytes(uint64_t size) {
    if (left() < size) return std::nullopt;
    const auto view = bytes_.subspan(position_, size);
    position_ += size;
    return view;
  }

  std::optional<std::string_view> String(uint64_t max_bytes = kMaxStringBytes) {
    const auto size = Number<uint64_t>();
    if (!size || *size > max_bytes) return std::nullopt;
    const auto view = Bytes(*size);
    if (!view) return std::nullopt;
    return std::string_view(reinterpret_cast<const char*>(view->data()), view->size());
  }

 private:
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

// Reads the value behind a key's type id.
Result<GgufValue> ReadValue(Reader& reader, const std::string& where) {
  const auto cut = [&] {
    return Fail(ErrorCode::kBadModel, where,
                ": the value reaches past the end of the file, or a "
                "length in it is impossible");
  };
  const auto type_id = reader.Number<uint32_t>();
  if (!type_id) return cut();
  GgufValue value;
  uint32_t element_id = *type_id;
  if (*type_id == static_cast<uint32_t>(GgufType::kArray)) {
    value.is_array = true;
    const auto element = reader.Number<uint32_t>();
    const auto count = reader.Number<uint64_t>();
    if (!element || !count || *count > kMaxArrayElements) return cut();
    element_id = *element;
    value.count = *count;
    if (element_id == static_cast<uint32_t>(GgufType::kArray)) {
      return Fail(ErrorCode::kBadModel, where,
                  ": an array of arrays, which GGUF files do not hold");
    }
  }
  if (element_id > static_cast<uint32_t>(GgufType::kF64)) {
    return Fail(ErrorCode::kBadModel, where, ": unknown value type ", element_id);
  }
  value.type = static_cast<GgufType>(element_id);
  if (value.type == GgufType::kString) {
    // At least a length for each, so the loop below ends soon whatever the count says.
    if (value.count > reader.left() / 8) return cut();
    Reader start = reader;
    for (uint64_t i = 0; i < value.count; ++i) {
      if (!reader.String()) return cut();
    }
    value.bytes = *start.Bytes(reader.position() - start.position());
    return value;
  }
  // At most 2^30 elements of 8 bytes: no overflow.
  const auto bytes = reader.Bytes(value.count * SizeOf(value.type));
  if (!bytes) return cut();
  value.bytes = *bytes;
  return value;
}

// A number of any integer type; nothing for other types.
std::optional<int64_t> Integer(GgufType type, const std::byte* p, bool* too_large) {
  switch (type) {
    case GgufType::kU8:
      return LoadLittle<uint8_t>(p);
    case GgufType::kI8:
      return LoadLittle<int8_t>(p);
    case GgufType::kU16:
      return LoadLittle<uint16_t>(p);
    case GgufType::kI16:
      return LoadLittle<int16_t>(p);
    case GgufType::kU32:
      return LoadLittle<uint32_t>(p);
    case GgufType::kI32:
      return LoadLittle<int32_t>(p);
    case GgufType::kI64:
      return LoadLittle<int64_t>(p);
    case GgufType::kU64: {
      const uint64_t value = LoadLittle<uint64_t>(p);
      if (value > uint64_t{std::numeric_limits<int64_t>::max()}) {
        *too_large = true;
        return std::nullopt;
      }
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> Real(GgufType type, const std::byte* p) {
  if (type == GgufType::kF32) return LoadLittle<float>(p);
  if (type == GgufType::kF64) return LoadLittle<double>(p);
  bool too_large = false;
  const auto integer = Integer(type, p, &too_large);
  if (!integer) return std::nullopt;
  return static_cast<double>(*integer);
}

// "model-00002-of-00003.gguf" as {"model", 2, 3}.
struct PartName {
  std::string stem;
  uint64_t number = 0, count = 0;
};
std::optional<PartName> ParsePartName(const std::string& name) {
  constexpr size_t kTail = 20;  // "-00002-of-00003.gguf"
  if (name.size() <= kTail) return std::nullopt;
  const std::string tail = name.substr(name.size() - kTail);
  const auto digits = [&](size_t at) -> std::optional<uint64_t> {
    uint64_t value = 0;
    for (size_t i = at; i < at + 5; ++i) {
      if (tail[i] < '0' || tail[i] > '9') return std::nullopt;
      value = value * 10 + static_cast<uint64_t>(tail[i] - '0');
    }
    return value;
  };
  const auto number = digits(1), count = digits(10);
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != ".gguf" || !number ||
      !count || *number < 1 || *number > *count) {
    return std::nullopt;
  }
  return PartName{name.substr(0, name.size() - kTail), *number, *count};
}

std::string PartFileName(const std::string& stem, uint64_t number, uint64_t count) {
  char tail[32];
  std::snprintf(tail, sizeof tail, "-%05u-of-%05u.gguf", static_cast<unsigned>(number),
                static_cast<unsigned>(count));
  return stem + tail;
}

}  // namespace

bool IsGguf(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && LoadLittle<uint32_t>(bytes.data()) == 0x46554747u;  // "GGUF"
}

Result<GgufFile> GgufFile::Parse(std::span<const std::byte> bytes, const std::string& file) {
  const auto cut = [&](const char* what) {
    return Fail(ErrorCode::kBadModel, file, ": the file ends inside ", what,
                "; is the download complete?");
  };
  if (!IsGguf(bytes)) {
    return Fail(ErrorCode::kBadModel, file, " is not a GGUF file: it does not start with \"GGUF\"");
  }
  Reader reader(bytes);
  (void)reader.Number<uint32_t>();
  const auto version = reader.Number<uint32_t>();
  if (!version) return cut("its header");
  if (*version != 0 && (*version & 0xffff) == 0) {
    return Fail(ErrorCode::kUnsupported, file,
                " is a big-endian GGUF file; use a little-endian one");
  }
  if (*version == 1) {
    return Fail(ErrorCode::kUnsupported, file,
                " is GGUF version 1, which is obsolete; expected 2 or 3");
  }
  if (*version != 2 && *version != 3) {
    return Fail(ErrorCode::kBadModel, file, " is GGUF version ", *version, "; expected 2 or 3");
  }
  const auto tensor_count = reader.Number<int64_t>();
  const auto value_count = reader.Number<int64_t>();
  if (!tensor_count || !value_count) return cut("its header");
  // The least that a description can take: an empty string, a type, and so on.
  if (*tensor_count < 0 || static_cast<uint64_t>(*tensor_count) > bytes.size() / 24) {
    return Fail(ErrorCode::kBadModel, file, ": ", *tensor_count, " tensors cannot be in a file of ",
                bytes.size(), " bytes");
  }
  if (*value_count < 0 || static_cast<uint64_t>(*value_count) > bytes.size() / 13) {
    return Fail(ErrorCode::kBadModel, file, ": ", *value_count, " keys cannot be in a file of ",
                bytes.size(), " bytes");
  }

  GgufFile gguf;
  gguf.file_ = &file;
  for (int64_t i = 0; i < *value_count; ++i) {
    const auto key = reader.String(kMaxKeyBytes);
    if (!key) return cut("a key");
    const std::string shown = Shown(*key);
    if (key->empty() || key->find('\0') != std::string_view::npos) {
      return Fail(ErrorCode::kBadModel, file, ": key ", i, " is empty or holds a zero byte");
    }
    GEMMA3_TRY(const GgufValue value, ReadValue(reader, file + ": " + shown));
    if (!gguf.values_.emplace(*key, value).second) {
      return Fail(ErrorCode::kBadModel, file, ": key ", shown, " appears twice");
    }
  }

  uint64_t alignment = kDefaultAlignment;
  if (const GgufValue* value = gguf.Find("general.alignment")) {
    if (value->is_array || value->type != GgufType::kU32) {
      return std::unexpected(gguf.Wrong("general.alignment", *value, "a u32"));
    }
    alignment = LoadLittle<uint32_t>(value->bytes.data());
    if (!std::has_single_bit(alignment)) {
      return Fail(ErrorCode::kBadModel, file, ": general.alignment is ", alignment,
                  ", expected a power of two");
    }
  }

  struct Placed {
    uint64_t offset, end;
    const std::string* name;
  };
  std::vector<Placed> placed;
  for (int64_t i = 0; i < *tensor_count; ++i) {
    const auto name = reader.String();
    const auto dims = reader.Number<uint32_t>();
    if (!name || !dims) return cut("a tensor description");
    const std::string shown = Shown(*name);
    if (name->size() > kMaxTensorNameBytes) {
      return Fail(ErrorCode::kBadModel, file, ": tensor name ", shown, " has ", name->size(),
                  " bytes; at most ", kMaxTensorNameBytes, " are allowed");
    }
    if (*dims > kMaxDims) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " has ", *dims,
                  " dimensions; at most ", kMaxDims, " are allowed");
    }
    TensorView view;
    view.shape.resize(*dims);
    for (uint32_t d = 0; d < *dims; ++d) {
      const auto n = reader.Number<int64_t>();
      if (!n) return cut("a tensor description");
      if (*n < 0) {
        return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " has a dimension of ", *n);
      }
      view.shape[*dims - 1 - d] = static_cast<uint64_t>(*n);
    }
    const auto type_id = reader.Number<uint32_t>();
    const auto offset = reader.Number<uint64_t>();
    if (!type_id || !offset) return cut("a tensor description");
    const FileType type = TensorTypeOf(*type_id);
    if (!type.type) return RefuseType(file + ": tensor " + shown, *type_id, type.name);
    view.type = *type.type;
    const TensorTypeInfo& info = InfoOf(view.type);
    const uint64_t row = view.shape.empty() ? 1 : view.shape.back();
    const auto elements = CheckedProduct(view.shape);
    if (!elements || *elements > uint64_t{std::numeric_limits<int64_t>::max()}) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " of shape ",
                  ShapeString(view.shape), " is larger than any file");
    }
    if (row % info.block_elems != 0) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " has rows of ", row,
                  " elements, which are no whole blocks of ", info.name);
    }
    const auto size = CheckedMul(*elements / info.block_elems, info.block_bytes);
    const auto end = size ? CheckedAdd(*offset, *size) : std::nullopt;
    if (!end || *offset % alignment != 0) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " lies at byte ", *offset,
                  " of the data; expected a multiple of ", alignment, " inside the file");
    }
    view.bytes = *size;
    view.file = &file;
    const auto [it, inserted] = gguf.tensors_.emplace(*name, std::move(view));
    if (!inserted) return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " appears twice");
    placed.push_back({*offset, *end, &it->first});
  }
  if (placed.empty()) return gguf;

  // At most the file's size plus an alignment below 2^32: no overflow.
  const uint64_t data_start = *CheckedAlignUp(reader.position(), alignment);
  const uint64_t data_bytes = data_start > bytes.size() ? 0 : bytes.size() - data_start;
  std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return std::pair(a.offset, a.end) < std::pair(b.offset, b.end);
  });
  uint64_t previous_end = 0;
  for (const Placed& tensor : placed) {
    if (tensor.end > data_bytes) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", Shown(*tensor.name), " ends at byte ",
                  tensor.end, " of the data, but the file holds only ", data_bytes,
                  "; is the download complete?");
    }
    if (tensor.offset < previous_end) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", Shown(*tensor.name),
                  " overlaps the one before it");
    }
    previous_end = tensor.end;
    gguf.tensors_.at(*tensor.name).data = bytes.data() + data_start + tensor.offset;
  }
  return gguf;
}

const GgufValue* GgufFile::Find(const std::string& key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

Error GgufFile::Wrong(const std::string& key, const GgufValue& value, const char* expected) const {
  return Fail(ErrorCode::kBadModel, *file_, ": ", key, " should be ", expected, ", found ",
              value.is_array ? "an array of " : "", TypeName(value.type))
      .error();
}

std::vector<std::string> GgufFile::Keys() const {
  std::vector<std::string> keys;
  keys.reserve(values_.size());
  for (const auto& [key, value] : values_) keys.push_back(key);
  return keys;
}

Result<std::optional<uint64_t>> GgufFile::Uint(const std::string& key) const {
  const GgufValue* value = Find(key);
  if (!value) return std::nullopt;
  bool too_large = false;
  const auto integer =
      value->is_array ? std::nullopt : Integer(value->type, value->bytes.data(), &too_large);
  if (integer && *integer >= 0) return static_cast<uint64_t>(*integer);
  if (integer || too_large) {
    return Fail(ErrorCode::kBadModel, *file_, ": ", key, " is ",
                too_large ? "too large" : std::to_string(*integer));
  }
  return std::unexpected(Wrong(key, *value, "a whole number"));
}

Result<std::optional<double>> GgufFile::Float(const std::string& key) const {
  const GgufValue* value = Find(key);
  if (!value) return std::nullopt;
  if (!value->is_array) {
    if (const auto real = Real(value->type, value->bytes.data())) return *real;
  }
  return std::unexpected(Wrong(key, *value, "a number"));
}

Result<std::optional<bool>> GgufFile::Bool(const std::string& key) const {
  const GgufValue* value = Find(key);
  if (!value) return std::nullopt;
  if (!value->is_array && value->type == GgufType::kBool) {
    return value->bytes[0] != std::byte{0};
  }
  return std::unexpected(Wrong(key, *value, "true or false"));
}

Result<std::optional<std::string>> GgufFile::String(const std::string& key) const {
  const GgufValue* value = Find(key);
  if (!value) return std::nullopt;
  if (value->is_array || value->type != GgufType::kString) {
    return std::unexpected(Wrong(key, *value, "a string"));
  }
  Reader reader(value->bytes);
  return std::string(*reader.String());
}

Result<std::optional<std::vector<std::string_view>>> GgufFile::Strings(
    const std::string& key) const {
  const GgufValue* value = Find(key);
  if (!value) return std::nullopt;
  if (!value->is_array || value->type != GgufType::kString) {
    return std::unexpected(Wrong(key, *value, "an array of strings"));
  }
  Reader reader(value->bytes);
  std::vector<std::string_view> strings;
  strings.reserve(value->count);  // not above an eighth of the file's bytes
  for (uint64_t i = 0; i < value->count; ++i) strings.push_back(*reader.String());
  return strings;
}

Result<std::optional<std::vector<double>>> GgufFile::Floats(const std::string& key) const {
  const GgufValue* value = Find(key);
  if (!value) return std::nullopt;
  std::vector<double> numbers;
  if (value->is_array && SizeOf(value->type) != 0 && value->type != GgufType::kBool) {
    numbers.reserve(value->count);
    for (uint64_t i = 0; i < value->count; ++i) {
      const auto real = Real(value->type, value->bytes.data() + i * SizeOf(value->type));
      if (!real) return std::unexpected(Wrong(key, *value, "an array of numbers"));
      numbers.push_back(*real);
    }
    return numbers;
  }
  return std::unexpected(Wrong(key, *value, "an array of numbers"));
}

Result<std::optional<std::vector<int64_t>>> GgufFile::Ints(const std::string& key) const {
  const GgufValue* value = Find(key);
  if (!value) return std::nullopt;
  const bool floating = value->type == GgufType::kF32 || value->type == GgufType::kF64;
  if (!value->is_array || SizeOf(value->type) == 0 || floating) {
    return std::unexpected(Wrong(key, *value, "an array of whole numbers"));
  }
  std::vector<int64_t> numbers;
  numbers.reserve(value->count);
  for (uint64_t i = 0; i < value->count; ++i) {
    const std::byte* p = value->bytes.data() + i * SizeOf(value->type);
    bool too_large = false;
    const auto integer = value->type == GgufType::kBool ? std::optional<int64_t>(*p != std::byte{0})
                                                        : Integer(value->type, p, &too_large);
    if (!integer) return Fail(ErrorCode::kBadModel, *file_, ": ", key, "[", i, "] is too large");
    numbers.push_back(*integer);
  }
  return numbers;
}

Result<GgufSet> OpenGgufFiles(const std::string& path) {
  namespace fs = std::filesystem;
  GEMMA3_TRY(auto file, OpenGgufBytes(path));
  GEMMA3_TRY(GgufFile part, GgufFile::Parse(file->bytes(), file->name()));
  GEMMA3_TRY(const auto count_value, part.Uint("split.count"));
  const uint64_t count = count_value.value_or(1);
  if (count <= 1) {
    TensorMap tensors = part.TakeTensors();
    GgufSet set{.metadata = std::move(part), .tensors = std::move(tensors), .files = {}};
    set.files.push_back(std::move(file));
    return set;
  }

  const auto name = ParsePartName(fs::path(path).filename().string());
  if (!name || name->count != count) {
    return Fail(ErrorCode::kBadModel, path, " is one of ", count,
                " parts; expected a name like \"model-00001-of-",
                PartFileName("", count, count).substr(10, 5),
                ".gguf\", as it was published, to find the others");
  }
  std::optional<GgufSet> set;
  std::optional<uint64_t> total;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string part_path =
        (fs::path(path).parent_path() / PartFileName(name->stem, i + 1, count)).string();
    std::error_code ignored;
    if (!fs::exists(part_path, ignored)) {
      return Fail(ErrorCode::kBadModel, path, " is one of ", count, " parts, but ", part_path,
                  " is missing");
    }
    GEMMA3_TRY(auto part_file, FileMap::Open(part_path));
    GEMMA3_TRY(GgufFile gguf, GgufFile::Parse(part_file->bytes(), part_file->name()));
    GEMMA3_TRY(const auto number, gguf.Uint("split.no"));
    GEMMA3_TRY(const auto part_count, gguf.Uint("split.count"));
    if (number != i || part_count != count) {
      return Fail(ErrorCode::kBadModel, part_path, " calls itself part ", number.value_or(0) + 1,
                  " of ", part_count.value_or(1), "; expected ", i + 1, " of ", count);
    }
    TensorMap tensors = gguf.TakeTensors();
    if (i == 0) {
      GEMMA3_TRY(total, gguf.Uint("split.tensors.count"));
      set.emplace(GgufSet{.metadata = std::move(gguf), .tensors = {}, .files = {}});
    }
    for (auto& [tensor, view] : tensors) {
      if (!set->tensors.emplace(tensor, std::move(view)).second) {
        return Fail(ErrorCode::kBadModel, part_path, ": tensor ", Shown(tensor),
                    " is in another part, too");
      }
    }
    set->files.push_back(std::move(part_file));
  }
  if (total && *total != set->tensors.size()) {
    return Fail(ErrorCode::kBadModel, path, ": the parts hold ", set->tensors.size(),
                " tensors; expected ", *total, " (split.tensors.count)");
  }
  return *std::move(set);
}

}  // namespace gemma3
