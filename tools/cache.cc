// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 cache: what the program keeps on the disk to start faster, and clearing it.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/kept_files.h"
#include "tools/models.h"
#include "tools/names.h"
#include "tools/output.h"
#include "tools/terminal.h"
#include "tools/text.h"
#include "tools/text_width.h"

namespace gemma3::cli {
namespace {

namespace fs = std::filesystem;

// A folder that is the program's own may be missing; one that the user named may not.
struct Place {
  std::string folder;
  bool may_be_missing;
};

std::vector<Place> DefaultPlaces() {
  const std::string folder = DefaultCacheFolder();
  if (folder.empty()) return {};
  return {{folder, true}, {folder + "/prompts", true}};
}

const char* KindName(KeptFile::Kind kind) {
  switch (kind) {
    case KeptFile::Kind::kPacked:
      return "weights";
    case KeptFile::Kind::kPrompt:
      return "prompt";
    case KeptFile::Kind::kSaved:
      return "saved";
    case KeptFile::Kind::kLeftover:
      return "leftover";
  }
  return "";
}

std::string CountText(const std::vector<KeptFile>& files) {
  uint64_t bytes = 0;
  for (const KeptFile& file : files) bytes += file.bytes;
  return Format("%zu file%s, ", files.size(), files.size() == 1 ? "" : "s") + BytesText(bytes);
}

Result<std::vector<KeptFile>> FindAll(const std::vector<Place>& places, KeptKinds kinds) {
  std::vector<KeptFile> all;
  for (const auto& [folder, may_be_missing] : places) {
    std::error_code error;
    if (may_be_missing && !fs::exists(folder, error) && !error) continue;
    GEMMA3_TRY(std::vector<KeptFile> files, FindKeptFiles(folder, kinds));
    std::ranges::move(files, std::back_inserter(all));
  }
  return all;
}

int List(const std::vector<KeptFile>& files, const std::string& where) {
  Output out;
  if (files.empty()) {
    out.Write("nothing is kept in " + where + "\n");
    return out.Finish(kExitOk);
  }
  const time_t now = std::time(nullptr);
  size_t widest = 0;
  for (const KeptFile& file : files) widest = std::max(widest, TextWidth(file.description));
  std::string folder;
  for (const KeptFile& file : files) {
    const fs::path path(file.path);
    if (path.parent_path() != folder) {
      folder = path.parent_path().string();
      out.Write(folder + "\n");
    }
    const std::string padding(widest - TextWidth(file.description), ' ');
    out.Write(Format("  %-8s  %9s  %-14s  ", KindName(file.kind), BytesText(file.bytes).c_str(),
                     AgeText(file.used, now).c_str()) +
              file.description + padding + "  " + path.filename().string() + "\n");
  }
  out.Write(CountText(files) + "\n");
  return out.Finish(kExitOk);
}

// Whether the person at the terminal says yes.
bool Confirmed(const std::string& question) {
  WriteStderr(question + " [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  const std::string_view word = TrimSpace(answer);
  return word == "y" || word == "Y" || word == "yes";
}

int Clear(std::vector<KeptFile> files, const std::string& where, bool yes) {
  Output out;
  const auto saved = std::ranges::stable_partition(
      files, [](const KeptFile& file) { return file.kind != KeptFile::Kind::kSaved; });
  for (const KeptFile& file : saved) {
    WriteStderr("kept " + SanitizeForTerminal(file.path) + ", which was saved under a name\n");
  }
  files.erase(saved.begin(), saved.end());
  if (files.empty()) {
    out.Write("nothing to remove in " + where + "\n");
    return out.Finish(kExitOk);
  }
  const bool asks = !yes && IsTerminal(0) && IsTerminal(2);
  if (asks && !Confirmed("remove " + CountText(files) + "?")) {
    out.Write("nothing was removed\n");
    return out.Finish(kExitOk);
  }
  std::vector<KeptFile> removed;
  int code = kExitOk;
  for (KeptFile& file : files) {
    // What has the file mapped keeps it until it ends.
    if (::unlink(file.path.c_str()) == 0) {
      removed.push_back(std::move(file));
    } else if (errno != ENOENT) {  // another process may have been faster
      PrintError("cannot remove " + file.path + ": " + std::strerror(errno));
      code = kExitRuntime;
    }
  }
  out.Write("removed " + CountText(removed) + "\n");
  return out.Finish(code);
}

}  // namespace

int CacheCommand(int argc, const char* const* argv) {
  bool packed = false, prompts = false, yes = false;
  Args args(
      "cache", "[list|clear] [DIR]",
      "Lists what is kept on the disk to start faster, or removes it: packed weights, and\n"
      "states behind prompts. All of it is made again when it is needed. DIR is a folder of\n"
      "--prompt-cache; without it, gemma3 in the user's cache folder is meant, with the folder\n"
      "prompts in it. Other files stay, and so do states that were saved under a name.");
  args.AddFlag("--packed", &packed, "packed weights only");
  args.AddFlag("--prompts", &prompts, "states behind prompts only");
  args.AddFlag("-y,--yes", &yes, "clear without a question; none is asked without a terminal");
  if (const auto code = args.Parse(argc, argv)) return *code;
  std::vector<std::string> words = args.words();
  const bool has_verb = !words.empty() && (words[0] == "list" || words[0] == "clear");
  const bool clears = has_verb && words[0] == "clear";
  if (has_verb) words.erase(words.begin());
  if (words.size() > 1) return args.UsageError("expects list or clear, and one DIR");
  std::error_code error;
  if (!has_verb && !words.empty() && !fs::is_directory(words[0], error)) {
    const std::vector<std::string> verbs = {"list", "clear"};
    return args.UsageError("expects list, clear or a folder, not " + words[0] +
                           DidYouMean(words[0], verbs));
  }
  const std::vector<Place> places =
      words.empty() ? DefaultPlaces() : std::vector<Place>{{words[0], false}};
  if (places.empty()) return args.UsageError("there is no home folder; which DIR?");
  const KeptKinds kinds = {.packed = packed || !prompts, .prompts = prompts || !packed};
  auto files = FindAll(places, kinds);
  if (!files) return Report(files.error());
  const std::string& where = places.front().folder;
  return clears ? Clear(*std::move(files), where, yes) : List(*files, where);
}

}  // namespace gemma3::cli
