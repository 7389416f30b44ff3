// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/bench_record.h"

#include <nlohmann/json.hpp>

#include "src/base/file_map.h"
#include "src/base/status.h"

namespace gemma3::cli {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostBytes = size_t{16} << 20;

std::string TextOf(const Json& document, const char* key) {
  const auto it = document.find(key);
  if (it == document.end()) return "";
  return it->is_string() ? it->get<std::string>() : it->is_number_unsigned() ? it->dump() : "";
}

std::optional<double> PositiveIn(const Json& entry, const char* key) {
  if (!entry.is_object()) return std::nullopt;
  const auto it = entry.find(key);
  if (it == entry.end() || !it->is_number() || !(it->get<double>() > 0)) return std::nullopt;
  return it->get<double>();
}

// The figures of one group, by the member `at`. Where entries are not as bench writes them, false.
bool ReadGroup(const Json& document, const char* group, const char* at,
               std::map<size_t, double>& out) {
  const auto entries = document.find(group);
  if (entries == document.end()) return true;
  if (!entries->is_array()) return false;
  for (const Json& entry : *entries) {
    const auto rate = PositiveIn(entry, "tokens_per_second");
    if (!rate || !entry.contains(at) || !entry[at].is_number_unsigned()) return false;
    out[entry[at].get<size_t>()] = *rate;
  }
  return true;
}

}  // namespace

Result<BenchRecord> BenchRecord::Read(const std::string& path) {
  GEMMA3_TRY(const std::string text, ReadFile(path, kMostBytes));
  const Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  BenchRecord record;
  if (!document.is_object() || !ReadGroup(document, "prefill", "tokens", record.prefill_) ||
      !ReadGroup(document, "decode", "depth", record.decode_)) {
    return Fail(ErrorCode::kInvalidArgument, path,
                " is not a run to compare with; gemma3 bench MODEL --json writes one");
  }
  record.model_ = TextOf(document, "model");
  record.simd_ = TextOf(document, "simd");
  record.threads_ = TextOf(document, "threads");
  if (const auto image = document.find("image"); image != document.end()) {
    if (const auto seconds = PositiveIn(*image, "seconds")) record.pictures_ = 1 / *seconds;
  }
  if (record.prefill_.empty() && record.decode_.empty() && !record.pictures_) {
    return Fail(ErrorCode::kInvalidArgument, path, " holds no figure of gemma3 bench --json");
  }
  return record;
}

}  // namespace gemma3::cli
