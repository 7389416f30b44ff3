// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which of the vision files beside a GGUF model is its own. Names are all there is to go by: towers
// of one width look alike, and with another model's every description of a picture would be wrong.
//
// The stem of a name is its words without "mmproj", "model", "gguf", the number of a part, and the
// names of types (f16, Q4_K_M, ...): gemma-3-4b-it for gemma-3-4b-it-Q4_K_M.gguf and for
// mmproj-gemma-3-4b-it-f16.gguf. A file shares the model's stem if its own, which is not empty,
// stands in it word for word.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3 {

// Files beside `model` with "mmproj" in their name, sorted by name.
std::vector<std::string> MmprojFilesBeside(const std::string& model);

// The words of the stem of a path's file name, in lower case.
std::vector<std::string> StemOf(std::string_view path);

// How many words of its stem a vision file shares with the model: all of them, or 0.
size_t SharedStem(std::string_view mmproj, std::string_view model);

}  // namespace gemma3
