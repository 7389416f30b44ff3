// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The tensors that together hold one quantised module X of a Hugging Face folder: X.weight_packed,
// X.weight_scale and so on. Readers look parts up, check them, and put one view in their place.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/error.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/base/tensor.h"
#include "src/formats/grouped_codes.h"

namespace gemma3 {

class ModuleTensors {
 public:
  // `tensors` outlives this.
  ModuleTensors(const TensorMap& tensors, std::string name)
      : tensors_(tensors), name_(std::move(name)) {}

  const std::string& name() const { return name_; }

  // The tensor name + part, or null.
  const TensorView* Find(std::string_view part) const {
    const auto it = tensors_.find(name_ + std::string(part));
    return it == tensors_.end() ? nullptr : &it->second;
  }

  // The same; it is an error if it is missing, since `because` is there.
  Result<const TensorView*> Need(std::string_view part, std::string_view because) const {
    if (const TensorView* view = Find(part)) return view;
    return Fail(ErrorCode::kBadModel, Where(part, because), " is missing, but ",
                Shown(name_ + std::string(because)), " is there; is the download complete?");
  }

  // "file: tensor X.part"; the file is that of `of`, or of the part itself.
  std::string Where(std::string_view part, std::string_view of = "") const {
    const TensorView* view = Find(of.empty() ? part : of);
    return (view && view->file ? *view->file + ": " : std::string()) + "tensor " +
           Shown(name_ + std::string(part));
  }

  // "file: tensor X.part should be <expected>; found I32 [3, 4]". The part is there.
  std::unexpected<Error> Wrong(std::string_view part, std::string_view expected) const {
    const TensorView& view = *Find(part);
    return Fail(ErrorCode::kBadModel, Where(part), " should be ", expected, "; found ",
                InfoOf(view.type).name, " ", ShapeString(view.shape));
  }

 private:
  const TensorMap& tensors_;
  const std::string name_;
};

inline bool IsFloatType(TensorType type) {
  return type == TensorType::kBF16 || type == TensorType::kF16 || type == TensorType::kF32;
}

// Whether the view is a matrix of this type with elements. The bytes of such a matrix are in
// memory, so that products of its sizes do not overflow.
inline bool IsMatrixOf(const TensorView& view, TensorType type) {
  return view.type == type && view.shape.size() == 2 && view.shape[0] != 0 && view.shape[1] != 0;
}

// The names that end in `suffix`, without it.
inline std::vector<std::string> ModulesWith(const TensorMap& tensors, std::string_view suffix) {
  std::vector<std::string> modules;
  for (const auto& [name, view] : tensors) {
    if (name.ends_with(suffix)) modules.push_back(name.substr(0, name.size() - suffix.size()));
  }
  return modules;
}

// Replaces the parts of a module by X.weight: the codes in `stored`, as a matrix [rows, cols] that
// `grouped` describes. grouped.others becomes the bytes of the parts beside the codes.
inline void PutJoined(const std::string& module, const TensorView& stored, uint64_t rows,
                      uint64_t cols, GroupedCodes grouped,
                      std::initializer_list<std::string_view> parts, TensorMap* tensors) {
  TensorView joined = stored;
  joined.type = TensorType::kGroupedCodes;
  joined.shape = {rows, cols};
  for (const std::string_view part : parts) {
    const auto it = tensors->find(module + std::string(part));
    if (it == tensors->end()) continue;
    if (it->second.data != stored.data) {
      grouped.others.emplace_back(it->second.data, it->second.bytes);
    }
    tensors->erase(it);
  }
  joined.grouped = std::make_shared<GroupedCodes>(std::move(grouped));
  (*tensors)[module + ".weight"] = std::move(joined);
}

}  // namespace gemma3
