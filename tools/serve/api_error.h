// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Why a request is not answered, in the terms of HTTP. Each API words it in its own way.
//
// Clients run a request again after 408, 409, 429 and 5xx: what would fail again the same way is
// none of these.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <utility>

#include "gemma3/error.h"
#include "tools/serve/http.h"

namespace gemma3::serve {

struct ApiError {
  int status = 400;
  std::string message;
  std::string param = {};  // "messages[1].content"; empty: none
  std::string code = {};   // "model_not_found"; empty: none
  int retry_after = 0;     // seconds; 0: says nothing

  ApiError() = default;
  ApiError(int status, std::string message, std::string param = {}, std::string code = {})
      : status(status),
        message(std::move(message)),
        param(std::move(param)),
        code(std::move(code)) {}
  ApiError(const Error& error);  // NOLINT: what the library says, wherever it says it
};

template <class T>
using Api = std::expected<T, ApiError>;

inline std::unexpected<ApiError> Refuse(int status, std::string message, std::string param = {},
                                        std::string code = {}) {
  return std::unexpected(ApiError(status, std::move(message), std::move(param), std::move(code)));
}

// "invalid_request_error", ...: OpenAI's type of a status.
std::string OpenAiType(int status);

// Which words an error is put in.
enum class Wording { kOpenAi, kOllama, kGoogle };
Wording WordingOf(std::string_view path);
std::string ErrorBody(const ApiError& error, Wording wording);
HttpResponse ErrorResponse(const ApiError& error, Wording wording);

}  // namespace gemma3::serve
