// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Folders of files that are kept for speed and may go at any time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma3 {

// Removes what crashed processes have left of files with this ending (".gemma3"), and those that
// were read longest ago until all take at most `max_bytes`. The file at `keep` stays. Files with
// other endings are not touched. What cannot be removed stays.
void TrimFolder(const std::string& folder, std::string_view ending, size_t max_bytes,
                const std::string& keep);

// Marks a file as read now; many systems do not by themselves.
void MarkUsed(const std::string& path);

}  // namespace gemma3
