// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/line_edit.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include "tools/interrupt.h"
#include "tools/output.h"
#include "tools/terminal.h"
#include "tools/text_width.h"

#if GEMMA3_HAVE_LIBEDIT
#include <histedit.h>
#endif

namespace gemma3::cli {
namespace {

// Standard input as it comes; the prompt is shown only to a person whose lines cannot be edited.
class PlainReader : public LineReader {
 public:
  PlainReader() : interactive_(IsTerminal(0) && (IsTerminal(1) || IsTerminal(2))) {}

  bool interactive() const override { return interactive_; }

  Outcome Read(const std::string& prompt, std::string* line) override {
    if (interactive_) WriteStderr(prompt);
    NoteInterrupts interrupts;
    for (;;) {
      if (const size_t end = buffer_.find('\n', searched_); end != std::string::npos) {
        line->assign(buffer_, 0, end);
        if (line->ends_with('\r')) line->pop_back();
        buffer_.erase(0, end + 1);
        searched_ = 0;
        return Outcome::kLine;
      }
      searched_ = buffer_.size();
      char chunk[4096];
      const ssize_t count = ::read(0, chunk, sizeof(chunk));
      if (count > 0) {
        buffer_.append(chunk, static_cast<size_t>(count));
      } else if (count < 0 && errno == EINTR) {
        if (!interrupts.Take()) continue;
        buffer_.clear();
        searched_ = 0;
        return Outcome::kInterrupted;
      } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        pollfd ready = {0, POLLIN, 0};
        ::poll(&ready, 1, -1);
      } else {  // the end, or nothing that will ever be readable
        if (buffer_.empty()) return Outcome::kEnd;
        *line = std::move(buffer_);
        buffer_.clear();
        searched_ = 0;
        return Outcome::kLine;
      }
    }
  }

 private:
  const bool interactive_;
  std::string buffer_;
  size_t searched_ = 0;  // no line end before this
};

#if GEMMA3_HAVE_LIBEDIT

// Line feeds of a pasted text are shown as this sign while the line is edited.
constexpr std::string_view kNewlineSign = "\u2424";

// ESC [ 200 ~ and ESC [ 201 ~ enclose what a terminal in bracketed paste mode inserts.
constexpr std::string_view kPasteMode = "\033[?2004h";
constexpr std::string_view kNoPasteMode = "\033[?2004l";
constexpr std::string_view kPasteEnd = "\033[201~";

// A line as it was pasted.
std::string WithLineFeeds(std::string line) {
  for (size_t at = 0; (at = line.find(kNewlineSign, at)) != std::string::npos; ++at) {
    line.replace(at, kNewlineSign.size(), "\n");
  }
  return line;
}

class EditReader : public LineReader {
 public:
  // screen: the terminal to show the line on.
  EditReader(FILE* screen, History* history, Completer completer)
      : screen_(screen), history_(history), completer_(std::move(completer)) {
    edit_ = ::el_init("gemma3", stdin, screen, stderr);
    if (edit_ == nullptr) return;
    past_ = ::history_init();
    HistEvent event;
    ::history(past_, &event, H_SETSIZE, static_cast<int>(History::kMaxLines));
    for (const std::string& line : history->lines()) {
      ::history(past_, &event, H_ENTER, line.c_str());
    }
    ::el_set(edit_, EL_CLIENTDATA, this);
    ::el_set(edit_, EL_PROMPT_ESC, &EditReader::Prompt, '\1');
    ::el_set(edit_, EL_EDITOR, "emacs");
    ::el_set(edit_, EL_HIST, ::history, past_);
    // Lets libedit restore the terminal when it is told to end, and follow changes of its size.
    ::el_set(edit_, EL_SIGNAL, 1);
    // Ctrl-C and Ctrl-Z are keys while a line is edited: a signal that came just before the program
    // waits for the next key would go unnoticed.
    ::el_set(edit_, EL_SETTY, "-d", "-isig", static_cast<char*>(nullptr));
    // The narrow form of EL_ADDFN leaks copies of its texts.
    ::el_wset(edit_, EL_ADDFN, L"gemma3-interrupt", L"drop the line", &EditReader::Interrupt);
    ::el_wset(edit_, EL_ADDFN, L"gemma3-suspend", L"stop the program", &EditReader::Suspend);
    ::el_wset(edit_, EL_ADDFN, L"gemma3-paste", L"insert a pasted text", &EditReader::Paste);
    ::el_wset(edit_, EL_ADDFN, L"gemma3-complete", L"complete a word", &EditReader::Complete);
    // What bash users expect, and the keys of common terminals.
    static constexpr const char* kBindings[][2] = {
        {"^C", "gemma3-interrupt"},    {"^Z", "gemma3-suspend"},
        {"\033[200~", "gemma3-paste"}, {"^I", "gemma3-complete"},
        {"^R", "em-inc-search-prev"},  {"^W", "ed-delete-prev-word"},
        {"^U", "vi-kill-line-prev"},   {"\033[1~", "ed-move-to-beg"},
        {"\033[H", "ed-move-to-beg"},  {"\033OH", "ed-move-to-beg"},
        {"\033[4~", "ed-move-to-end"}, {"\033[F", "ed-move-to-end"},
        {"\033OF", "ed-move-to-end"},  {"\033[3~", "ed-delete-next-char"},
        {"\033[1;5C", "em-next-word"}, {"\033[1;5D", "ed-prev-word"},
        {"\033[1;3C", "em-next-word"}, {"\033[1;3D", "ed-prev-word"},
    };
    for (const auto& [key, function] : kBindings) {
      ::el_set(edit_, EL_BIND, key, function, static_cast<char*>(nullptr));
    }
  }

  ~EditReader() override {
    if (edit_ != nullptr) ::el_end(edit_);
    if (past_ != nullptr) ::history_end(past_);
  }

  bool ok() const { return edit_ != nullptr; }
  bool interactive() const override { return true; }

  Outcome Read(const std::string& prompt, std::string* line) override {
    plain_prompt_ = prompt;
    // \1 is libedit's mark around bytes that take no room on the screen.
    prompt_ = color_ ? "\1\033[1m\1" + prompt + "\1\033[0m\1" : prompt;
    const bool paste_mode = UnderstandsEscapes(::fileno(screen_));
    if (paste_mode) Show(kPasteMode);
    NoteInterrupts interrupts;
    // libedit itself would prepare the terminal only after it has shown the prompt, and a Ctrl-D
    // typed in between would be lost.
    ::el_set(edit_, EL_PREP_TERM, 1);
    interrupted_ = false;
    int count = 0;
    const char* text = ::el_gets(edit_, &count);
    if (paste_mode) Show(kNoPasteMode);
    if (interrupted_ || interrupts.Take()) {
      Show("\n");
      return Outcome::kInterrupted;
    }
    if (text == nullptr || count <= 0) {
      Show("\n");
      return Outcome::kEnd;
    }
    line->assign(text, static_cast<size_t>(count));
    while (line->ends_with('\n') || line->ends_with('\r')) line->pop_back();
    if (history_->Add(*line)) {
      HistEvent event;
      ::history(past_, &event, H_ENTER, line->c_str());
    }
    *line = WithLineFeeds(std::move(*line));
    return Outcome::kLine;
  }

 private:
  void Show(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), screen_);
    std::fflush(screen_);
  }

  static EditReader* Self(EditLine* edit) {
    EditReader* self = nullptr;
    ::el_get(edit, EL_CLIENTDATA, &self);
    return self;
  }

  static char* Prompt(EditLine* edit) { return Self(edit)->prompt_.data(); }

  static unsigned char Interrupt(EditLine* edit, int) {
    Self(edit)->interrupted_ = true;
    return CC_EOF;
  }

  static unsigned char Suspend(EditLine* edit, int) {
    ::el_set(edit, EL_PREP_TERM, 0);
    ::kill(0, SIGTSTP);
    // Here again after "fg". The shell has left the terminal in its own mode, which libedit learns
    // by setting both of its own.
    ::el_set(edit, EL_PREP_TERM, 0);
    ::el_set(edit, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
  }

  // Bound to the code that begins a paste: takes everything up to the code that ends it, so that
  // a line feed in it does not send half a question.
  static unsigned char Paste(EditLine* edit, int) {
    std::string pasted;
    wchar_t c = 0;
    while (!pasted.ends_with(kPasteEnd) && ::el_wgetc(edit, &c) == 1) {
      AppendUtf8(pasted, static_cast<char32_t>(c));
    }
    if (pasted.ends_with(kPasteEnd)) pasted.resize(pasted.size() - kPasteEnd.size());
    std::string shown;
    for (size_t i = 0; i < pasted.size(); ++i) {
      const char byte = pasted[i];
      // Terminals send a carriage return for each line feed.
      if (byte == '\r' && i + 1 < pasted.size() && pasted[i + 1] == '\n') continue;
      if (byte == '\r' || byte == '\n') {
        shown += kNewlineSign;
      } else if (byte == '\t') {
        shown += "    ";
      } else if (static_cast<unsigned char>(byte) >= 0x20 && byte != 0x7F) {
        shown += byte;
      }
    }
    ::el_insertstr(edit, shown.c_str());
    return CC_REFRESH;
  }

  static unsigned char Complete(EditLine* edit, int) {
    EditReader* const self = Self(edit);
    const LineInfo* const line = ::el_line(edit);
    const std::string before = WithLineFeeds({line->buffer, line->cursor});
    Completion completion = self->completer_(before);
    if (!completion.insert.empty()) {
      const bool has_space = line->cursor != line->lastchar && *line->cursor == ' ';
      if (has_space && completion.insert.back() == ' ') completion.insert.pop_back();
      ::el_deletestr(edit, static_cast<int>(completion.erase));
      ::el_insertstr(edit, completion.insert.c_str());
      return CC_REFRESH;
    }
    if (completion.choices.empty()) return CC_ERROR;  // beeps
    // Below the line, which may take several rows. libedit shows the line anew where it believes
    // its first row to be: as far above the cursor as it was before.
    const size_t columns = std::max<size_t>(TerminalColumns(::fileno(self->screen_)), 1);
    const size_t prompt = TextWidth(self->plain_prompt_);
    const size_t row = (prompt + TextWidth({line->buffer, line->cursor})) / columns;
    const size_t last = (prompt + TextWidth({line->buffer, line->lastchar})) / columns;
    self->Show(std::string(last - row + 1, '\n') + ChoiceTable(completion.choices, columns) +
               std::string(row, '\n'));
    return CC_REDISPLAY;
  }

  FILE* screen_;
  History* history_;
  Completer completer_;
  const bool color_ = WantsColor(::fileno(screen_));
  EditLine* edit_ = nullptr;
  ::History* past_ = nullptr;
  std::string plain_prompt_, prompt_;
  bool interrupted_ = false;
};

#endif  // GEMMA3_HAVE_LIBEDIT

}  // namespace

std::unique_ptr<LineReader> MakeLineReader([[maybe_unused]] History* history,
                                           [[maybe_unused]] Completer completer) {
#if GEMMA3_HAVE_LIBEDIT
  if (IsTerminal(0) && (IsTerminal(1) || IsTerminal(2))) {
    auto reader = std::make_unique<EditReader>(IsTerminal(1) ? stdout : stderr, history,
                                               std::move(completer));
    if (reader->ok()) return reader;
  }
#endif
  return std::make_unique<PlainReader>();
}

}  // namespace gemma3::cli
