// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/tool_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"
#include "tools/child.h"

namespace gemma3::cli {
namespace {

using namespace std::chrono_literals;

ToolResult RunScript(const std::string& script, ToolLimits limits = {}, const StopCheck& stop = {},
                     const std::string& arguments = R"({"a":1})") {
  const auto result = RunTool({"sh", "-c", script}, arguments, limits, stop);
  EXPECT_TRUE(result) << result.error().message;
  return result ? *result : ToolResult{};
}

// Whether a process is there; what is dead and not reaped counts as gone.
bool Lives(pid_t pid) {
  if (::kill(pid, 0) != 0) return false;
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string word, state;
  stat >> word >> word >> state;
  return state != "Z" && state != "X";
}

pid_t ReadPid(const std::string& path) {
  pid_t pid = 0;
  for (int i = 0; i < 500 && pid == 0; ++i) {
    std::ifstream(path) >> pid;
    if (pid == 0) ::usleep(10000);
  }
  return pid;
}

bool Ends(pid_t pid) {
  for (int i = 0; i < 500 && Lives(pid); ++i) ::usleep(10000);
  return !Lives(pid);
}

TEST(RunTool, ArgumentsGoInAndOutputComesBack) {
  const ToolResult result = RunScript("cat; echo done; echo hidden >&2");
  EXPECT_EQ(result.text, "{\"a\":1}\ndone\n");
  EXPECT_FALSE(result.failed);
  EXPECT_EQ(RunScript("true").text, "");  // one that reads nothing
  // Larger than a pipe, both ways.
  const std::string large = R"({"a":")" + std::string(1 << 20, 'x') + R"("})";
  EXPECT_EQ(RunScript("cat", {.output_bytes = 2 << 20}, {}, large).text, large + "\n");
}

TEST(RunTool, FailuresAreResults) {
  ToolResult result = RunScript("echo out; echo why >&2; exit 4");
  EXPECT_TRUE(result.failed);
  EXPECT_EQ(result.text, "The tool failed with exit code 4.\nout\n\nwhy\n");
  EXPECT_EQ(RunScript("kill -9 $$").text, "The tool was ended by signal 9.");
  const auto missing = RunTool({"/nowhere/tool"}, "{}", {}, {});
  ASSERT_TRUE(missing);
  EXPECT_TRUE(missing->failed);
  EXPECT_EQ(missing->text, "cannot start /nowhere/tool: No such file or directory");
}

TEST(RunTool, OutputIsCutAndCleaned) {
  ToolResult result = RunScript("printf 'abcdefghij'", {.output_bytes = 4});
  EXPECT_EQ(result.text, "abcd\n[6 more bytes were left out]");
  EXPECT_FALSE(result.failed);
  result = RunScript(R"(printf '\033[31mred\033[0m\007 <end_of_turn> \377')");
  EXPECT_EQ(result.text, "red <end_of_turn> \uFFFD");
}

TEST(RunTool, WhatNeverEndsIsStopped) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(RunScript("echo begun; exec sleep 1000", {.time = 300ms}).text,
            "The tool was stopped after 0.3 s.\nbegun\n");
  EXPECT_EQ(RunScript("exec >&- 2>&-; exec sleep 1000", {.time = 300ms}).text,
            "The tool was stopped after 0.3 s.");
  EXPECT_TRUE(RunScript("trap '' TERM INT HUP; while :; do :; done", {.time = 300ms}).failed);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 60s);
}

TEST(RunTool, AGigabyteIsReadAndNotKept) {
  const ToolResult result = RunScript("echo begin; head -c 1000000000 /dev/zero",
                                      {.output_bytes = 10, .runaway_bytes = size_t{2} << 30});
  EXPECT_EQ(result.text, "begin\n\n[999999996 more bytes were left out]");
  EXPECT_FALSE(result.failed);
}

TEST(RunTool, WhatDoesNotCeaseToWriteIsStopped) {
  const ToolResult result = RunScript("yes", {.output_bytes = 4, .runaway_bytes = 10 << 20});
  EXPECT_TRUE(result.failed);
  EXPECT_TRUE(result.text.starts_with("The tool was stopped: it did not cease to write.\ny\ny\n"))
      << result.text;
}

TEST(RunTool, NothingOfItOutlivesIt) {
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/pid";
  // It ends, and leaves somebody behind who holds its output open.
  EXPECT_EQ(RunScript("sleep 1000 & echo $! > " + path + "; echo ok").text, "ok\n");
  const pid_t left = ReadPid(path);
  ASSERT_GT(left, 0);
  EXPECT_TRUE(Ends(left));
}

TEST(RunTool, TheUserStopsIt) {
  int asked = 0;
  const auto result = RunTool({"sleep", "1000"}, "{}", {}, [&] { return ++asked > 3; });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

// What a signal handler does where no destructor runs.
TEST(Child, AllAreKilledAtOnce) {
  auto one = Child::Start({"sleep", "1000"});
  auto two = Child::Start({"sh", "-c", "sleep 1000 & wait"});
  ASSERT_TRUE(one && two);
  EXPECT_FALSE(one->HasEnded());
  EXPECT_FALSE(two->HasEnded());
  KillChildren();
  EXPECT_EQ(one->Finish(), 128 + SIGKILL);
  EXPECT_EQ(two->Finish(), 128 + SIGKILL);
}

TEST(Child, HasNoDescriptorsOfOthers) {
  auto other = Child::Start({"cat"});
  ASSERT_TRUE(other);
  // Were its input inherited, it would not end when we close ours.
  auto holder = Child::Start({"sleep", "1000"});
  ASSERT_TRUE(holder);
  EXPECT_EQ(other->FinishPolitely(30s), 0);
  // 0, 1, 2, and what ls opens itself.
  EXPECT_EQ(RunScript("ls /proc/self/fd | tr '\\n' ' '").text, "0 1 2 3 ");
}

TEST(Child, SignalsAreAtTheirDefaults) {
  ::signal(SIGPIPE, SIG_IGN);  // as in the program
  EXPECT_EQ(RunScript("kill -PIPE $$; echo ignored").text, "The tool was ended by signal 13.");
}

TEST(SplitCommand, TakesWordsApartAsAShellDoes) {
  const auto split = [](std::string_view line) {
    const auto words = SplitCommand(line);
    return words ? *words : std::vector<std::string>{words.error().message};
  };
  using Words = std::vector<std::string>;
  EXPECT_EQ(split("npx -y  server\t/tmp "), (Words{"npx", "-y", "server", "/tmp"}));
  EXPECT_EQ(split(R"(a "b c" 'd "e"' f\ g "h\"i\\j\k" '' k'l'm)"),
            (Words{"a", "b c", "d \"e\"", "f g", "h\"i\\j\\k", "", "klm"}));
  EXPECT_EQ(split("echo $HOME *.c `ls`; x"), (Words{"echo", "$HOME", "*.c", "`ls`;", "x"}));
  EXPECT_EQ(split("a 'b"), (Words{"the command has a ' that is not closed: a 'b"}));
  EXPECT_EQ(split("  "), (Words{"the command is empty"}));
  EXPECT_EQ(split("'' a"), (Words{"the command is empty"}));
}

}  // namespace
}  // namespace gemma3::cli
