// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Base64 (RFC 4648), with its usual alphabet and padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemma3::cli {

// RFC 4648 with padding; ASCII white space is skipped. Nothing for anything else.
std::optional<std::string> DecodeBase64(std::string_view text);
std::string EncodeBase64(std::string_view bytes);

}  // namespace gemma3::cli
