// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reading and writing safetensors.
#include "src/formats/safetensors.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "src/base/checked.h"
#include "src/base/file_writer.h"
#include "src/base/half.h"
#include "src/base/json.h"
#include "src/base/json_fault.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // of the reference reader
constexpr size_t kMaxIndexBytes = 64 << 20;

constexpr std::array<std::pair<std::string_view, TensorType>, 14> kReadable = {{
    {"F32", TensorType::kF32},
    {"F16", TensorType::kF16},
    {"BF16", TensorType::kBF16},
    {"F64", TensorType::kF64},
    {"I8", TensorType::kI8},
    {"I16", TensorType::kI16},
    {"I32", TensorType::kI32},
    {"I64", TensorType::kI64},
    {"U8", TensorType::kU8},
    {"U16", TensorType::kU16},
    {"U32", TensorType::kU32},
    {"U64", TensorType::kU64},
    {"BOOL", TensorType::kBool},
    {"F8_E4M3", TensorType::kF8_E4M3},
}};

// Valid in the container, but nothing here computes with them.
constexpr std::array<std::string_view, 8> kUnreadable = {
    "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4", "C64"};

struct Entry {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;
};

// Receives the header's JSON as a stream of events and accepts only the one shape that a header may
// have. No document is built, so a hostile header of 100 MB costs little more than its own size.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::string error;

  bool null() override { return Wrong("null"); }
  bool boolean(bool) override { return Wrong("a boolean"); }
  bool number_integer(number_integer_t) override { return Wrong("a negative number"); }
  bool number_float(number_float_t, const string_t& text) override {
    return Wrong("the number " + text.substr(0, 40) + ", which is not a whole one");
  }
  bool binary(binary_t&) override { return Wrong("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kShape) {
      entries.back().shape.push_back(value);
      return true;
    }
    if (state_ == State::kOffsets && offsets_ < 2) {
      (offsets_ == 0 ? entries.back().begin : entries.back().end) = value;
      ++offsets_;
      return true;
    }
    return Wrong("the number " + std::to_string(value));
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadata) return true;
    if (state_ == State::kEntry && key_ == "dtype") {
      entries.back().dtype = value;
      return true;
    }
    return Wrong("a string");
  }

  bool start_object(size_t) override {
    if (state_ == State::kStart) {
      state_ = State::kTop;
      return true;
    }
    if (state_ == State::kTop) {
      if (key_ == "__metadata__") {
        state_ = State::kMetadata;
        return true;
      }
      entries.emplace_back().name = key_;
      seen_ = 0;
      state_ = State::kEntry;
      return true;
    }
    return Wrong("an object");
  }

  bool key(string_t& value) override {
    key_ = value;
    if (state_ == State::kEntry) {
      const unsigned bit = value == "dtype"          ? 1
                           : value == "shape"        ? 2
                           : value == "data_offsets" ? 4
                                                     : 0;
      if (bit == 0) {
        error = "tensor \"" + Name() + "\" has an unknown key \"" + Shown(value, 100) + "\"";
        return false;
      }
      if (seen_ & bit) {
        error = "tensor \"" + Name() + "\" has the key \"" + value + "\" twice";
        return false;
      }
      seen_ |= bit;
    } else if (state_ == State::kMetadata) {
      if (!metadata_keys_.insert(value).second) {
        error = "__metadata__ has the key \"" + Shown(value, 100) + "\" twice";
        return false;
      }
    } else if (value == "__metadata__") {
      if (std::exchange(has_metadata_, true)) {
        error = "__metadata__ appears twice";
        return false;
      }
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::kEntry && seen_ != 7) {
      error = "tensor \"" + Name() + "\" lacks dtype, shape or data_offsets";
      return false;
    }
    state_ = state_ == State::kTop ? State::kDone : State::kTop;
    return true;
  }

  bool start_array(size_t) override {
    if (state_ == State::kEntry && key_ == "shape") {
      state_ = State::kShape;
      return true;
    }
    if (state_ == State::kEntry && key_ == "data_offsets") {
      state_ = State::kOffsets;
      offsets_ = 0;
      return true;
    }
    return Wrong("an array");
  }

  bool end_array() override {
    if (state_ == State::kOffsets && offsets_ != 2) return Wrong("fewer than two data_offsets");
    state_ = State::kEntry;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& e) override {
    error = "not valid JSON at byte " + std::to_string(position) + ": " + JsonFault(e.what());
    return false;
  }

 private:
  enum class State { kStart, kTop, kMetadata, kEntry, kShape, kOffsets, kDone };

  std::string Name() const { return Shown(entries.back().name); }

  bool Wrong(const std::string& found) {
    switch (state_) {
      case State::kStart:
      case State::kDone:
        error = "the header should be one JSON object, found " + found;
        break;
      case State::kTop:
        error = "\"" + Shown(key_) + "\" should be an object, found " + found;
        break;
      case State::kMetadata:
        error = "__metadata__ should hold strings only, found " + found;
        break;
      case State::kEntry:
        error = "tensor \"" + Name() + "\": " + key_ + " cannot be " + found;
        break;
      case State::kShape:
        error = "tensor \"" + Name() + "\": shape should hold whole numbers, found " + found;
        break;
      case State::kOffsets:
        error =
            "tensor \"" + Name() + "\": data_offsets should be two whole numbers, found " + found;
        break;
    }
    return false;
  }

  State state_ = State::kStart;
  std::string key_;
  unsigned seen_ = 0;  // bits: dtype 1, shape 2, data_offsets 4
  int offsets_ = 0;
  bool has_metadata_ = false;
  std::set<std::string> metadata_keys_;
};

std::optional<TensorType> ReadableType(std::string_view dtype) {
  for (const auto& [name, type] : kReadable) {
    if (name == dtype) return type;
  }
  return std::nullopt;
}

// Bytes of a tensor, or nothing on overflow.
std::optional<uint64_t> TensorBytes(std::span<const uint64_t> shape, uint64_t element_bytes) {
  const auto elements = CheckedProduct(shape);
  // The reference counts bits, so its limit is 8 times lower than that of the byte count.
  const auto bits = elements ? CheckedMul(*elements, element_bytes * 8) : std::nullopt;
  if (!bits) return std::nullopt;
  return *bits / 8;
}

bool IsPlainFileName(std::string_view name) {
  if (name.empty() || name == "." || name == "..") return false;
  return name.find_first_of(std::string_view("/\\:\0", 4)) == std::string_view::npos;
}

}  // namespace

Result<TensorMap> ParseSafetensors(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < 8) {
    return Fail(ErrorCode::kBadModel, file, ": ", bytes.size(),
                " bytes are too few for a safetensors file; is the download complete?");
  }
  const uint64_t header_bytes = LoadLittle<uint64_t>(bytes.data());
  if (header_bytes > kMaxHeaderBytes) {
    return Fail(ErrorCode::kBadModel, file, ": header of ", header_bytes, " bytes; at most ",
                kMaxHeaderBytes, " are allowed. This is not a safetensors file, or it is damaged");
  }
  if (header_bytes > bytes.size() - 8) {
    return Fail(ErrorCode::kBadModel, file, ": header of ", header_bytes, " bytes, but only ",
                bytes.size() - 8, " bytes follow; is the download complete?");
  }
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + 8, header_bytes);
  HeaderReader reader;
  try {
    if (!nlohmann::json::sax_parse(header.begin(), header.end(), &reader)) {
      return Fail(ErrorCode::kBadModel, file, ": bad safetensors header: ", reader.error);
    }
  } catch (const std::bad_alloc&) {
    throw;  // says nothing about the file
  } catch (const std::exception& e) {
    return Fail(ErrorCode::kBadModel, file, ": bad safetensors header: ", JsonFault(e.what()));
  }

  // Files need not list tensors in the order of their data.
  std::vector<Entry>& entries = reader.entries;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  const uint64_t data_bytes = bytes.size() - 8 - header_bytes;
  TensorMap tensors;
  uint64_t previous_end = 0;
  for (Entry& entry : entries) {
    const std::string shown = Shown(entry.name);
    if (entry.begin != previous_end || entry.end < entry.begin) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " lies at [", entry.begin, ", ",
                  entry.end, "), expected to start at ", previous_end,
                  "; tensors must follow each other without holes or overlaps");
    }
    previous_end = entry.end;
    const auto type = ReadableType(entry.dtype);
    if (!type) {
      const bool known =
          std::find(kUnreadable.begin(), kUnreadable.end(), entry.dtype) != kUnreadable.end();
      if (known) {
        return Fail(ErrorCode::kUnsupported, file, ": tensor ", shown, " has element type ",
                    entry.dtype,
                    ", which this library does not read; use the original BF16 model or a GGUF");
      }
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " has unknown element type \"",
                  Shown(entry.dtype, 40), "\"");
    }
    const auto expected = TensorBytes(entry.shape, InfoOf(*type).block_bytes);
    if (!expected) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " of shape ",
                  ShapeString(entry.shape).substr(0, 200), " is larger than any file");
    }
    if (entry.end - entry.begin != *expected) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " of shape ",
                  ShapeString(entry.shape).substr(0, 200), " and type ", entry.dtype, " needs ",
                  *expected, " bytes, but data_offsets give it ", entry.end - entry.begin);
    }
    if (entry.end > data_bytes) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " ends at byte ", entry.end,
                  " of the data, but the file holds only ", data_bytes,
                  "; is the download complete?");
    }
    TensorView view{.type = *type,
                    .shape = std::move(entry.shape),
                    .data = bytes.data() + 8 + header_bytes + entry.begin,
                    .bytes = static_cast<size_t>(*expected),
                    .file = &file};
    if (!tensors.emplace(std::move(entry.name), std::move(view)).second) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", shown, " appears twice");
    }
  }
  if (previous_end != data_bytes) {
    return Fail(ErrorCode::kBadModel, file, ": the tensors end at byte ", previous_end,
                " of the data, but the file holds ", data_bytes, " bytes of it");
  }
  return tensors;
}

Result<SafetensorsSet> OpenSafetensors(const std::string& path) {
  GEMMA3_TRY(auto file, FileMap::Open(path));
  SafetensorsSet set;
  GEMMA3_TRY(set.tensors, ParseSafetensors(file->bytes(), file->path()));
  set.files.push_back(std::move(file));
  return set;
}

Result<SafetensorsSet> OpenSafetensorsFiles(std::span<const std::string> paths) {
  SafetensorsSet set;
  for (const std::string& path : paths) {
    GEMMA3_TRY(SafetensorsSet part, OpenSafetensors(path));
    for (auto& [tensor, view] : part.tensors) {
      const std::string* file = view.file;
      const auto [it, inserted] = set.tensors.emplace(tensor, std::move(view));
      if (!inserted) {
        return Fail(ErrorCode::kBadModel, "tensor ", Shown(tensor), " is in two shards, ",
                    *it->second.file, " and ", *file);
      }
    }
    set.files.insert(set.files.end(), part.files.begin(), part.files.end());
  }
  return set;
}

Result<std::map<std::string, std::string>> ParseSafetensorsIndex(std::string_view json,
                                                                 const std::string& where) {
  GEMMA3_TRY(const JsonValue index,
             JsonValue::Parse(json, where, {.max_depth = 8, .reject_duplicate_keys = true}));
  const auto weight_map = index.Find("weight_map");
  if (!weight_map || !weight_map->IsObject()) {
    return Fail(ErrorCode::kBadModel, where, ": \"weight_map\" is missing or not an object");
  }
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, value] : weight_map->Members()) {
    GEMMA3_TRY(std::string name, value.AsString());
    if (!IsPlainFileName(name)) {
      return Fail(ErrorCode::kBadModel, where, ": tensor ", Shown(tensor), " is said to be in \"",
                  Shown(name), "\"; expected the plain name of a file in the same folder");
    }
    shards.emplace(tensor, std::move(name));
  }
  return shards;
}

Result<SafetensorsSet> OpenSafetensorsShards(const std::string& index_path) {
  GEMMA3_TRY(const std::string json, ReadFile(index_path, kMaxIndexBytes));
  GEMMA3_TRY(const auto shards, ParseSafetensorsIndex(json, index_path));
  const std::filesystem::path folder = std::filesystem::path(index_path).parent_path();
  std::set<std::string> names;
  for (const auto& [tensor, name] : shards) names.insert(name);

  std::vector<std::string> paths;
  for (const std::string& name : names) {
    paths.push_back((folder / name).string());
    std::error_code ignored;
    if (!std::filesystem::exists(paths.back(), ignored)) {
      return Fail(ErrorCode::kBadModel, index_path, " names the shard ", name,
                  ", which is not in the folder; is the download complete?");
    }
  }
  GEMMA3_TRY(SafetensorsSet set, OpenSafetensorsFiles(paths));
  for (const auto& [tensor, name] : shards) {
    const auto it = set.tensors.find(tensor);
    const std::string expected = (folder / name).string();
    if (it == set.tensors.end() || *it->second.file != expected) {
      return Fail(ErrorCode::kBadModel, index_path, " says that tensor ", Shown(tensor), " is in ",
                  name, ", but it is not");
    }
  }
  return set;
}

Status WriteSafetensors(const std::string& path, const TensorMap& tensors, size_t alignment,
                        const ProgressCallback& on_progress) {
  std::vector<const TensorMap::value_type*> order;
  for (const auto& entry : tensors) {
    const auto& [name, view] = entry;
    const TensorTypeInfo& info = InfoOf(view.type);
    const auto bytes = TensorBytes(view.shape, info.block_bytes);
    if (info.block_elems != 1 || !bytes || *bytes != view.bytes) {
      return Fail(ErrorCode::kInvalidArgument, path, ": cannot write tensor ", name, " of type ",
                  info.name, ", shape ", ShapeString(view.shape), " and ", view.bytes, " bytes");
    }
    order.push_back(&entry);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return InfoOf(a->second.type).block_bytes > InfoOf(b->second.type).block_bytes;
  });

  if (alignment > 8) {
    std::stable_partition(order.begin(), order.end(),
                          [&](const auto* entry) { return entry->second.bytes % alignment == 0; });
  }

  std::string header = "{";
  uint64_t offset = 0;
  for (const auto* entry : order) {
    const auto& [name, view] = *entry;
    if (header.size() > 1) header += ",";
    header += nlohmann::json(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    header += ":{\"dtype\":\"";
    header += InfoOf(view.type).name;
    header += "\",\"shape\":" + nlohmann::json(view.shape).dump();
    header += ",\"data_offsets\":[" + std::to_string(offset) + ",";
    offset += view.bytes;
    header += std::to_string(offset) + "]}";
  }
  header += "}";
  uint64_t header_bytes = 0;  // the length before the header counts for the alignment
  const size_t start =
      (sizeof header_bytes + header.size() + alignment - 1) / alignment * alignment;
  header.resize(start - sizeof header_bytes, ' ');
  header_bytes = header.size();

  GEMMA3_TRY(FileWriter writer, FileWriter::Create(path));
  GEMMA3_CHECK_OK(writer.Append(std::as_bytes(std::span(&header_bytes, 1))));
  GEMMA3_CHECK_OK(writer.Append(std::as_bytes(std::span(header))));
  Progress progress{Progress::Stage::kWriting, 0, offset};
  for (const auto* entry : order) {
    std::span<const std::byte> left(entry->second.data, entry->second.bytes);
    while (!left.empty()) {
      constexpr size_t kPiece = size_t{16} << 20;
      const auto piece = left.first(std::min(kPiece, left.size()));
      if (on_progress && !on_progress(progress)) {
        return Fail(ErrorCode::kCancelled, "writing ", path, " was cancelled");
      }
      GEMMA3_CHECK_OK(writer.Append(piece));
      progress.done += piece.size();
      left = left.subspan(piece.size());
    }
  }
  if (on_progress && !on_progress(progress)) {
    return Fail(ErrorCode::kCancelled, "writing ", path, " was cancelled");
  }
  return writer.Commit();
}

}  // namespace gemma3
