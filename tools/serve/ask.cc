// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/ask.h"

#include <mutex>
#include <random>

namespace gemma3::serve {

std::string NewId(std::string_view prefix) {
  static constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  static std::mutex mutex;
  static std::random_device device;
  std::string id(prefix);
  const std::scoped_lock lock(mutex);
  std::uniform_int_distribution<size_t> letter(0, kLetters.size() - 1);
  for (int i = 0; i < 24; ++i) id += kLetters[letter(device)];
  return id;
}

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string Event(const std::string& json) { return "data: " + json + "\n\n"; }

}  // namespace gemma3::serve
