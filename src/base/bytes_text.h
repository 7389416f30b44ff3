// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Amounts of memory for people.
#pragma once

#include <cstdint>
#include <string>

namespace gemma3 {

// In binary units, three digits: "1.50 GiB", "312 MiB", "17 B".
std::string BytesText(uint64_t bytes);

}  // namespace gemma3
