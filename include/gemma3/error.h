// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Errors are values. Every fallible function returns Result<T>; nothing in the library prints,
// throws across its API, or ends the process.
#pragma once

#include <concepts>
#include <expected>
#include <string>
#include <type_traits>
#include <utility>

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
class Result;

namespace internal {
// Of what a Result is not made from as from a value.
template <class T>
inline constexpr bool kIsResult = false;
template <class T>
inline constexpr bool kIsResult<Result<T>> = true;
template <class E>
inline constexpr bool kIsResult<std::unexpected<E>> = true;
}  // namespace internal

// A value, or the reason why there is none: std::expected<T, Error>, but for two things. The
// compiler warns where one is dropped, and a Result is never taken for the value of another one,
// which std::expected does where T is bool. `T{}` where it is made from nothing.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  Result() requires std::default_initializable<T>
  = default;
  template <class U = T>
  requires(!internal::kIsResult<std::remove_cvref_t<U>> &&
           std::constructible_from<T, U>) explicit(!std::convertible_to<U, T>) Result(U&& value)
      : state_(std::in_place, std::forward<U>(value)) {}
  template <class E>
  requires std::constructible_from<Error, E> Result(std::unexpected<E> error)
      : state_(std::unexpect, std::move(error).error()) {}

  bool has_value() const noexcept { return state_.has_value(); }
  explicit operator bool() const noexcept { return state_.has_value(); }
  // The value; undefined without one.
  T& operator*() & { return *state_; }
  const T& operator*() const& { return *state_; }
  T&& operator*() && { return *std::move(state_); }
  T* operator->() { return &*state_; }
  const T* operator->() const { return &*state_; }
  // The value; throws std::bad_expected_access without one.
  T& value() & { return state_.value(); }
  const T& value() const& { return state_.value(); }
  T&& value() && { return std::move(state_).value(); }
  template <class U>
  T value_or(U&& other) const& {
    return state_.value_or(std::forward<U>(other));
  }
  // The reason; undefined where there is a value.
  Error& error() & { return state_.error(); }
  const Error& error() const& { return state_.error(); }
  Error&& error() && { return std::move(state_).error(); }

  // Whether there is a value, and it is this one.
  template <class U>
  requires(!internal::kIsResult<U>) friend bool operator==(const Result& result, const U& value) {
    return result.has_value() && *result == value;
  }

 private:
  std::expected<T, Error> state_;
};

// Of what only succeeds or fails.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() = default;
  template <class E>
  requires std::constructible_from<Error, E> Result(std::unexpected<E> error)
      : state_(std::unexpect, std::move(error).error()) {}

  bool has_value() const noexcept { return state_.has_value(); }
  explicit operator bool() const noexcept { return state_.has_value(); }
  Error& error() & { return state_.error(); }
  const Error& error() const& { return state_.error(); }
  Error&& error() && { return std::move(state_).error(); }

 private:
  std::expected<void, Error> state_;
};

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
