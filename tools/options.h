// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Every setting of a model, a session and a generation, declared once. The table below makes the
// command-line flags (--top-k), the names of /set and /show in the chat (top-k) and their checks; a
// name is that of the library's field (top_k) with hyphens, less a unit suffix (_bytes).
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/generation.h"
#include "gemma3/image.h"
#include "gemma3/model.h"
#include "gemma3/session.h"

namespace gemma3::cli {

struct Settings {
  LoadOptions load;               // but for the cache folder: see `cache`
  std::string draft;              // a smaller model that guesses ahead; empty: none
  std::vector<AdapterPath> lora;  // adapters, all at once
  bool cache = true;              // keep packed weights in the user's cache folder
  SessionOptions session;
  bool parallel_set = false;  // by the user: a batch has a default of its own
  GenerationOptions generation;
  ImageOptions images;
  std::optional<std::string> system;  // unset: what the model's store wants, usually none
  std::string from, to;               // languages of a translation request
  std::string json_schema;            // a file, or JSON
  std::string grammar;                // a file
  bool json_object = false;
  bool schema_prompt = true;  // the prompt says what is expected
  bool wrap = true;           // between words, where the answer goes to a terminal
};

// Whether each message is one; both languages are given then.
inline bool Translates(const Settings& settings) {
  return !settings.from.empty() && !settings.to.empty();
}

// The heading in --help, and what a change in the chat has to do: nothing for the first three, a
// new session for kSession. kModel is fixed once the model is loaded. kPictures, what is done to
// pictures as they are read, stands under kSession's heading.
enum class SettingGroup { kSampling, kAnswer, kPictures, kSession, kModel };
const char* SettingGroupName(SettingGroup group);

struct Setting {
  std::string name;   // "top-k"
  std::string value;  // placeholder, "N" or "fast|f32"
  std::string help;   // one line, no full stop
  std::string range;  // what is accepted, for errors: "a whole number of at least 0"
  SettingGroup group = SettingGroup::kSampling;
  bool repeats = false;  // the flag may be given several times; each value is added
  bool rare = false;     // of few people's interest: --help leaves it out
  // The value as text, in the form that `set` takes; "default" while it is left to the model.
  std::function<std::string(const Settings&)> get;
  // False: not in the range, and nothing was changed.
  std::function<bool(Settings&, std::string_view)> set;
  std::function<void(Settings&)> reset;  // back to the default
};

std::span<const Setting> AllSettings();

// By name, underscores read as hyphens, leading hyphens ignored. Null: unknown.
const Setting* FindSetting(std::string_view name);

// Changes one setting. "default" resets it when `allow_default`. Errors: kInvalidArgument for an
// unknown name (with the nearest) or a value out of range (with the range).
Status ApplySetting(Settings& settings, std::string_view name, std::string_view value,
                    bool allow_default);

// What is used where `settings` leaves a choice to the model.
Settings WithModelDefaults(const Settings& settings, const ModelConfig& config);

}  // namespace gemma3::cli
