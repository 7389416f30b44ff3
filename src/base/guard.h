// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Where the API ends, exceptions become errors: an allocation that failed here or on a thread of
// the pool, a callback of the application that threw, a library that reports so.
#pragma once

#include <exception>
#include <new>
#include <string_view>

#include "src/base/status.h"

namespace gemma3 {

// Returns fn(), a Result. `doing` and `what` complete "cannot ..." and "not enough memory to ...",
// e.g. "load " and "model.gguf"; two parts, because joining them may fail as well.
// Errors: kOutOfMemory, kInternal, besides those of fn.
template <class Fn>
auto Guarded(std::string_view doing, std::string_view what, const Fn& fn) -> decltype(fn()) {
  try {
    return fn();
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kOutOfMemory, "not enough memory to ", doing, what);
  } catch (const std::exception& e) {
    return Fail(ErrorCode::kInternal, "cannot ", doing, what, ": ", e.what());
  } catch (...) {  // only an application's callback throws such things
    return Fail(ErrorCode::kInternal, "cannot ", doing, what, ": an exception of unknown type");
  }
}

}  // namespace gemma3
