// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The user's folders, from the environment.
#pragma once

#include <cstdlib>
#include <string>

namespace gemma3 {

// An environment variable; empty where it is not set.
inline std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Where programs keep what can be made again: $XDG_CACHE_HOME, else ~/.cache; empty without a home.
inline std::string UserCacheFolder() {
  if (const std::string cache = Environment("XDG_CACHE_HOME"); !cache.empty()) return cache;
  const std::string home = Environment("HOME");
  return home.empty() ? "" : home + "/.cache";
}

}  // namespace gemma3
