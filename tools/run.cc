// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 run: one prompt, one answer. Standard output gets the answer's bytes, a line end behind
// them unless they end in one, and nothing else.

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "tools/answer_json.h"
#include "tools/args.h"
#include "tools/batch.h"
#include "tools/commands.h"
#include "tools/constraint_of.h"
#include "tools/errors.h"
#include "tools/image_path.h"
#include "tools/interrupt.h"
#include "tools/models.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/prompt.h"
#include "tools/stats.h"
#include "tools/terminal.h"
#include "tools/text.h"
#include "tools/tool_round.h"
#include "tools/tool_use.h"

namespace gemma3::cli {
namespace {

// Answers that a batch computes together: as many rows as weights are read once for.
constexpr size_t kBatchParallel = 8;

struct RunOptions {
  Settings settings;
  std::string file;
  std::vector<std::string> images;
  bool json = false;
  bool raw = false;
  bool verbose = false;
  bool no_stdin = false;
  bool no_newline = false;
  std::string session;  // file of a conversation that goes on
  std::string batch, output;
  ToolFlags tools;
  bool code_only = false;
};

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
  auto session = Session::Create(opened->model, opened->Session(settings.session), opened->draft());
  if (!session) return Report(session.error());
  const bool goes_on = !options.session.empty() && IsReadableFile(options.session);
  if (goes_on) {
    if (const Status loaded = session->Load(options.session); !loaded) {
      return Report(loaded.error());
    }
  } else if (settings.system) {
    if (const Status set = session->SetSystem(*settings.system); !set) return Report(set.error());
  }

  out.SetWrap(settings.wrap && !options.json);
  ProgressLine progress;
  const auto on_text = [&](std::string_view text) {
    progress.Erase();
    return options.json || options.code_only || out.Write(text);
  };
  const auto on_progress = [&](const Progress& state) {
    progress.Update(state);
    return true;
  };
  CancelFlag cancel;
  GenerationOptions generation = settings.generation;
  generation.cancel = cancel;
  auto constraint = ConstraintOf(settings);
  if (!constraint) {
    PrintError(constraint.error().message);
    return constraint.error().code == ErrorCode::kIo ? kExitRuntime : kExitUsage;
  }
  generation.constraint = *constraint;
  std::vector<ToolCall> open_calls;
  Result<GenerationResult> result = [&]() -> Result<GenerationResult> {
    const CancelOnInterrupt scope(cancel);
    if (options.raw) return session->Complete(parts, generation, on_text, on_progress);
    Message message{Role::kUser, std::move(parts)};
    if (Translates(settings)) message.translation = {settings.from, settings.to};
    AddSchemaPrompt(settings, *constraint, message);
    if (!options.tools.any()) return session->Send(message, generation, on_text, on_progress);
    const StopCheck stop = [&] { return cancel.cancelled(); };
    GEMMA3_TRY(const OpenedTools tools, OpenTools(options.tools, stop));
    std::vector<Message> conversation(session->messages().begin(), session->messages().end());
    conversation.push_back(std::move(message));
    GEMMA3_TRY(ToolAnswer answer, AnswerWithTools(*session, std::move(conversation), generation,
                                                  tools, stop, on_text, on_progress, [&] {
                                                    progress.Erase();
                                                    out.Flush();
                                                    out.EndLine();
                                                  }));
    open_calls = std::move(answer.open_calls);
    return std::move(answer.result);
  }();
  progress.Erase();
  out.Flush();
  if (!result) {
    if (out.failed()) return kExitOk;  // Finish says more
    return Report(result.error());
  }
  if (options.json) {
    out.Write(JsonLine(AnswerJson(*result, *opened), result->calls));
  } else if (options.code_only) {
    out.Write(FirstCodeBlock(result->text));
    out.EndLine();
  } else if (!open_calls.empty()) {
    out.EndLine();
    for (const ToolCall& call : open_calls) out.Write(CallJson(call) + "\n");
  } else if (!options.no_newline && !result->text.ends_with('\n')) {
    out.Write("\n");  // also behind an empty answer: scripts count lines
  }
  if (!options.session.empty()) {
    if (const Status saved = session->Save(options.session); !saved) return Report(saved.error());
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
  if (!interrupted && !open_calls.empty()) return kExitCalls;
  return interrupted ? kExitInterrupted : kExitOk;
}

// The batch of the options. One at a time is not what it is for.
int Batch(const Args& args, RunOptions& options) {
  if (args.words().size() > 1 || !options.file.empty() || !options.images.empty() ||
      !options.session.empty()) {
    return args.UsageError("--batch takes its prompts, pictures and all, from the file");
  }
  SessionOptions& session = options.settings.session;
  if (!options.settings.parallel_set) session.parallel = kBatchParallel;
  auto opened = LoadModel(args.words()[0], options.settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  if (!options.raw) WarnAboutChat(opened->model, Translates(options.settings));
  return RunBatch({.settings = options.settings,
                   .input = options.batch,
                   .output = options.output,
                   .raw = options.raw,
                   .verbose = options.verbose},
                  *opened);
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
  args.AddFlag("-x", &options.code_only, "print the first code block of the answer alone");
  args.AddFlag("--json-object", &options.settings.json_object, "the answer is a JSON object");
  AddToolFlags(args, &options.tools);
  args.AddText("--session", "FILE", &options.session,
               "go on with the conversation in this file, if it exists, and keep it there");
  args.AddText("--batch", "FILE", &options.batch,
               "answer many prompts, a JSON object a line (README); - is standard input");
  args.AddText("--output", "FILE", &options.output,
               "of --batch: write there, and go on behind what is there already");
  args.AddFlag("-v,--verbose", &options.verbose, "print timings to standard error");
  args.AddSettings(&options.settings,
                   {SettingGroup::kAnswer, SettingGroup::kSampling, SettingGroup::kPictures,
                    SettingGroup::kSession, SettingGroup::kModel},
                   {"json-object"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().empty()) return args.UsageError("which MODEL? A path, a name, or demo");
  const Settings& settings = options.settings;
  if (options.tools.any() && (options.raw || Translates(settings) || !options.batch.empty())) {
    return args.UsageError("--tools and --mcp are for chats, not for --raw, --from or --batch");
  }
  if (!HasToolsToChoose(options.tools, settings.generation)) {
    return args.UsageError("--tool-choice belongs to --tools or --mcp");
  }
  if (options.raw && settings.system) {
    return args.UsageError("--system needs the chat template, which --raw leaves out");
  }
  if (options.raw && Translates(settings)) {
    return args.UsageError("--from and --to need the chat template, which --raw leaves out");
  }
  if (settings.from.empty() != settings.to.empty()) {
    return args.UsageError("--from and --to go together");
  }

  if (!options.session.empty() && (options.raw || settings.system)) {
    return args.UsageError("--session keeps a chat with its system text: not with --raw, --system");
  }
  if (!options.batch.empty()) return Batch(args, options);
  if (!options.output.empty()) return args.UsageError("--output belongs to --batch");

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
