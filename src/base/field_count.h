// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How many fields a plain struct has, so that code which lists them does not compile where one is
// missing.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

namespace gemma3 {
namespace field_count_internal {

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

// Initialises any field. An optional takes it as its value.
struct Anything {
  template <class T>
  requires(!kIsOptional<T>) constexpr operator T() const;
};

template <class T, size_t... kFields>
consteval bool Takes(std::index_sequence<kFields...>) {
  return requires { T{(static_cast<void>(kFields), Anything{})...}; };
}

template <class T, size_t kCount = 0>
consteval size_t Count() {
  if constexpr (Takes<T>(std::make_index_sequence<kCount + 1>())) {
    return Count<T, kCount + 1>();
  } else {
    return kCount;
  }
}

}  // namespace field_count_internal

// For aggregates without base classes and without arrays as fields.
template <class T>
inline constexpr size_t kFieldCount = field_count_internal::Count<T>();

}  // namespace gemma3
