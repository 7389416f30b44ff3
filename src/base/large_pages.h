// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Large pages for memory that is read and written all over: address translation then costs next to
// nothing.
#pragma once

#include <cstddef>

namespace gemma3 {

inline constexpr size_t kLargePage = size_t{2} << 20;

// Asks the system for large pages where whole ones fit into [begin, begin + bytes). begin: a
// multiple of kLargePage. Never fails: systems without them ignore it.
void AdviseLargePages(void* begin, size_t bytes);

}  // namespace gemma3
