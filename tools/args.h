// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One subcommand's command line, on CLI11. It adds what CLI11 lacks: an unknown flag names the
// nearest known one, settings come from the table in options.h, and words are taken exactly as they
// were typed (CLI11 splits "[a,b]" in positional arguments).
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "tools/options.h"

namespace gemma3::cli {

class Args {
 public:
  // synopsis: what follows the command's name in the usage line, e.g. "MODEL [PROMPT...]".
  Args(std::string command, std::string synopsis, std::string description);
  ~Args();
  Args(const Args&) = delete;
  Args& operator=(const Args&) = delete;

  // names: "--json" or "-v,--verbose". Targets must live until Parse has returned.
  void AddFlag(const std::string& names, bool* target, const std::string& help);
  // rare: shown by --help-all alone.
  void AddText(const std::string& names, const std::string& value, std::string* target,
               const std::string& help, bool rare = false);
  // May be given several times.
  void AddTexts(const std::string& names, const std::string& value,
                std::vector<std::string>* target, const std::string& help);
  // A whole number of at least min.
  void AddSize(const std::string& names, size_t min, size_t* target, const std::string& help);
  // Whole numbers with commas between; each at least min.
  void AddSizes(const std::string& names, size_t min, std::vector<size_t>* target,
                const std::string& help);
  // The settings of these groups, except those named in `without`.
  void AddSettings(Settings* settings, std::initializer_list<SettingGroup> groups,
                   std::initializer_list<std::string_view> without = {});

  // Fills the targets and words(). A value: the exit code to end with, after --help (printed to
  // standard output) or a usage error (printed to standard error).
  std::optional<int> Parse(int argc, const char* const* argv);

  // What is no flag, in order. Everything behind a lone "--" is a word.
  const std::vector<std::string>& words() const { return words_; }

  // Prints "gemma3 COMMAND: message" style usage errors; returns kExitUsage.
  int UsageError(const std::string& message) const;

 private:
  using Setter = std::function<Status(std::string_view)>;
  void AddOption(const std::string& names, const std::string& value, const std::string& help,
                 const std::string& group, Setter set, bool rare = false);
  struct Impl;
  std::string command_;
  std::unique_ptr<Impl> impl_;
  std::vector<std::string> words_;
};

}  // namespace gemma3::cli
