// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Memory in large pages, with which address translation costs next to nothing, straight from the
// system: an allocator may keep what it once had, and the weights of a model are then in memory
// twice.
#pragma once

#include <cstddef>

namespace gemma3 {

inline constexpr size_t kLargePage = size_t{2} << 20;

// Asks the system for large pages where whole ones fit into [begin, begin + bytes). begin: a
// multiple of kLargePage. Never fails: systems without them ignore it.
void AdviseLargePages(void* begin, size_t bytes);

// Addresses for `bytes`, beginning at a multiple of kLargePage, that cannot be used yet. Null if
// there are none; errno then says why.
void* ReserveLargePages(size_t bytes);

// Zeroed memory that begins at a multiple of kLargePage; pages cost nothing until they are touched.
// Null if there is none.
void* AllocateLargePages(size_t bytes);

// Gives back what the functions above returned for `bytes`.
void FreeLargePages(void* begin, size_t bytes);

}  // namespace gemma3
