// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Where the API ends, exceptions become errors: an allocation that failed here or on a thread of
// the pool, a callback of the application that threw, a library that reports so.
#pragma once

#include <exception>
#include <expected>
#include <new>
#include <string_view>

#include "src/base/status.h"

namespace gemma3 {

// The error, or one without words where there is no memory for them.
template <class... Parts>
Error ErrorWithoutThrowing(ErrorCode code, const Parts&... parts) noexcept {
  try {
    return Fail(code, parts...).error();
  } catch (...) {
    // As many characters as a std::string holds without allocating.
    return Error{ErrorCode::kOutOfMemory, "out of memory"};
  }
}

// Returns fn(), a Result. `doing` and `what` complete "cannot ..." and "not enough memory to ...",
// e.g. "load " and "model.gguf"; two parts, because joining them may fail as well.
// Errors: kOutOfMemory, kInternal, besides those of fn.
template <class Fn>
auto Guarded(std::string_view doing, std::string_view what, const Fn& fn) noexcept
    -> decltype(fn()) {
  try {
    return fn();
  } catch (const std::bad_alloc&) {
    return std::unexpected(
        ErrorWithoutThrowing(ErrorCode::kOutOfMemory, "not enough memory to ", doing, what));
  } catch (const std::exception& e) {
    return std::unexpected(
        ErrorWithoutThrowing(ErrorCode::kInternal, "cannot ", doing, what, ": ", e.what()));
  } catch (...) {  // only an application's callback throws such things
    return std::unexpected(ErrorWithoutThrowing(ErrorCode::kInternal, "cannot ", doing, what,
                                                ": an exception of unknown type"));
  }
}

}  // namespace gemma3
