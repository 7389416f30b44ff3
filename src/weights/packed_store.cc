// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/packed_store.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include "src/base/field_count.h"
#include "src/base/file_writer.h"
#include "src/base/hash.h"
#include "src/base/kept_folder.h"
#include "src/base/status.h"
#include "src/formats/grouped_codes.h"
#include "src/weights/fingerprint.h"
#include "src/weights/pack.h"
#include "src/weights/packed_file.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

// The rules of what is packed how. A change makes all entries stale.
constexpr int kRules = 4;
constexpr HashKey kHashKey = {0x67656D6D6133, 0x7061636B6564};
constexpr char kHead[] = "lm_head.weight";

std::string HashText(const std::string& text) {
  const Hash128 hash =
      SipHash128(kHashKey, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  std::array<char, 33> hex;
  std::snprintf(hex.data(), hex.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high),
                static_cast<unsigned long long>(hash.low));
  return hex.data();
}

// Where `data` lies: "file:offset". Tensors that were put in another order lie in no file.
std::string PlaceOf(const Checkpoint& checkpoint, const std::byte* data) {
  for (size_t i = 0; i < checkpoint.files.size(); ++i) {
    const std::span<const std::byte> bytes = checkpoint.files[i]->bytes();
    const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
    const auto at = reinterpret_cast<uintptr_t>(data);
    if (at < begin || at >= begin + bytes.size()) continue;
    return std::to_string(i) + ":" + std::to_string(at - begin);
  }
  return "memory";
}

// How the matrices are stored. The files alone do not say: part of it is in configurations, and
// part is the reader's doing.
std::string DescribeMatrices(const Checkpoint& checkpoint) {
  // A new field: can it change what a matrix is packed to?
  static_assert(kFieldCount<TensorView> == 7);
  std::ostringstream text;
  for (const auto& [name, view] : checkpoint.tensors) {
    if (view.shape.size() < 2) continue;
    text << name << " " << InfoOf(view.type).name << " " << ShapeString(view.shape) << " "
         << view.bytes << " " << PlaceOf(checkpoint, view.data);
    if (view.grouped) {
      const GroupedCodes& grouped = *view.grouped;
      text << " " << grouped.name << " " << grouped.group_inputs << " " << grouped.groups << " "
           << grouped.group_of_input.size() << " " << InfoOf(grouped.scale_type).name << " "
           << grouped.scale_rows << " " << grouped.zero;
      for (const auto& other : grouped.others) text << " " << PlaceOf(checkpoint, other.data());
    }
    text << "\n";
  }
  return text.str();
}

const char* FormatName(WeightFormat format) {
  switch (format) {
    case WeightFormat::kAsStored:
      return "as stored";
    case WeightFormat::kBF16:
      return "bf16";
    case WeightFormat::kInt8:
      return "int8";
    case WeightFormat::kInt4:
      return "int4";
  }
  return "";
}

}  // namespace

Result<StoreEntry> EntryFor(const Checkpoint& checkpoint, const LoadOptions& options) {
  GEMMA3_TRY(const std::string files, FingerprintOf(checkpoint));
  std::ostringstream source;
  source << files << "; matrices " << HashText(DescribeMatrices(checkpoint)) << " "
         << FormatName(options.weights) << ", rules " << kRules;
  StoreEntry entry;
  entry.source = source.str();
  entry.path =
      (fs::path(options.cache_folder) / (HashText(entry.source) + kPackedFileSuffix)).string();
  return entry;
}

Result<Checkpoint> WithKeptMatrices(const Checkpoint& checkpoint, const StoreEntry& entry) {
  GEMMA3_TRY(PackedMatrices kept, OpenPackedMatrices(entry.path));
  if (kept.source != entry.source) {
    return Fail(ErrorCode::kBadModel, entry.path, " was made from other files");
  }
  Checkpoint out = checkpoint;
  if (kept.shares_head) {
    out.tensors.erase(kHead);
    out.config.text.tie_word_embeddings = true;
  }
  for (auto& [name, matrix] : kept.tensors) {
    const auto it = out.tensors.find(name);
    if (it == out.tensors.end() || it->second.shape != matrix.shape || matrix.shape.size() < 2) {
      return Fail(ErrorCode::kBadModel, entry.path, ": the model has no matrix ", name,
                  " of shape ", ShapeString(matrix.shape));
    }
    it->second = std::move(matrix);
  }
  out.files.push_back(std::move(kept.file));
  MarkUsed(entry.path);
  return out;
}

Status KeepMatrices(const Checkpoint& checkpoint, const ModelWeights& weights,
                    const StoreEntry& entry, const ProgressCallback& on_progress) {
  // If the files have changed meanwhile, who knows what was packed.
  GEMMA3_CHECK_OK(FingerprintOf(checkpoint));
  std::error_code error;
  fs::create_directories(fs::path(entry.path).parent_path(), error);  // writing will say why not
  PackedMatrices matrices;
  matrices.source = entry.source;
  matrices.model = checkpoint.config.name;
  matrices.shares_head = !checkpoint.tensors.contains(kHead);
  for (const auto& [name, matrix] : weights.rewritten) {
    matrices.tensors.emplace(name, AsTensor(matrix, checkpoint.tensors.at(name)));
  }
  return WritePackedMatrices(entry.path, matrices, on_progress);
}

void TrimPackedStore(const std::string& folder, size_t max_bytes, const std::string& keep) {
  TrimFolder(folder, kPackedFileSuffix, max_bytes, keep);
}

}  // namespace gemma3
