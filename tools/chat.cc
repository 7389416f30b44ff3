// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 chat: a conversation in the terminal. With piped input each line is a turn and only the
// answers are printed.

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/completion.h"
#include "tools/constraint_of.h"
#include "tools/errors.h"
#include "tools/history.h"
#include "tools/image_path.h"
#include "tools/interrupt.h"
#include "tools/line_edit.h"
#include "tools/models.h"
#include "tools/names.h"
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

constexpr std::string_view kBlockQuote = "\"\"\"";

class Chat {
 public:
  Chat(OpenedModel opened, Settings settings, Session session, OpenedTools tools, bool verbose,
       bool use_history)
      : tools_(std::move(tools)),
        opened_(std::move(opened)),
        settings_(std::move(settings)),
        session_(std::move(session)),
        verbose_(verbose),
        history_(use_history ? DefaultHistoryPath() : ""),
        reader_(MakeLineReader(&history_, &Chat::Complete)) {}

  // The program's exit code: with piped input that of the first turn that failed. keep: the file
  // to save the conversation in at the end; empty: none.
  int Run(std::vector<std::shared_ptr<const Image>> images, const std::string& keep);

 private:
  struct Command {
    std::vector<std::string> names;  // the first is shown in /help
    std::string arguments;
    std::string help;
    void (Chat::*run)(std::string_view arguments);
  };
  static std::span<const Command> Commands();
  static Completion Complete(std::string_view line);

  // Reads a line, or all lines between """ marks.
  LineReader::Outcome ReadTurn(std::string* text);
  std::string Prompt() const;
  void Handle(const std::string& text);
  void HandleCommand(std::string_view line);
  // Answers the conversation, which becomes the session's.
  void Answer(std::vector<Message> conversation, std::optional<Constraint> constraint);
  void Attach(const std::string& path);
  void Send(Message message);
  // With languages set, each picture is a request of its own.
  void SendPendingPictures();
  // A new session with the settings of `changed`; the conversation moves over.
  Status Rebuild(const Settings& changed);
  void ShowSetting(const Setting& setting);

  void Fail(const std::string& message, int code = kExitRuntime) {
    PrintError(message);
    NoteFailure(code);
  }
  void NoteFailure(int code) {
    if (exit_code_ == kExitOk && !reader_->interactive()) exit_code_ = code;
  }
  // What is for the person at the terminal, not part of an answer.
  void Say(const std::string& text) { WriteStderr(text); }

  void Help(std::string_view);
  void Clear(std::string_view);
  void System(std::string_view text);
  void Regenerate(std::string_view);
  void Undo(std::string_view);
  void Set(std::string_view arguments);
  void Show(std::string_view name);
  void ShowStats(std::string_view);
  void AttachCommand(std::string_view path);
  void Save(std::string_view path);
  void Load(std::string_view arguments);
  void Exit(std::string_view) { done_ = true; }

  const OpenedTools tools_;
  OpenedModel opened_;
  Settings settings_;
  Session session_;
  const bool verbose_;
  History history_;
  std::unique_ptr<LineReader> reader_;
  Output out_;
  std::vector<std::shared_ptr<const Image>> pending_images_;  // for the next message
  std::optional<GenerationResult> last_;
  bool done_ = false;
  int exit_code_ = kExitOk;
};

std::span<const Chat::Command> Chat::Commands() {
  static const std::vector<Command> kTable = {
      {{"help", "?"}, "", "this list", &Chat::Help},
      {{"image"}, "FILE", "attach a picture to the next message", &Chat::AttachCommand},
      {{"regen", "regenerate", "retry"}, "", "answer the last message anew", &Chat::Regenerate},
      {{"undo"}, "", "take back the last message and its answer", &Chat::Undo},
      {{"clear", "new", "reset"}, "", "start over; the system text stays", &Chat::Clear},
      {{"system"}, "[TEXT]", "show or set the instructions; setting starts over", &Chat::System},
      {{"set"}, "NAME VALUE", "change a setting; the value default resets it", &Chat::Set},
      {{"show"}, "[NAME]", "show settings", &Chat::Show},
      {{"stats"}, "", "tokens, time and memory", &Chat::ShowStats},
      {{"save"}, "FILE", "keep the conversation, and what was computed of it", &Chat::Save},
      {{"load"},
       "FILE",
       "go on with a saved conversation; --messages-only: one of another model's",
       &Chat::Load},
      {{"exit", "bye", "quit", "q"}, "", "leave, as Ctrl-D does", &Chat::Exit},
  };
  return kTable;
}

Completion Chat::Complete(std::string_view line) {
  std::vector<CommandWords> words;
  for (const Command& command : Commands()) words.push_back({command.names, command.arguments});
  return CompleteLine(line, words);
}

int Chat::Run(std::vector<std::shared_ptr<const Image>> images, const std::string& keep) {
  pending_images_ = std::move(images);
  const NoteInterrupts interrupts;  // Ctrl-C never ends a chat
  if (reader_->interactive()) {
    Say(SanitizeForTerminal(opened_.model.config().name) +
        Format(", context %zu tokens; /help lists the commands, Ctrl-D leaves\n",
               session_.usage().context_tokens));
  }
  if (Translates(settings_)) SendPendingPictures();
  bool hinted = false;
  while (!done_ && !out_.failed()) {
    std::string text;
    const LineReader::Outcome outcome = ReadTurn(&text);
    if (outcome == LineReader::Outcome::kEnd) break;
    if (outcome == LineReader::Outcome::kInterrupted) {
      // Without a person who could see this, the wish is to stop.
      if (!reader_->interactive()) return out_.Finish(kExitInterrupted);
      if (!std::exchange(hinted, true)) Say("Ctrl-D or /exit leaves\n");
      continue;
    }
    Handle(text);
  }
  if (!keep.empty()) {
    if (const Status saved = session_.Save(keep); !saved) {
      const int code = Report(saved.error());
      if (exit_code_ == kExitOk) exit_code_ = code;
    }
  }
  return out_.Finish(exit_code_);
}

std::string Chat::Prompt() const {
  const ContextUsage usage = session_.usage();
  // Below that nobody needs to think of the context.
  constexpr size_t kShowPercent = 75;
  const size_t percent =
      usage.context_tokens == 0 ? 0 : 100 * usage.used_tokens / usage.context_tokens;
  return percent > kShowPercent ? Format("[%zu %% full] >>> ", percent) : ">>> ";
}

LineReader::Outcome Chat::ReadTurn(std::string* text) {
  std::string line;
  LineReader::Outcome outcome = reader_->Read(Prompt(), &line);
  if (outcome != LineReader::Outcome::kLine) return outcome;
  const std::string_view start = TrimSpace(line);
  if (!start.starts_with(kBlockQuote)) {
    *text = std::move(line);
    return outcome;
  }
  std::string block(start.substr(kBlockQuote.size()));
  // A pasted block may come as one line with line feeds in it.
  while (!TrimSpace(block).ends_with(kBlockQuote)) {
    outcome = reader_->Read("... ", &line);
    if (outcome == LineReader::Outcome::kInterrupted) return outcome;
    if (outcome == LineReader::Outcome::kEnd) break;  // the end closes an open block
    if (!block.empty()) block += '\n';
    block += line;
  }
  std::string_view content = TrimSpace(block);
  if (content.ends_with(kBlockQuote)) content.remove_suffix(kBlockQuote.size());
  *text = std::string(TrimSpace(content));
  // A block is text, whatever it begins with.
  if (text->starts_with('/')) text->insert(0, " ");
  return LineReader::Outcome::kLine;
}

void Chat::Handle(const std::string& text) {
  if (TrimSpace(text).empty()) return;
  // Only text that a person typed may open files.
  const bool may_attach = reader_->interactive() && opened_.model.config().has_vision;
  const std::vector<LinePiece> pieces =
      may_attach ? SplitAtImages(text, IsReadableFile) : std::vector<LinePiece>{{text, false}};
  const bool is_path = pieces.front().is_image;
  if (text.starts_with('/') && !is_path) return HandleCommand(std::string_view(text).substr(1));

  Message message{Role::kUser, {}};
  for (const auto& image : pending_images_) message.parts.push_back({"", image});
  bool has_text = false;
  for (const LinePiece& piece : pieces) {
    if (!piece.is_image) {
      has_text = has_text || !TrimSpace(piece.text).empty();
      message.parts.push_back(Part::Text(piece.text));
      continue;
    }
    auto image = LoadImage(piece.text, settings_.images);
    if (!image) return NoteFailure(Report(image.error()));
    Say("attached " + SanitizeForTerminal(piece.text) + "\n");
    message.parts.push_back(Part::Picture(*std::move(image)));
  }
  if (!has_text) {  // a picture alone waits for its question, or is to be translated
    for (Part& part : message.parts) {
      if (part.image && std::find(pending_images_.begin(), pending_images_.end(), part.image) ==
                            pending_images_.end()) {
        pending_images_.push_back(std::move(part.image));
      }
    }
    if (Translates(settings_)) SendPendingPictures();
    return;
  }
  pending_images_.clear();
  Send(std::move(message));
}

void Chat::Send(Message message) {
  if (settings_.from.empty() != settings_.to.empty()) {
    return Fail("from and to go together: /set " +
                    std::string(settings_.from.empty() ? "from" : "to") + " CODE",
                kExitUsage);
  }
  if (Translates(settings_)) message.translation = {settings_.from, settings_.to};
  auto constraint = ConstraintOf(settings_);
  if (!constraint) return NoteFailure(Report(constraint.error()));
  AddSchemaPrompt(settings_, *constraint, message);
  std::vector<Message> next(session_.messages().begin(), session_.messages().end());
  next.push_back(std::move(message));
  Answer(std::move(next), *std::move(constraint));
}

void Chat::SendPendingPictures() {
  for (auto& image : std::exchange(pending_images_, {})) {
    Send(Message{Role::kUser, {Part{"", std::move(image)}}});
  }
}

void Chat::Answer(std::vector<Message> conversation, std::optional<Constraint> constraint) {
  out_.SetWrap(settings_.wrap);
  ProgressLine progress;
  const TextCallback on_text = [&](std::string_view text) {
    progress.Erase();
    return out_.Write(text);
  };
  const ProgressCallback on_progress = [&](const Progress& state) {
    progress.Update(state);
    return true;
  };
  CancelFlag cancel;
  GenerationOptions generation = settings_.generation;
  generation.cancel = cancel;
  generation.constraint = std::move(constraint);
  std::vector<ToolCall> open_calls;
  const Result<GenerationResult> result = [&]() -> Result<GenerationResult> {
    const CancelOnInterrupt scope(cancel);
    if (tools_.box.empty()) {
      return session_.Generate(conversation, generation, on_text, on_progress);
    }
    GEMMA3_TRY(ToolAnswer answer, AnswerWithTools(
                                      session_, std::move(conversation), generation, tools_,
                                      [&] { return cancel.cancelled(); }, on_text, on_progress,
                                      [&] {
                                        progress.Erase();
                                        out_.Flush();
                                        out_.EndLine();
                                      }));
    open_calls = std::move(answer.open_calls);
    return std::move(answer.result);
  }();
  progress.Erase();
  out_.Flush();
  if (!result) {
    if (out_.failed()) return;
    if (result.error().code == ErrorCode::kCancelled && reader_->interactive()) {
      Say("stopped; the message is taken back\n");
    }
    return NoteFailure(Report(result.error()));
  }
  last_ = *result;
  out_.EndLine();
  for (const ToolCall& call : open_calls) out_.Write(CallJson(call) + "\n");
  if (result->stop_reason == StopReason::kContextFull) {
    Fail("the context is full and the answer ends here; /clear, or /set context to a larger one",
         kExitContext);
  } else if (result->stop_reason == StopReason::kCancelled && !reader_->interactive()) {
    NoteFailure(kExitInterrupted);
    done_ = true;
  }
  if (verbose_) Say(DescribeAnswer(*result));
}

void Chat::HandleCommand(std::string_view line) {
  line = TrimSpace(line);
  const size_t space = line.find_first_of(" \t\n");
  const std::string name(line.substr(0, space));
  const std::string_view arguments =
      space == std::string_view::npos ? "" : TrimSpace(line.substr(space));
  std::vector<std::string> names;
  for (const Command& command : Commands()) {
    for (const std::string& known : command.names) {
      if (known == name) return (this->*command.run)(arguments);
      names.push_back("/" + known);
    }
  }
  Fail("unknown command /" + name + DidYouMean("/" + name, names) +
           " (a space in front makes it text)",
       kExitUsage);
}

void Chat::Help(std::string_view) {
  std::string text;
  for (const Command& command : Commands()) {
    std::string left = "/" + command.names[0] + " " + command.arguments;
    text += Format("  %-18s %s", left.c_str(), command.help.c_str());
    for (size_t i = 1; i < command.names.size(); ++i) {
      text += (i == 1 ? "; also /" : ", /") + command.names[i];
    }
    text += "\n";
  }
  text +=
      "  \"\"\" ... \"\"\"        a message of several lines\n"
      "  Tab                complete a command, a setting or a file\n"
      "  Ctrl-C             stop the answer, or clear the line\n";
  if (opened_.model.config().has_vision) {
    text += "  The path of a picture in a message attaches it.\n";
  }
  Say(text);
}

void Chat::AttachCommand(std::string_view path) {
  if (path.empty()) return Fail("/image needs a FILE", kExitUsage);
  // Piped text may come from anyone; it must not make the program open files.
  if (!reader_->interactive()) {
    return Fail("/image works in a terminal only; use --image FILE", kExitUsage);
  }
  Attach(UnquotePath(path));
}

void Chat::Attach(const std::string& path) {
  if (!opened_.model.config().has_vision) {
    return Fail(opened_.model.config().name + " reads text only, it cannot see pictures");
  }
  auto image = LoadImage(path, settings_.images);
  if (!image) return NoteFailure(Report(image.error()));
  pending_images_.push_back(std::make_shared<const Image>(*std::move(image)));
  if (reader_->interactive()) Say("attached " + SanitizeForTerminal(path) + "\n");
  if (Translates(settings_)) SendPendingPictures();
}

void Chat::Clear(std::string_view) {
  session_.Clear();
  pending_images_.clear();
  last_.reset();
}

void Chat::System(std::string_view text) {
  if (text.empty()) {
    const std::string system = settings_.system.value_or(opened_.model.config().system);
    Say(system.empty() ? "no system text\n" : SanitizeForTerminal(system) + "\n");
    return;
  }
  if (const Status set = session_.SetSystem(text); !set) return NoteFailure(Report(set.error()));
  settings_.system = std::string(text);
  last_.reset();
}

void Chat::Regenerate(std::string_view) {
  std::vector<Message> next(session_.messages().begin(), session_.messages().end());
  while (!next.empty() && next.back().role != Role::kUser) next.pop_back();
  if (next.empty()) return Fail("there is no question to answer anew", kExitUsage);
  auto constraint = ConstraintOf(settings_);
  if (!constraint) return NoteFailure(Report(constraint.error()));
  Answer(std::move(next), *std::move(constraint));
}

void Chat::Undo(std::string_view) {
  if (!session_.Undo()) return Fail("nothing to undo");
  last_.reset();
  if (reader_->interactive()) Say("took back the last message and its answer\n");
}

void Chat::Save(std::string_view path) {
  if (path.empty()) return Fail("/save needs a FILE", kExitUsage);
  // Piped text may come from anyone; it must not make the program write or open files.
  if (!reader_->interactive()) {
    return Fail("/save works in a terminal only; use --session FILE", kExitUsage);
  }
  const std::string file = UnquotePath(path);
  if (const Status saved = session_.Save(file); !saved) return NoteFailure(Report(saved.error()));
  Say("saved " + SanitizeForTerminal(file) + "\n");
}

void Chat::Load(std::string_view arguments) {
  constexpr std::string_view kMessagesOnly = "--messages-only";
  const bool messages_only = arguments.starts_with(kMessagesOnly);
  if (messages_only) arguments = TrimSpace(arguments.substr(kMessagesOnly.size()));
  if (arguments.empty()) return Fail("/load needs a FILE", kExitUsage);
  if (!reader_->interactive()) {
    return Fail("/load works in a terminal only; use --session FILE", kExitUsage);
  }
  const std::string file = UnquotePath(arguments);
  const Status loaded = messages_only ? session_.LoadMessages(file) : session_.Load(file);
  if (!loaded) {
    NoteFailure(Report(loaded.error()));
    if (!messages_only && loaded.error().code == ErrorCode::kUnsupported) {
      Say("/load --messages-only FILE takes the messages alone\n");
    }
    return;
  }
  pending_images_.clear();
  last_.reset();
  const ContextUsage usage = session_.usage();
  Say(Format("%zu messages, %zu of %zu tokens\n", session_.messages().size(), usage.used_tokens,
             usage.context_tokens));
}

void Chat::Set(std::string_view arguments) {
  const size_t space = arguments.find_first_of(" \t=");
  const std::string_view name = arguments.substr(0, space);
  std::string_view value =
      space == std::string_view::npos ? "" : TrimSpace(arguments.substr(space + 1));
  if (name.empty() || value.empty()) {
    return Fail("/set needs a NAME and a VALUE; /show lists them", kExitUsage);
  }
  // Quotes keep spaces at the ends of a stop string.
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  Settings changed = settings_;
  if (const Status status = ApplySetting(changed, name, value, true); !status) {
    return NoteFailure(Report(status.error()));
  }
  const Setting& setting = *FindSetting(name);
  if (setting.group == SettingGroup::kModel) {
    return Fail(
        setting.name + " is fixed once the model is loaded; start again with --" + setting.name,
        kExitUsage);
  }
  if (setting.name.starts_with("tool-") && tools_.box.empty()) {
    return Fail("there are no tools; start again with --tools or --mcp", kExitUsage);
  }
  for (const std::string& tool : changed.generation.tools.choice.names) {
    std::vector<std::string> names;
    for (const Tool& known : tools_.offered) names.push_back(known.name);
    if (std::ranges::find(names, tool) != names.end()) continue;
    return Fail("there is no tool " + tool + DidYouMean(tool, names), kExitUsage);
  }
  if (setting.group == SettingGroup::kSession) {
    if (const Status status = Rebuild(changed); !status) {
      return NoteFailure(Report(status.error()));
    }
  }
  if (changed.system != settings_.system) {
    const std::string text = changed.system.value_or(opened_.model.config().system);
    if (const Status set = session_.SetSystem(text); !set) {
      return NoteFailure(Report(set.error()));
    }
    last_.reset();
  }
  settings_ = std::move(changed);
  if (reader_->interactive()) ShowSetting(setting);
}

Status Chat::Rebuild(const Settings& changed) {
  GEMMA3_TRY(Session session, Session::Create(opened_.model, changed.session, opened_.draft()));
  GEMMA3_CHECK_OK(session.SetMessages(session_.messages()));
  session_ = std::move(session);
  return {};
}

void Chat::ShowSetting(const Setting& setting) {
  const Settings resolved = WithModelDefaults(settings_, opened_.model.config());
  const std::string chosen = setting.get(settings_);
  std::string value = setting.get(resolved);
  if (value != chosen) value += " (the model's own)";
  Say(Format("  %-22s %s\n", setting.name.c_str(), SanitizeForTerminal(value).c_str()));
}

void Chat::Show(std::string_view name) {
  if (!name.empty()) {
    const Setting* setting = FindSetting(name);
    if (setting != nullptr) return ShowSetting(*setting);
    std::vector<std::string> names;
    for (const Setting& known : AllSettings()) names.push_back(known.name);
    return Fail("unknown setting " + std::string(name) + DidYouMean(name, names), kExitUsage);
  }
  const char* heading = "";
  for (const SettingGroup group :
       {SettingGroup::kAnswer, SettingGroup::kSampling, SettingGroup::kPictures,
        SettingGroup::kSession, SettingGroup::kModel}) {
    // Two groups may share a heading.
    if (std::string_view(heading) != SettingGroupName(group)) {
      heading = SettingGroupName(group);
      Say(std::string(heading) + "\n");
    }
    for (const Setting& setting : AllSettings()) {
      if (setting.group == group) ShowSetting(setting);
    }
  }
  const std::string& from = opened_.model.config().defaults_from;
  if (!from.empty()) Say("The model's own settings come from " + SanitizeForTerminal(from) + "\n");
}

void Chat::ShowStats(std::string_view) {
  if (last_) Say(DescribeAnswer(*last_));
  const ContextUsage usage = session_.usage();
  Say(Format("context   %zu of %zu tokens\n", usage.used_tokens, usage.context_tokens));
  Say("memory    " + BytesText(PeakResidentBytes()) + " at most\n");
}

}  // namespace

int ChatCommand(int argc, const char* const* argv) {
  Settings settings;
  std::vector<std::string> image_paths;
  bool no_history = false;
  bool verbose = false;
  bool messages_only = false;
  std::string keep;
  ToolFlags tool_flags;
  Args args(
      "chat", "MODEL",
      "A conversation in the terminal; /help inside lists the commands. With piped input each\n"
      "line is a turn, and only the answers are printed.");
  args.AddTexts("--image", "FILE", &image_paths,
                "show a picture with the first message; may be repeated");
  args.AddFlag("--json-object", &settings.json_object, "each answer is a JSON object");
  AddToolFlags(args, &tool_flags);
  args.AddText("--session", "FILE", &keep,
               "go on with the conversation in this file, if it exists, and keep it there");
  args.AddFlag("--messages-only", &messages_only,
               "of --session: take the messages alone, from whatever model");
  args.AddFlag("--no-history", &no_history, "keep no file of the lines typed");
  args.AddFlag("-v,--verbose", &verbose, "print timings after each answer to standard error");
  args.AddSettings(&settings,
                   {SettingGroup::kAnswer, SettingGroup::kSampling, SettingGroup::kPictures,
                    SettingGroup::kSession, SettingGroup::kModel},
                   {"json-object"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().empty()) return args.UsageError("which MODEL? A path, a name, or demo");
  if (args.words().size() > 1) {
    return args.UsageError("expects one MODEL; gemma3 run takes a prompt");
  }
  if (!HasToolsToChoose(tool_flags, settings.generation)) {
    return args.UsageError("--tool-choice belongs to --tools or --mcp");
  }
  if (messages_only && keep.empty()) return args.UsageError("--messages-only belongs to --session");
  auto images = LoadImages(image_paths, settings.images);
  if (!images) return Report(images.error());
  auto opened = LoadModel(args.words()[0], settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  if (verbose) {
    for (const std::string& note : opened->model.notes()) WriteStderr("note      " + note + "\n");
    WriteStderr(Format("load      %.2f s\n", opened->seconds));
  }
  WarnAboutChat(opened->model, Translates(settings));
  auto session = Session::Create(opened->model, opened->Session(settings.session), opened->draft());
  if (!session) return Report(session.error());
  if (!keep.empty() && IsReadableFile(keep)) {
    if (settings.system) return args.UsageError("--system is for a conversation that begins");
    const Status loaded = messages_only ? session->LoadMessages(keep) : session->Load(keep);
    if (!loaded) return Report(loaded.error());
  } else if (settings.system) {
    if (const Status set = session->SetSystem(*settings.system); !set) return Report(set.error());
  }
  auto tools = OpenTools(tool_flags, {});
  if (!tools) return Report(tools.error());
  Chat chat(*std::move(opened), std::move(settings), *std::move(session), *std::move(tools),
            verbose, !no_history);
  return chat.Run(*std::move(images), keep);
}

}  // namespace gemma3::cli
