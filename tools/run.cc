// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 run: one prompt, one answer. Standard output gets the answer's bytes, a line end behind
// them unless they end in one, and nothing else.

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/interrupt.h"
#include "tools/models.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/prompt.h"
#include "tools/stats.h"
#include "tools/terminal.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

struct RunOptions {
  Settings settings;
  std::string file;
  std::vector<std::string> images;
  bool json = false;
  bool raw = false;
  bool verbose = false;
  bool no_stdin = false;
  bool no_newline = false;
};

std::string ToJson(const GenerationResult& result, const OpenedModel& opened) {
  nlohmann::ordered_json json;
  json["text"] = result.text;
  if (!result.thought.empty()) json["thought"] = result.thought;
  json["finish_reason"] = StopReasonName(result.stop_reason);
  json["prompt_tokens"] = result.prompt_tokens;
  json["cached_tokens"] = result.cached_tokens;
  json["tokens"] = result.tokens;
  json["images"] = result.images_encoded;
  json["seed"] = result.seed;
  json["model"] = opened.model.config().name;
  json["timings"] = {
      {"load_ms", 1000 * opened.seconds},
      {"image_ms", 1000 * result.timings.image_seconds},
      {"prefill_ms", 1000 * result.timings.prefill_seconds},
      {"decode_ms", 1000 * result.timings.decode_seconds},
      {"prefill_tokens_per_second", PrefillRate(result)},
      {"decode_tokens_per_second", DecodeRate(result)},
  };
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// Loads, answers, and streams the answer to `out`.
int Answer(const RunOptions& options, const std::string& name, std::vector<Part> parts,
           Output& out) {
  const Settings& settings = options.settings;
  auto opened = LoadModel(name, settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  if (options.verbose) {
    for (const std::string& note : opened->model.notes()) WriteStderr("note      " + note + "\n");
    WriteStderr(Format("load      %.2f s\n", opened->seconds));
  }
  if (!options.raw) WarnAboutChat(opened->model, Translates(settings));
  auto session = Session::Create(opened->model, settings.session);
  if (!session) return Report(session.error());
  if (settings.system) {
    if (const Status set = session->SetSystem(*settings.system); !set) return Report(set.error());
  }

  ProgressLine progress;
  const auto on_text = [&](std::string_view text) {
    progress.Erase();
    return options.json || out.Write(text);
  };
  const auto on_progress = [&](const Progress& state) {
    progress.Update(state);
    return true;
  };
  const GenerationOptions& generation = settings.generation;
  Result<GenerationResult> result = [&] {
    const CancelOnInterrupt scope(*session);
    if (options.raw) return session->Complete(parts, generation, on_text, on_progress);
    Message message{Role::kUser, std::move(parts)};
    if (Translates(settings)) message.translation = {settings.from, settings.to};
    return session->Send(message, generation, on_text, on_progress);
  }();
  progress.Erase();
  if (!result) {
    if (out.failed()) return kExitOk;  // Finish says more
    return Report(result.error());
  }
  if (options.json) {
    out.Write(ToJson(*result, *opened));
  } else if (!options.no_newline && !result->text.ends_with('\n')) {
    out.Write("\n");  // also behind an empty answer: scripts count lines
  }
  if (options.verbose) {
    WriteStderr(DescribeAnswer(*result));
    WriteStderr("memory    " + BytesText(PeakResidentBytes()) + " at most\n");
  }
  if (result->stop_reason == StopReason::kContextFull) {
    PrintError(
        Format("the context of %zu tokens is full and the answer ends here; "
               "--context sets a larger one",
               session->usage().context_tokens));
  }
  const bool interrupted = result->stop_reason == StopReason::kCancelled && !out.failed();
  return interrupted ? kExitInterrupted : kExitOk;
}

}  // namespace

int RunCommand(int argc, const char* const* argv) {
  RunOptions options;
  Args args(
      "run", "MODEL [PROMPT...]",
      "Answers one prompt: the words, the text of -f FILE, and standard input when it is no\n"
      "terminal, in this order with a blank line between. Pictures come before the text, or\n"
      "where the words say [img]. Inside a shell loop that reads standard input, give --no-stdin:\n"
      "the first run would read what is left of it.");
  args.AddText("-f,--file", "FILE", &options.file, "more of the prompt, from a file");
  args.AddTexts("--image", "FILE", &options.images, "show a picture; may be repeated");
  args.AddFlag("--json", &options.json, "print one JSON object instead of the text");
  args.AddFlag("--raw", &options.raw, "no chat template: continue the text (pretrained models)");
  args.AddFlag("--no-stdin", &options.no_stdin, "leave standard input alone");
  args.AddFlag("--no-newline", &options.no_newline,
               "print the answer's bytes alone, without a line end behind them");
  args.AddFlag("-v,--verbose", &options.verbose, "print timings to standard error");
  args.AddSettings(&options.settings,
                   {SettingGroup::kAnswer, SettingGroup::kSampling, SettingGroup::kPictures,
                    SettingGroup::kSession, SettingGroup::kModel});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().empty()) return args.UsageError("which MODEL? A path, a name, or demo");
  const Settings& settings = options.settings;
  if (options.raw && settings.system) {
    return args.UsageError("--system needs the chat template, which --raw leaves out");
  }
  if (options.raw && Translates(settings)) {
    return args.UsageError("--from and --to need the chat template, which --raw leaves out");
  }
  if (settings.from.empty() != settings.to.empty()) {
    return args.UsageError("--from and --to go together");
  }

  PromptText text;
  bool read_input = !options.no_stdin && !IsTerminal(0);
  bool have_words = false;
  for (const std::string& word : std::span(args.words()).subspan(1)) {
    if (word == "-") {
      read_input = true;
      continue;
    }
    if (have_words) text.arguments += ' ';
    text.arguments += word;
    have_words = true;
  }
  if (options.file == "-") {
    read_input = true;
  } else if (!options.file.empty()) {
    auto file = ReadPrompt(options.file);
    if (!file) return Report(file.error());
    text.file = *std::move(file);
  }
  if (read_input) {
    auto input = ReadPrompt("-");
    if (!input) return Report(input.error());
    text.input = *std::move(input);
  }
  if (text.arguments.empty() && text.file.empty() && text.input.empty() && options.images.empty()) {
    return args.UsageError("no prompt: give it as words, with -f FILE, or on standard input");
  }
  const auto images = LoadImages(options.images, options.settings.images);
  if (!images) return Report(images.error());
  auto parts = AssemblePrompt(text, *images);
  if (!parts) return args.UsageError(parts.error().message);

  Output out;
  return out.Finish(Answer(options, args.words()[0], *std::move(parts), out));
}

}  // namespace gemma3::cli
