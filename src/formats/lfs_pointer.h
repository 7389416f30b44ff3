// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Git LFS pointers: the text files that a clone without LFS leaves in place of large ones.
#pragma once

#include <string>

#include "gemma3/error.h"

namespace gemma3 {

// Errors: kBadModel where `path` is such a pointer, saying how to get the file itself.
Status RefuseLfsPointer(const std::string& path);

}  // namespace gemma3
