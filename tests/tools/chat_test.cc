// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 chat, with its input from a pipe and in a terminal.

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/tools/program_run.h"

namespace gemma3::cli {
namespace {

// ---- from a pipe ----

TEST_F(ProgramTest, PipedChatAnswersEachLineAndPrintsNothingElse) {
  const Outcome outcome = Run({"chat", "demo", "--temperature", "0"},
                              Bytes("So, how large are the input images of Gemma 3?\n"
                                    "\n"
                                    "/clear\n"
                                    "So, how large are the input images of Gemma 3?"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "Gemma 3 resizes images to 896x896 pixels.\n"
            "Gemma 3 resizes images to 896x896 pixels.\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(Run({"chat", "demo"}).out, "");  // no input
}

TEST_F(ProgramTest, ChatGoesOnAfterAnError) {
  const Outcome outcome = Run({"chat", "demo", "--temperature", "0", "--context", "64"},
                              Bytes("/hlep\n" + std::string(4000, 'x') +
                                    "\nSo, how large are the input images of Gemma 3?\n"));
  EXPECT_EQ(outcome.out, "Gemma 3 resizes images to 896x896 pixels.\n");
  EXPECT_NE(outcome.err.find("did you mean /help?"), std::string::npos);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 2);
  EXPECT_EQ(outcome.code, 2);  // of the first failure
}

TEST_F(ProgramTest, ChatCommandsChangeTheConversation) {
  const std::string question = "So, how large are the input images of Gemma 3?\n";
  const std::string answer = "Gemma 3 resizes images to 896x896 pixels.\n";
  const auto chat = [&](const std::string& lines) {
    return Run({"chat", "demo", "--temperature", "0"}, Bytes(lines));
  };
  EXPECT_EQ(chat(question + "/regen\n").out, answer + answer);
  EXPECT_EQ(chat(question + "/undo\n" + question).out, answer + answer);
  EXPECT_EQ(chat("/undo\n").code, 1);
  EXPECT_EQ(chat("/regen\n").code, 2);
  EXPECT_EQ(chat("/bye\n" + question).out, "");
  EXPECT_EQ(chat("\"\"\"\n" + question + "\"\"\"\n").out, answer);
  EXPECT_EQ(chat("/set max-tokens 1\n" + question).out.size(), std::string("Gemma\n").size());
  // A new session setting keeps the conversation.
  EXPECT_EQ(chat(question + "/set context 2000\n/regen\n").out, answer + answer);
  const Outcome shown = chat("/set temperature 0.5\n/show temperature\n/show top_k\n/show tpo-k\n");
  EXPECT_NE(shown.err.find("0.5"), std::string::npos);
  EXPECT_NE(shown.err.find("64 (the model's own)"), std::string::npos);
  EXPECT_NE(shown.err.find("did you mean top-k?"), std::string::npos);
  EXPECT_NE(chat("/set wieghts int8\n").err.find("did you mean weights?"), std::string::npos);
  EXPECT_EQ(chat("/set weights int8\n").code, 2);
  EXPECT_NE(chat("/set tool-choice required\n").err.find("--tools"), std::string::npos);
  EXPECT_EQ(chat("/image " + kPicture + "\n").code, 2);  // not from piped text
}

TEST_F(ProgramTest, ChatChangesTheToolChoice) {
  const auto chat = [&](const std::string& lines) {
    return Run({"chat", "demo", "--temperature", "0", "--max-tokens", "60", "--tools",
                "tools/demo/tools.json"},
               Bytes(lines));
  };
  const Outcome called = chat("/set tool-choice get_weather\nHow is the weather in Porto?\n");
  EXPECT_EQ(called.code, 0) << called.err;
  EXPECT_NE(called.err.find("get_weather {\"city\":"), std::string::npos) << called.err;
  const Outcome unknown = chat("/set tool-choice get_wether\n");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("did you mean get_weather?"), std::string::npos) << unknown.err;
}

TEST_F(ProgramTest, ChatStatsAreThoseOfTheConversation) {
  // The tokens that each /stats shows.
  const auto used = [&](const std::string& lines) {
    const Outcome outcome = Run({"chat", "demo", "--temperature", "0"}, Bytes(lines));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    std::vector<int> tokens;
    std::istringstream err(outcome.err);
    for (std::string line; std::getline(err, line);) {
      if (line.starts_with("context ")) tokens.push_back(std::stoi(line.substr(8)));
    }
    return tokens;
  };
  const std::string question = "So, how large are the input images of Gemma 3?\n";
  const std::vector<int> shown =
      used("/stats\n" + question + "/stats\n" + question +
           "/stats\n/undo\n/stats\n/undo\n/stats\n" + question + "/clear\n/stats\n");
  ASSERT_EQ(shown.size(), 6u);
  EXPECT_EQ(shown[0], 0);
  EXPECT_GT(shown[1], 10);
  EXPECT_GT(shown[2], shown[1] + 10);
  EXPECT_EQ(shown[3], shown[1]);
  EXPECT_EQ(shown[4], 0);
  EXPECT_EQ(shown[5], 0);
}

TEST_F(ProgramTest, ChatRefusesAContextThatIsTooSmallForTheConversation) {
  const std::string question = "So, how large are the input images of Gemma 3?\n";
  const std::string answer = "Gemma 3 resizes images to 896x896 pixels.\n";
  const Outcome outcome = Run({"chat", "demo", "--temperature", "0"},
                              Bytes(question + "/set context 20\n/show context\n/regen\n"));
  EXPECT_EQ(outcome.code, 4);
  EXPECT_EQ(outcome.out, answer + answer);
  const size_t line_end = outcome.err.find('\n');
  const std::string error = outcome.err.substr(0, line_end);
  EXPECT_NE(error.find("the conversation has 45 tokens"), std::string::npos) << error;
  EXPECT_NE(error.find("a context of 20"), std::string::npos) << error;
  EXPECT_EQ(outcome.err.find("20", line_end), std::string::npos) << outcome.err;
}

TEST_F(ProgramTest, PipedChatOpensNoFileThatTheTextNames) {
  const Outcome outcome = Run({"chat", "demo", "--temperature", "0", "-v"},
                              Bytes("What can you see in the picture? " + kPicture + "\n"));
  EXPECT_EQ(outcome.err.find("pictures"), std::string::npos) << outcome.err;
}

// ---- in a terminal ----

class ChatTerminalTest : public ProgramTest {
 protected:
  void Open(std::vector<std::string> more = {}, unsigned short columns = 100) {
    more.insert(more.begin(), {"chat", "demo", "--temperature", "0"});
    std::vector<char*> argv = Argv(more);
    const std::string state = folder_;
    winsize size = {24, columns, 0, 0};
    pid_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (pid_ != 0) return;
    ::setenv("TERM", "xterm", 1);
    ::setenv("LC_ALL", "C", 1);  // as in containers
    ::setenv("XDG_STATE_HOME", state.c_str(), 1);
    ::signal(SIGINT, SIG_DFL);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      Wait();
    }
    ProgramTest::TearDown();
  }

  void Type(const std::string& keys) {
    ASSERT_EQ(::write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  // Reads until `text` has come up behind everything waited for before. False: the program ended,
  // or said nothing for a minute.
  bool WaitFor(const std::string& text) {
    for (;;) {
      if (const size_t at = seen_.find(text, waited_); at != std::string::npos) {
        waited_ = at + text.size();
        return true;
      }
      pollfd ready = {terminal_, POLLIN, 0};
      char chunk[4096];
      if (::poll(&ready, 1, 60'000) != 1) return false;
      const ssize_t count = ::read(terminal_, chunk, sizeof(chunk));
      if (count <= 0) return false;
      seen_.append(chunk, static_cast<size_t>(count));
    }
  }

  int Wait() {
    int status = 0;
    char chunk[4096];
    pollfd ready = {terminal_, POLLIN, 0};
    int answered = 0;
    do {
      answered = ::poll(&ready, 1, 60'000);
    } while (answered == 1 && ::read(terminal_, chunk, sizeof(chunk)) > 0);
    if (answered != 1) ::kill(pid_, SIGKILL);  // it does not leave
    ::waitpid(pid_, &status, 0);
    ::close(terminal_);
    pid_ = -1;
    return ExitCode(status);
  }

  static constexpr const char* kPrompt = ">>> ";
  pid_t pid_ = -1;
  int terminal_ = -1;
  std::string seen_;
  size_t waited_ = 0;
};

TEST_F(ChatTerminalTest, AsksAnswersAndLeavesWithControlD) {
  Open();
  ASSERT_TRUE(WaitFor("/help"));
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("So, how large are the input images of Gemma 3?\r");
  ASSERT_TRUE(WaitFor("Gemma 3 resizes images to 896x896 pixels.")) << seen_;
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("\x04");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ChatTerminalTest, ControlCClearsTheLineAndKeepsTheChat) {
  Open();
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("some text that is given up");
  ASSERT_TRUE(WaitFor("given up"));
  Type("\x03");
  ASSERT_TRUE(WaitFor("Ctrl-D")) << seen_;
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("So, how large are the input images of Gemma 3?\r");
  ASSERT_TRUE(WaitFor("Gemma 3 resizes images to 896x896 pixels.")) << seen_;
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("/exit\r");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ChatTerminalTest, WrapsAnswersBetweenWordsUnlessToldNotTo) {
  Open({}, 21);
  ASSERT_TRUE(WaitFor(kPrompt));
  const std::string question = "So, how large are the input images of Gemma 3?\r";
  Type(question);
  ASSERT_TRUE(WaitFor("Gemma 3 resizes \r\nimages to 896x896 \r\npixels.\r\n")) << seen_;
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("/set wrap off\r");
  ASSERT_TRUE(WaitFor(kPrompt));
  Type(question);
  ASSERT_TRUE(WaitFor("Gemma 3 resizes images to 896x896 pixels.\r\n")) << seen_;
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("\x04");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ChatTerminalTest, EditsKoreanInAnyLocale) {
  Open();
  ASSERT_TRUE(WaitFor(kPrompt));
  // With a character too many, taken back.
  Type("\uadf8\ub7fc \uc548\ub155\ud558\uc2ed\ub2c8\uae4c?\ud55c\x7f\r");
  ASSERT_TRUE(
      WaitFor("\uc548\ub155\ud558\uc138\uc694! \ubb34\uc5c7\uc744 \ub3c4\uc640 "
              "\ub4dc\ub9b4\uae4c\uc694?"))
      << seen_;
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("\x04");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ChatTerminalTest, AttachesAPictureThatWasTyped) {
  Open();
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("'" + kPicture + "' What can you see in the picture?\r");
  ASSERT_TRUE(WaitFor("attached " + kPicture)) << seen_;
  ASSERT_TRUE(WaitFor("yellow")) << seen_;
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("\x04");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ChatTerminalTest, TabCompletesCommandsSettingsAndFiles) {
  const std::string name = "\ud55c\uae00 \u00fc.png";
  fs::copy_file(kPicture, Path(name));
  Open();
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("/sh\ttop_\t");
  ASSERT_TRUE(WaitFor("top-k  top-p\r\n")) << seen_;
  ASSERT_TRUE(WaitFor("/show top_")) << seen_;  // the line again, below
  Type("k\r");
  ASSERT_TRUE(WaitFor("64 (the model's own)")) << seen_;
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("/image '" + Path("\ud55c") + "\t\r");
  ASSERT_TRUE(WaitFor("attached " + Path(name))) << seen_;
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("/exi\t\r");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ChatTerminalTest, APasteWithLineFeedsIsOneMessage) {
  Open();
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("\033[200~So, how large are the\rinput images of Gemma 3?\033[201~");
  ASSERT_TRUE(WaitFor("input images of Gemma 3?")) << seen_;
  EXPECT_EQ(seen_.find("pixels"), std::string::npos);
  Type("\r");
  ASSERT_TRUE(WaitFor(kPrompt)) << seen_;
  Type("\x04");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ChatTerminalTest, KeepsAPrivateHistoryUnlessToldNotTo) {
  for (const bool keep : {false, true}) {
    Open(keep ? std::vector<std::string>{} : std::vector<std::string>{"--no-history"});
    ASSERT_TRUE(WaitFor(kPrompt));
    Type("/stats\r");
    ASSERT_TRUE(WaitFor("context"));
    ASSERT_TRUE(WaitFor(kPrompt));
    Type("\x04");
    EXPECT_EQ(Wait(), 0);
    EXPECT_EQ(fs::exists(Path("gemma3/history")), keep);
  }
  EXPECT_EQ(Read("gemma3/history"), "/stats\n");
  struct stat info;
  ASSERT_EQ(::stat(Path("gemma3/history").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  // Arrow up brings it back.
  Open();
  ASSERT_TRUE(WaitFor(kPrompt));
  Type("\033[A\r");
  ASSERT_TRUE(WaitFor("context")) << seen_;
  ASSERT_TRUE(WaitFor(kPrompt)) << seen_;
  Type("\x04");
  EXPECT_EQ(Wait(), 0);
}

}  // namespace
}  // namespace gemma3::cli
