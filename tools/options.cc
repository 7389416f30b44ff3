// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/options.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "src/base/status.h"
#include "tools/names.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

using Group = SettingGroup;

// Each maker takes `field`, a generic lambda from Settings to the member, so that one place names
// it for reading, writing and resetting.
template <class Field>
Setting Make(std::string name, std::string value, Group group, std::string help, std::string range,
             Field field) {
  Setting setting;
  setting.name = std::move(name);
  setting.value = std::move(value);
  setting.group = group;
  setting.help = std::move(help);
  setting.range = std::move(range);
  setting.reset = [field](Settings& s) {
    const Settings fresh;
    field(s) = field(fresh);
  };
  return setting;
}

std::string ToText(float value) { return Format("%g", value); }
std::string ToText(int value) { return std::to_string(value); }
std::string ToText(size_t value) { return std::to_string(value); }
template <class T>
std::string ToText(const std::optional<T>& value) {
  return value ? ToText(*value) : "default";
}

// A decimal number in [min, max], or in (min, max] when min_is_open.
template <class Field>
Setting Real(std::string name, Group group, std::string help, std::string range, double min,
             double max, bool min_is_open, Field field) {
  Setting setting = Make(std::move(name), "X", group, std::move(help), std::move(range), field);
  setting.get = [field](const Settings& s) { return ToText(field(s)); };
  setting.set = [field, min, max, min_is_open](Settings& s, std::string_view text) {
    const std::optional<double> value = ParseNumber(text);
    if (!value || *value < min || *value > max || (min_is_open && *value == min)) return false;
    const float rounded = static_cast<float>(*value);
    if (min_is_open && !(rounded > static_cast<float>(min))) return false;  // underflow
    field(s) = rounded;
    return true;
  };
  return setting;
}

// A whole number in [min, max]; suffixes K, M, G count in 1024s.
template <class Field>
Setting Whole(std::string name, std::string value_name, Group group, std::string help,
              std::string range, uint64_t min, uint64_t max, Field field) {
  Setting setting =
      Make(std::move(name), std::move(value_name), group, std::move(help), std::move(range), field);
  setting.get = [field](const Settings& s) { return ToText(field(s)); };
  setting.set = [field, min, max](Settings& s, std::string_view text) {
    const std::optional<uint64_t> value = ParseSize(text);
    if (!value || *value < min || *value > max) return false;
    field(s) = static_cast<std::decay_t<decltype(field(s))>>(*value);
    return true;
  };
  return setting;
}

// One of a few words.
template <class Enum, class Field>
Setting Choice(std::string name, Group group, std::string help,
               std::vector<std::pair<std::string, Enum>> choices, Field field) {
  std::string words, listed;
  for (const auto& [word, unused] : choices) {
    words += (words.empty() ? "" : "|") + word;
    listed += (listed.empty() ? "" : ", ") + word;
  }
  Setting setting =
      Make(std::move(name), std::move(words), group, std::move(help), "one of " + listed, field);
  setting.get = [field, choices](const Settings& s) {
    for (const auto& [word, value] : choices) {
      if (value == field(s)) return word;
    }
    return std::string("default");
  };
  setting.set = [field, choices](Settings& s, std::string_view text) {
    for (const auto& [word, value] : choices) {
      if (word == text) {
        field(s) = value;
        return true;
      }
    }
    return false;
  };
  return setting;
}

template <class Field>
Setting Text(std::string name, std::string value_name, Group group, std::string help, Field field) {
  Setting setting =
      Make(std::move(name), std::move(value_name), group, std::move(help), "text", field);
  setting.get = [field](const Settings& s) { return field(s); };
  setting.set = [field](Settings& s, std::string_view text) {
    field(s) = std::string(text);
    return true;
  };
  return setting;
}

Setting TopK() {
  const auto field = [](auto& s) -> auto& { return s.generation.top_k; };
  Setting setting = Make("top-k", "N", Group::kSampling, "keep the N likeliest tokens; 0 keeps all",
                         "a whole number of at least 0", field);
  setting.get = [field](const Settings& s) { return ToText(field(s)); };
  setting.set = [field](Settings& s, std::string_view text) {
    const std::optional<uint64_t> value = ParseSize(text);
    if (!value || *value > static_cast<uint64_t>(std::numeric_limits<int>::max())) return false;
    field(s) = static_cast<int>(*value);
    return true;
  };
  return setting;
}

Setting Seed() {
  Setting setting = Make(
      "seed", "N", Group::kSampling,
      "the same seed gives the same text; random: a new one for each answer",
      "a whole number of at most 64 bits, or random",
      [](auto& s) -> auto& { return s.generation.seed; });
  setting.get = [](const Settings& s) {
    return s.generation.seed ? std::to_string(*s.generation.seed) : "random";
  };
  setting.set = [](Settings& s, std::string_view text) {
    if (text == "random") {
      s.generation.seed = {};
      return true;
    }
    uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || rest != end) return false;
    s.generation.seed = value;
    return true;
  };
  return setting;
}

Setting Stop() {
  Setting setting = Make(
      "stop", "TEXT", Group::kAnswer, "end the answer before this text; may be repeated",
      "text that is not empty", [](auto& s) -> auto& { return s.generation.stop; });
  setting.repeats = true;
  setting.get = [](const Settings& s) {
    std::string all;
    for (const std::string& stop : s.generation.stop) {
      all += (all.empty() ? "\"" : ", \"") + stop + "\"";
    }
    return all.empty() ? "none" : all;
  };
  setting.set = [](Settings& s, std::string_view text) {
    if (text.empty()) return false;
    s.generation.stop.emplace_back(text);
    return true;
  };
  return setting;
}

// PATH or PATH=SCALE. A path may have a '=' of its own.
std::optional<AdapterPath> ParseAdapter(std::string_view text) {
  const size_t at = text.rfind('=');
  std::error_code error;
  if (at != std::string_view::npos && !std::filesystem::exists(text, error)) {
    const std::optional<double> scale = ParseNumber(text.substr(at + 1));
    if (!scale || at == 0) return std::nullopt;
    return AdapterPath{std::string(text.substr(0, at)), static_cast<float>(*scale)};
  }
  if (text.empty()) return std::nullopt;
  return AdapterPath{std::string(text), 1};
}

Setting Lora() {
  Setting setting = Make(
      "lora", "DIR|FILE[=SCALE]", Group::kModel,
      "a LoRA adapter (PEFT, MLX, GGUF), computed on the fly; may be repeated",
      "an adapter, with =SCALE behind it or not", [](auto& s) -> auto& { return s.lora; });
  setting.repeats = true;
  setting.get = [](const Settings& s) {
    std::string all;
    for (const AdapterPath& adapter : s.lora) {
      all += (all.empty() ? "" : ", ") + adapter.path;
      if (adapter.scale != 1) all += Format("=%g", static_cast<double>(adapter.scale));
    }
    return all.empty() ? "none" : all;
  };
  setting.set = [](Settings& s, std::string_view text) {
    const auto adapter = ParseAdapter(text);
    if (adapter) s.lora.push_back(*adapter);
    return adapter.has_value();
  };
  return setting;
}

// auto, none, required, or names with commas between them, of which one must be called.
Setting Choosing() {
  Setting setting = Make(
      "tool-choice", "CHOICE", Group::kAnswer,
      "whether the model calls: auto, none, required, or the name of a tool",
      "auto, none, required, or names of tools with commas between",
      [](auto& s) -> auto& { return s.generation.tools.choice; });
  setting.get = [](const Settings& s) -> std::string {
    const ToolChoice& choice = s.generation.tools.choice;
    std::string names;
    for (const std::string& name : choice.names) names += (names.empty() ? "" : ",") + name;
    if (!names.empty()) return names;
    return choice.mode == ToolChoice::Mode::kNone       ? "none"
           : choice.mode == ToolChoice::Mode::kRequired ? "required"
                                                        : "auto";
  };
  setting.set = [](Settings& s, std::string_view text) {
    ToolChoice choice;
    if (text == "none") {
      choice = ToolChoice::None();
    } else if (text == "required") {
      choice = ToolChoice::Required();
    } else if (text != "auto") {
      choice = ToolChoice::Required();
      while (true) {
        const size_t comma = std::min(text.find(','), text.size());
        const std::string_view name = TrimSpace(text.substr(0, comma));
        if (name.empty()) return false;
        choice.names.emplace_back(name);
        if (comma == text.size()) break;
        text.remove_prefix(comma + 1);
      }
    }
    s.generation.tools.choice = std::move(choice);
    return true;
  };
  return setting;
}

Setting Logprobs() {
  Setting setting = Make(
      "logprobs", "N", Group::kAnswer,
      "with --json, log-probabilities of each token and the N likeliest in its place; off: none",
      "a whole number from 0 to 1000, or off",
      [](auto& s) -> auto& { return s.generation.logprobs; });
  setting.get = [](const Settings& s) {
    return s.generation.logprobs ? std::to_string(*s.generation.logprobs) : "off";
  };
  setting.set = [](Settings& s, std::string_view text) {
    if (text == "off") {
      s.generation.logprobs = {};
      return true;
    }
    const std::optional<uint64_t> value = ParseSize(text);
    if (!value || *value > 1000) return false;
    s.generation.logprobs = *value;
    return true;
  };
  return setting;
}

Setting System() {
  Setting setting = Make(
      "system", "TEXT", Group::kAnswer,
      "instructions for the whole conversation; empty: none, not even the model's", "text",
      [](auto& s) -> auto& { return s.system; });
  setting.get = [](const Settings& s) -> std::string {
    if (!s.system) return "default";
    return s.system->empty() ? "none" : *s.system;
  };
  setting.set = [](Settings& s, std::string_view text) {
    s.system = std::string(text);
    return true;
  };
  return setting;
}

// Loading and every session obey one limit; the library has it in both places.
Setting MaxMemory() {
  Setting setting = Whole(
      "max-memory", "BYTES", Group::kSession, "refuse to use more memory, e.g. 6G; 0: no limit",
      "bytes, or a number with K, M or G", 0, std::numeric_limits<size_t>::max(),
      [](auto& s) -> auto& { return s.session.max_memory_bytes; });
  const auto copy_to_load = [](Settings& s) {
    s.load.max_memory_bytes = s.session.max_memory_bytes;
  };
  setting.set = [set = setting.set, copy_to_load](Settings& s, std::string_view text) {
    if (!set(s, text)) return false;
    copy_to_load(s);
    return true;
  };
  setting.reset = [reset = setting.reset, copy_to_load](Settings& s) {
    reset(s);
    copy_to_load(s);
  };
  return setting;
}

Setting Threads() {
  Setting setting = Whole(
      "threads", "N", Group::kSession, "processor threads; 0: all cores available",
      "a whole number from 0 to 256", 0, 256, [](auto& s) -> auto& { return s.session.threads; });
  setting.set = [set = setting.set](Settings& s, std::string_view text) {
    if (!set(s, text)) return false;
    s.load.threads = s.session.threads;
    return true;
  };
  return setting;
}

Setting Parallel() {
  Setting setting = Whole(
      "parallel", "N", Group::kSession,
      "conversations that there is memory for; run --batch (8) and serve (4) answer as many at a "
      "time",
      "a whole number from 1 to 1024", 1, 1024,
      [](auto& s) -> auto& { return s.session.parallel; });
  setting.set = [set = setting.set](Settings& s, std::string_view text) {
    if (!set(s, text)) return false;
    s.parallel_set = true;
    return true;
  };
  return setting;
}

std::vector<Setting> MakeTable() {
  constexpr double kMaxFloat = std::numeric_limits<float>::max();
  constexpr uint64_t kMaxSize = std::numeric_limits<size_t>::max();
  std::vector<Setting> table;
  // Sampling.
  table.push_back(Real(
      "temperature", Group::kSampling, "randomness; 0 takes the likeliest token",
      "a number of at least 0", 0, kMaxFloat, false,
      [](auto& s) -> auto& { return s.generation.temperature; }));
  table.push_back(TopK());
  table.push_back(Real(
      "top-p", Group::kSampling,
      "keep the likeliest tokens up to this probability in sum; 1 keeps all",
      "a number from 0 to 1", 0, 1, false, [](auto& s) -> auto& { return s.generation.top_p; }));
  table.push_back(Real(
      "min-p", Group::kSampling, "drop tokens below this share of the likeliest; 0 is off",
      "a number from 0 to 1", 0, 1, false, [](auto& s) -> auto& { return s.generation.min_p; }));
  table.push_back(Real(
      "repeat-penalty", Group::kSampling, "make recent tokens less likely; 1 is off",
      "a number above 0", 0, kMaxFloat, true,
      [](auto& s) -> auto& { return s.generation.repeat_penalty; }));
  table.push_back(Whole(
      "repeat-last-n", "N", Group::kSampling,
      "how many recent tokens the penalty looks at; default: 64, all with the model's own penalty",
      "a whole number of at least 0", 0, kMaxSize,
      [](auto& s) -> auto& { return s.generation.repeat_last_n; }));
  table.push_back(Seed());
  // Answer.
  table.push_back(System());
  table.push_back(Text(
      "from", "CODE", Group::kAnswer,
      "TranslateGemma: the language of the text, e.g. de or zh-Hant",
      [](auto& s) -> auto& { return s.from; }));
  table.push_back(Text(
      "to", "CODE", Group::kAnswer, "TranslateGemma: the language to translate it to",
      [](auto& s) -> auto& { return s.to; }));
  table.push_back(Whole(
      "max-tokens", "N", Group::kAnswer, "longest answer; 0: until the model ends it",
      "a whole number of at least 0", 0, kMaxSize,
      [](auto& s) -> auto& { return s.generation.max_tokens; }));
  table.push_back(Stop());
  table.push_back(Choice<bool>(
      "show-thought", Group::kAnswer, "print what the model thinks before it answers (MedGemma)",
      {{"on", true}, {"off", false}}, [](auto& s) -> auto& { return s.generation.show_thought; }));
  table.push_back(Text(
      "json-schema", "FILE|JSON", Group::kAnswer, "the answer is JSON that is valid by this schema",
      [](auto& s) -> auto& { return s.json_schema; }));
  table.push_back(Text(
      "grammar", "FILE", Group::kAnswer, "the answer is a text of this grammar (GBNF)",
      [](auto& s) -> auto& { return s.grammar; }));
  table.push_back(Choice<bool>(
      "json-object", Group::kAnswer, "the answer is a JSON object", {{"on", true}, {"off", false}},
      [](auto& s) -> auto& { return s.json_object; }));
  table.push_back(Choice<bool>(
      "schema-prompt", Group::kAnswer, "tell the model what json-schema and json-object expect",
      {{"on", true}, {"off", false}}, [](auto& s) -> auto& { return s.schema_prompt; }));
  table.push_back(Choosing());
  table.push_back(Choice<ToolStyle>(
      "tool-style", Group::kAnswer, "how the model is asked to write calls",
      {{"json", ToolStyle::kJson}, {"python", ToolStyle::kPython}},
      [](auto& s) -> auto& { return s.generation.tools.style; }));
  table.push_back(Logprobs());
  table.push_back(Choice<bool>(
      "speculate", Group::kAnswer, "guess ahead where text repeats; the answer is the same, sooner",
      {{"on", true}, {"off", false}}, [](auto& s) -> auto& { return s.generation.speculate; }));
  table.push_back(Choice<bool>(
      "wrap", Group::kAnswer, "break lines between words at the terminal's edge; never in a pipe",
      {{"on", true}, {"off", false}}, [](auto& s) -> auto& { return s.wrap; }));
  // Pictures.
  table.push_back(Choice<Alpha>(
      "alpha", Group::kPictures, "transparency: drop it as the model's own code does, or a ground",
      {{"drop", Alpha::kDrop}, {"white", Alpha::kWhite}, {"black", Alpha::kBlack}},
      [](auto& s) -> auto& { return s.images.alpha; }));
  // Session.
  table.push_back(Whole(
      "context", "N", Group::kSession, "tokens of prompt and answers; 0: the model's, at most 8192",
      "a whole number of at least 0", 0, kMaxSize,
      [](auto& s) -> auto& { return s.session.context; }));
  table.push_back(Parallel());
  table.push_back(Threads());
  table.push_back(Choice<ComputeMode>(
      "compute", Group::kSession, "fast: bf16 products; f32: exact and slower",
      {{"fast", ComputeMode::kFast}, {"f32", ComputeMode::kExact}},
      [](auto& s) -> auto& { return s.session.compute; }));
  table.push_back(Choice<KvCacheType>(
      "kv", Group::kSession, "type of the key/value cache; auto: f16, and f32 with --compute f32",
      {{"auto", KvCacheType::kAuto},
       {"f32", KvCacheType::kF32},
       {"f16", KvCacheType::kF16},
       {"bf16", KvCacheType::kBF16},
       {"int8", KvCacheType::kInt8}},
      [](auto& s) -> auto& { return s.session.kv; }));
  table.push_back(Whole(
      "prefill-batch", "N", Group::kSession, "prompt tokens computed at once",
      "a whole number from 1 to 65536", 1, 65536,
      [](auto& s) -> auto& { return s.session.prefill_batch; }));
  table.push_back(Whole(
      "prompt-piece", "N", Group::kSession,
      "of these, at most so many at a time while others wait for their next token",
      "a whole number of at least 1", 1, kMaxSize,
      [](auto& s) -> auto& { return s.session.prompt_piece; }));
  table.push_back(MaxMemory());
  table.push_back(Whole(
      "image-cache", "BYTES", Group::kSession, "memory for pictures already encoded",
      "bytes, or a number with K, M or G", 0, kMaxSize,
      [](auto& s) -> auto& { return s.session.image_cache_bytes; }));
  table.push_back(Whole(
      "checkpoint-bytes", "BYTES", Group::kSession,
      "memory for going back in a conversation; 0: to the last turn",
      "bytes, or a number with K, M or G", 0, kMaxSize,
      [](auto& s) -> auto& { return s.session.checkpoint_bytes; }));
  table.push_back(Text(
      "prompt-cache", "DIR", Group::kSession,
      "keep what was computed of long prompts in this folder, for later runs",
      [](auto& s) -> auto& { return s.session.prompt_cache_folder; }));
  table.push_back(Whole(
      "prompt-cache-max", "BYTES", Group::kSession,
      "size of that folder, the files used longest ago go first",
      "bytes, or a number with K, M or G", 0, kMaxSize,
      [](auto& s) -> auto& { return s.session.prompt_cache_max_bytes; }));
  table.push_back(Choice<PanAndScan>(
      "pan-and-scan", Group::kSession, "also look at crops of long pictures; auto: the model's way",
      {{"auto", PanAndScan::kAuto}, {"on", PanAndScan::kOn}, {"off", PanAndScan::kOff}},
      [](auto& s) -> auto& { return s.session.pan_and_scan; }));
  table.push_back(Choice<ImageNewlines>(
      "image-newlines", Group::kSession, "tokens around pictures; merged: as transformers has",
      {{"auto", ImageNewlines::kAuto},
       {"ids", ImageNewlines::kIds},
       {"merged", ImageNewlines::kMerged}},
      [](auto& s) -> auto& { return s.session.image_newlines; }));
  // Model.
  table.push_back(Choice<WeightFormat>(
      "weights", Group::kModel, "keep the weights in this form",
      {{"auto", WeightFormat::kAsStored},
       {"bf16", WeightFormat::kBF16},
       {"int8", WeightFormat::kInt8},
       {"int4", WeightFormat::kInt4}},
      [](auto& s) -> auto& { return s.load.weights; }));
  table.push_back(Text(
      "draft", "MODEL", Group::kModel,
      "a smaller model with the same vocabulary that guesses ahead; the answer is the same",
      [](auto& s) -> auto& { return s.draft; }));
  table.push_back(Lora());
  table.push_back(Choice<bool>(
      "cache", Group::kModel, "keep packed weights for the next start, in ~/.cache/gemma3",
      {{"on", true}, {"off", false}}, [](auto& s) -> auto& { return s.cache; }));
  table.push_back(Text(
      "mmproj", "FILE", Group::kModel, "GGUF: the file with the vision part",
      [](auto& s) -> auto& { return s.load.mmproj; }));
  constexpr std::string_view kRare[] = {
      "cache",          "repeat-last-n",    "logprobs",    "speculate",
      "schema-prompt",  "show-thought",     "wrap",        "alpha",
      "prefill-batch",  "prompt-piece",     "image-cache", "checkpoint-bytes",
      "image-newlines", "prompt-cache-max", "tool-style"};
  for (Setting& setting : table) {
    setting.rare = std::ranges::find(kRare, setting.name) != std::end(kRare);
  }
  return table;
}

std::string Normalized(std::string_view name) {
  while (name.starts_with('-')) name.remove_prefix(1);
  std::string plain(name);
  std::replace(plain.begin(), plain.end(), '_', '-');
  return plain;
}

}  // namespace

const char* SettingGroupName(SettingGroup group) {
  switch (group) {
    case Group::kSampling:
      return "Sampling";
    case Group::kAnswer:
      return "Answer";
    case Group::kPictures:
    case Group::kSession:
      return "Session";
    case Group::kModel:
      return "Model";
  }
  return "";
}

std::span<const Setting> AllSettings() {
  static const std::vector<Setting> kTable = MakeTable();
  return kTable;
}

const Setting* FindSetting(std::string_view name) {
  const std::string plain = Normalized(name);
  for (const Setting& setting : AllSettings()) {
    if (setting.name == plain) return &setting;
  }
  return nullptr;
}

Status ApplySetting(Settings& settings, std::string_view name, std::string_view value,
                    bool allow_default) {
  const Setting* setting = FindSetting(name);
  if (setting == nullptr) {
    std::vector<std::string> names;
    for (const Setting& known : AllSettings()) names.push_back(known.name);
    return Fail(ErrorCode::kInvalidArgument, "unknown setting ", name,
                DidYouMean(Normalized(name), names));
  }
  if (allow_default && value == "default") {
    setting->reset(settings);
    return {};
  }
  if (!setting->set(settings, value)) {
    return Fail(ErrorCode::kInvalidArgument, setting->name, " takes ", setting->range, ", not \"",
                value, "\"");
  }
  return {};
}

Settings WithModelDefaults(const Settings& settings, const ModelConfig& config) {
  Settings resolved = settings;
  const GenerationDefaults& defaults = config.generation;
  GenerationOptions& generation = resolved.generation;
  if (!resolved.system) resolved.system = config.system;
  if (resolved.session.context == 0) resolved.session.context = config.default_context;
  if (generation.stop.empty()) generation.stop = defaults.stop;
  if (!generation.temperature) generation.temperature = defaults.temperature;
  if (!generation.top_k) generation.top_k = defaults.top_k;
  if (!generation.top_p) generation.top_p = defaults.top_p;
  if (!generation.min_p) generation.min_p = defaults.min_p;
  if (!generation.repeat_penalty) generation.repeat_penalty = defaults.repeat_penalty;
  return resolved;
}

}  // namespace gemma3::cli
