// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/api_error.h"

#include "tools/serve/json_out.h"

namespace gemma3::serve {
namespace {

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kContextTooLong:
    case ErrorCode::kBadImage:
      return 400;
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kCancelled:
      return 503;
    case ErrorCode::kBadModel:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

const char* CodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kContextTooLong:
      return "context_length_exceeded";
    case ErrorCode::kUnsupported:
      return "unsupported_value";
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kBadImage:
      return "invalid_value";
    default:
      return ErrorCodeName(code);
  }
}

// Google's status names (google.rpc.Code).
const char* GoogleStatus(int status) {
  switch (status) {
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "NOT_FOUND";
    case 429:
      return "RESOURCE_EXHAUSTED";
    case 501:
      return "UNIMPLEMENTED";
    case 503:
      return "UNAVAILABLE";
    default:
      return status < 500 ? "INVALID_ARGUMENT" : "INTERNAL";
  }
}

}  // namespace

ApiError::ApiError(const Error& error)
    : status(StatusOf(error.code)), message(error.message), code(CodeOf(error.code)) {}

std::string OpenAiType(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

Wording WordingOf(std::string_view path) {
  if (path.starts_with("/api/")) return Wording::kOllama;
  if (path.starts_with("/v1beta/") || path.ends_with("enerateContent")) return Wording::kGoogle;
  return Wording::kOpenAi;
}

std::string ErrorBody(const ApiError& error, Wording wording) {
  Json json;
  switch (wording) {
    case Wording::kOllama:
      json["error"] = error.message;
      break;
    case Wording::kGoogle:
      json["error"] = {{"code", error.status},
                       {"message", error.message},
                       {"status", GoogleStatus(error.status)}};
      break;
    case Wording::kOpenAi:
      json["error"] = {{"message", error.message},
                       {"type", OpenAiType(error.status)},
                       {"param", error.param.empty() ? Json() : Json(error.param)},
                       {"code", error.code.empty() ? Json() : Json(error.code)}};
      break;
  }
  return Dump(json);
}

HttpResponse ErrorResponse(const ApiError& error, Wording wording) {
  HttpResponse response{.status = error.status, .body = ErrorBody(error, wording)};
  if (error.retry_after > 0) {
    response.headers.push_back({"Retry-After", std::to_string(error.retry_after)});
  } else if (error.status >= 500) {
    response.headers.push_back({"X-Should-Retry", "false"});
  }
  if (error.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

}  // namespace gemma3::serve
