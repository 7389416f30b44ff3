// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/mmproj_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <system_error>

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

bool IsDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// A word that a name of a type begins with: f16, q4, iq3, mxfp4.
bool BeginsType(std::string_view word) {
  for (const std::string_view kind : {"iq", "tq", "mxfp", "bf", "fp", "f", "q"}) {
    if (word.starts_with(kind)) return IsDigits(word.substr(kind.size()));
  }
  return false;
}

// And one that it goes on with: the rest of Q4_K_M, Q8_0, IQ3_XXS.
bool ContinuesType(std::string_view word) {
  static constexpr auto kWords =
      std::to_array<std::string_view>({"0", "1", "k", "s", "m", "l", "xs", "xl", "xxs", "nl"});
  return std::ranges::find(kWords, word) != kWords.end();
}

bool IsNoise(std::string_view word) {
  return word == "mmproj" || word == "model" || word == "gguf";
}

// The number of a part: 00001 of 00003.
bool IsPartNumber(std::string_view word) { return word.size() == 5 && IsDigits(word); }

}  // namespace

std::vector<std::string> MmprojFilesBeside(const std::string& model) {
  std::vector<std::string> files;
  fs::path folder = fs::path(model).parent_path();
  if (folder.empty()) folder = ".";
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = Lower(it->path().filename().string());
    if (name.find("mmproj") == std::string::npos || !name.ends_with(".gguf")) continue;
    files.push_back(it->path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> StemOf(std::string_view path) {
  const std::string name = Lower(fs::path(path).filename().string());
  std::vector<std::string> words;
  bool in_type = false;
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find_first_of("-_. ", begin), name.size());
    const std::string word = name.substr(begin, end - begin);
    begin = end + 1;
    in_type = BeginsType(word) || (in_type && ContinuesType(word));
    if (word.empty() || in_type || IsNoise(word)) continue;
    if (IsPartNumber(word) || (word == "of" && IsPartNumber(name.substr(begin, 5)))) continue;
    words.push_back(word);
  }
  return words;
}

size_t SharedStem(std::string_view mmproj, std::string_view model) {
  const std::vector<std::string> words = StemOf(mmproj), in = StemOf(model);
  if (words.empty()) return 0;
  return std::ranges::search(in, words).empty() ? 0 : words.size();
}

}  // namespace gemma3
