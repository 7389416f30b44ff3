// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Errors are values. Every fallible function returns Result<T>; nothing in the library prints,
// throws across its API, or ends the process.
#pragma once

#include <expected>
#include <string>

namespace gemma3 {

// What kind of thing went wrong, for programs; Error::message is for people.
enum class ErrorCode {
  kInvalidArgument,  // an option or argument is out of range; nothing was changed
  kBadModel,         // a model file is missing, damaged, or of a kind this library does not read
  kUnsupported,      // well-formed, but asks for something this model or build cannot do
  kContextTooLong,   // prompt plus answer do not fit the context; the session is unchanged
  kOutOfMemory,      // an allocation failed, or the memory plan exceeds the limit that was set
  kBadImage,         // an image is damaged, too large, or of an unknown format
  kIo,               // the operating system refused to read or write a file
  kCancelled,        // the caller asked to stop
  kInternal,         // a bug in this library, or numbers that overflowed (damaged weights)
};

// One sentence that says what happened, where (file, tensor, option), and what to do about it.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// The stable lower-case name of a code, e.g. "bad_model".
constexpr const char* ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kBadModel:
      return "bad_model";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kContextTooLong:
      return "context_too_long";
    case ErrorCode::kOutOfMemory:
      return "out_of_memory";
    case ErrorCode::kBadImage:
      return "bad_image";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace gemma3
