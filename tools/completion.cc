// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/completion.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tools/decompose.h"
#include "tools/image_path.h"
#include "tools/options.h"
#include "tools/terminal.h"
#include "tools/text.h"
#include "tools/text_width.h"

namespace gemma3::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSpace = " \t\n";

// What all names begin with, in whole characters.
std::string CommonBegin(std::span<const std::string> names) {
  std::string common = names.front();
  for (const std::string& name : names) {
    const auto [end, unused] = std::ranges::mismatch(common, name);
    common.erase(end, common.end());
  }
  size_t whole = 0;
  while (whole < common.size()) {
    const int length = FirstUtf8Char(std::string_view(common).substr(whole)).length;
    if (length == 0) break;
    whole += static_cast<size_t>(length);
  }
  common.resize(whole);
  return common;
}

// `names` are those that begin with `typed`.
Completion CompleteWord(std::string_view typed, std::vector<std::string> names) {
  if (names.empty()) return {};
  if (names.size() == 1) return {0, names[0].substr(typed.size()) + " ", {}};
  std::string common = CommonBegin(names);
  if (common.size() > typed.size()) return {0, common.substr(typed.size()), {}};
  return {0, "", std::move(names)};
}

Completion CompleteCommand(std::string_view typed, std::span<const CommandWords> commands) {
  std::vector<std::string> names, others;
  for (const CommandWords& command : commands) {
    for (const std::string& name : command.names) {
      if (!name.starts_with(typed)) continue;
      (name == command.names[0] ? names : others).push_back("/" + name);
    }
  }
  return CompleteWord("/" + std::string(typed), std::move(names.empty() ? others : names));
}

Completion CompleteSetting(std::string_view arguments, bool with_value) {
  const size_t end = arguments.find_first_of(" \t\n=");
  std::vector<std::string> words;
  if (end == std::string_view::npos) {
    std::string typed(arguments);
    std::ranges::replace(typed, '_', '-');
    for (const Setting& setting : AllSettings()) {
      // Those of the model are fixed by now; they can be shown, but not set.
      if (with_value && setting.group == SettingGroup::kModel) continue;
      if (setting.name.starts_with(typed)) words.push_back(setting.name);
    }
    return CompleteWord(typed, std::move(words));
  }
  const Setting* setting = FindSetting(arguments.substr(0, end));
  if (!with_value || setting == nullptr || setting->value.find('|') == std::string::npos) return {};
  std::string_view typed = arguments.substr(end + 1);
  typed.remove_prefix(std::min(typed.find_first_not_of(kSpace), typed.size()));
  const std::string values = setting->value + "|default";
  for (std::string_view rest = values; !rest.empty();) {
    const std::string_view word = rest.substr(0, rest.find('|'));
    if (word.starts_with(typed)) words.emplace_back(word);
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  }
  return CompleteWord(typed, std::move(words));
}

enum class Files { kAll, kPictures, kFolders };

// Names that can be shown and typed: UTF-8 without control codes.
bool IsPlain(const std::string& name) {
  return name.find_first_of("\n\t") == std::string::npos && SanitizeForTerminal(name) == name;
}

// The end of a path, so that it is read as it is behind what was typed.
std::string Quoted(std::string_view text, char quote) {
  std::string quoted;
  for (const char c : text) {
    if (quote == '\'' && c == '\'') {
      quoted += "'\\''";
      continue;
    }
    const std::string_view special = quote == '\'' ? "" : quote == '"' ? "\"\\" : " \t\\'\"";
    if (special.find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

// Of the folder's files those that can be completed, folders with a slash behind them.
std::vector<std::string> NamesIn(const std::string& folder, Files files) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder.empty() ? "." : WithHome(folder), error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (!IsPlain(name)) continue;
    std::error_code unreadable;
    if (entry->is_directory(unreadable)) {
      name += '/';
    } else if (files == Files::kFolders ||
               (files == Files::kPictures && !HasImageExtension(name))) {
      continue;
    }
    names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

Completion CompletePath(const OpenPath& typed, Files files) {
  if (typed.is_closed || typed.text.starts_with("file://")) return {};
  if (typed.text == "~") return {0, "/", {}};
  const size_t slash = typed.text.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : typed.text.substr(0, slash + 1);
  const std::string begin = typed.text.substr(folder.size());
  const std::vector<std::string> all = NamesIn(folder, files);
  std::vector<std::string> names;
  for (const std::string& name : all) {
    // Hidden files are for those who ask for them.
    if (name.starts_with(begin) && !(begin.empty() && name[0] == '.')) names.push_back(name);
  }
  size_t kept = begin.size();  // of what was typed
  if (names.empty()) {
    // A name in the other form of Unicode; also a syllable that is still without its last letter.
    const std::string apart = Decomposed(begin);
    for (const std::string& name : all) {
      if (Decomposed(name).starts_with(apart)) names.push_back(name);
    }
    if (names.empty()) return {};
    kept = 0;
    if (Decomposed(CommonBegin(names)).size() < apart.size()) return {0, "", std::move(names)};
  }
  const std::string common = CommonBegin(names);
  Completion completion;
  completion.insert = Quoted(common.substr(kept), typed.quote);
  if (names.size() == 1 && !common.ends_with('/')) {
    if (typed.quote != 0) completion.insert += typed.quote;
    completion.insert += ' ';
  }
  if (kept == 0) completion.erase = typed.name_characters;
  if (completion.insert.empty()) completion.choices = std::move(names);
  return completion;
}

bool HasWord(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

Completion CompleteArguments(const CommandWords& command, std::string_view arguments) {
  const std::string& shape = command.arguments;
  if (HasWord(shape, "FILE")) return CompletePath(ReadOpenPath(arguments), Files::kAll);
  if (HasWord(shape, "DIR")) return CompletePath(ReadOpenPath(arguments), Files::kFolders);
  if (HasWord(shape, "NAME")) return CompleteSetting(arguments, HasWord(shape, "VALUE"));
  return {};
}

}  // namespace

Completion CompleteLine(std::string_view line, std::span<const CommandWords> commands) {
  if (line.starts_with('/')) {
    const size_t end = line.find_first_of(kSpace);
    const std::string_view name = line.substr(1, end == std::string_view::npos ? end : end - 1);
    if (end == std::string_view::npos) {
      Completion completion = CompleteCommand(name, commands);
      if (!completion.insert.empty() || !completion.choices.empty()) return completion;
    }
    for (const CommandWords& command : commands) {
      if (end == std::string_view::npos || std::ranges::count(command.names, name) == 0) continue;
      std::string_view arguments = line.substr(end);
      arguments.remove_prefix(std::min(arguments.find_first_not_of(kSpace), arguments.size()));
      return CompleteArguments(command, arguments);
    }
  }
  const OpenPath word = LastOpenPath(line);
  // Behind a space nobody has begun to name a file.
  return word.text.empty() && word.quote == 0 ? Completion{} : CompletePath(word, Files::kPictures);
}

std::string ChoiceTable(std::span<const std::string> choices, size_t width) {
  constexpr size_t kMax = 200;
  const std::span<const std::string> shown = choices.first(std::min(choices.size(), kMax));
  size_t widest = 0;
  for (const std::string& choice : shown) widest = std::max(widest, TextWidth(choice));
  constexpr size_t kGap = 2;
  const size_t columns = std::max<size_t>(1, (width + kGap) / (widest + kGap));
  const size_t rows = (shown.size() + columns - 1) / columns;
  std::string table;
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = row; i < shown.size(); i += rows) {
      table += shown[i];
      if (i + rows < shown.size()) table.append(widest + kGap - TextWidth(shown[i]), ' ');
    }
    table += '\n';
  }
  if (choices.size() > kMax) table += Format("... and %zu more\n", choices.size() - kMax);
  return table;
}

}  // namespace gemma3::cli
