// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Making and forwarding errors.
#pragma once

#include <expected>
#include <sstream>
#include <utility>

#include "gemma3/error.h"

namespace gemma3 {

// Fail(ErrorCode::kBadModel, path, ": tensor ", name, " is cut off") builds the error value that a
// function returning Result<T> returns.
template <class... Parts>
std::unexpected<Error> Fail(ErrorCode code, const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::unexpected(Error{code, std::move(out).str()});
}

}  // namespace gemma3

#define GEMMA3_CONCAT_INNER(a, b) a##b
#define GEMMA3_CONCAT(a, b) GEMMA3_CONCAT_INNER(a, b)

// GEMMA3_TRY(auto x, F());  evaluates F(), returns its error from this function, else binds x.
#define GEMMA3_TRY(decl, expr) GEMMA3_TRY_IMPL(decl, expr, GEMMA3_CONCAT(gemma3_result_, __LINE__))
#define GEMMA3_TRY_IMPL(decl, expr, tmp)                    \
  auto tmp = (expr);                                        \
  if (!tmp) return std::unexpected(std::move(tmp).error()); \
  decl = *std::move(tmp)

// GEMMA3_CHECK_OK(F());  the same for a Status.
#define GEMMA3_CHECK_OK(expr)                                   \
  do {                                                          \
    if (auto gemma3_status = (expr); !gemma3_status)            \
      return std::unexpected(std::move(gemma3_status).error()); \
  } while (0)
