// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 cache: lists and clears what the program keeps, and touches nothing else.

#include <pty.h>
#include <sys/stat.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "tests/tools/program_run.h"
#include "tools/kept_files.h"

namespace gemma3::cli {
namespace {

const std::string kHash = "0123456789abcdef0123456789abcdef";

TEST(AgeText, CountsInOneUnit) {
  EXPECT_EQ(AgeText(1000, 1000), "just now");
  EXPECT_EQ(AgeText(1000, 900), "just now");  // another machine's clock
  EXPECT_EQ(AgeText(0, 59), "just now");
  EXPECT_EQ(AgeText(0, 60), "1 minute ago");
  EXPECT_EQ(AgeText(0, 7199), "1 hour ago");
  EXPECT_EQ(AgeText(0, 3 * 24 * 3600), "3 days ago");
  EXPECT_EQ(AgeText(0, 800L * 24 * 3600), "2 years ago");
}

class CacheTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    ::setenv("XDG_CACHE_HOME", Path("xdg").c_str(), 1);
  }
  void TearDown() override {
    if (before_.empty()) {
      ::unsetenv("XDG_CACHE_HOME");
    } else {
      ::setenv("XDG_CACHE_HOME", before_.c_str(), 1);
    }
    ProgramTest::TearDown();
  }

  // The demo model's packed weights. Returns the name of the file.
  std::string Pack() {
    EXPECT_EQ(Run({"run", "demo", "--weights", "int8", "--max-tokens", "1", "Hi"}).code, 0);
    const std::set<std::string> names = Names("xdg/gemma3");
    EXPECT_EQ(names.size(), 1u);
    return names.empty() ? "" : *names.begin();
  }
  std::set<std::string> Names(const std::string& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(Path(folder))) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  const std::string before_ =
      std::getenv("XDG_CACHE_HOME") == nullptr ? "" : std::getenv("XDG_CACHE_HOME");
};

TEST_F(CacheTest, ListsAndClearsPackedWeights) {
  EXPECT_EQ(Run({"cache"}).out, "nothing is kept in " + Path("xdg/gemma3") + "\n");
  EXPECT_EQ(Run({"cache", "clear"}).out, "nothing to remove in " + Path("xdg/gemma3") + "\n");
  const std::string name = Pack();
  const Outcome list = Run({"cache"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_TRUE(list.out.starts_with(Path("xdg/gemma3") + "\n")) << list.out;
  EXPECT_NE(list.out.find("weights"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("tiny-gemma3, int8"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("just now"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find(name), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("\n1 file, 6."), std::string::npos) << list.out;
  EXPECT_EQ(Run({"cache", "list"}).out, list.out);
  EXPECT_EQ(Run({"cache", "list", Path("xdg/gemma3")}).out, list.out);
  EXPECT_EQ(Run({"cache", "--prompts"}).out, "nothing is kept in " + Path("xdg/gemma3") + "\n");
  // In a script nothing is asked.
  const Outcome cleared = Run({"cache", "clear"}, Bytes("n\n"));
  EXPECT_EQ(cleared.code, 0);
  EXPECT_EQ(cleared.err, "");
  EXPECT_TRUE(cleared.out.starts_with("removed 1 file, 6.")) << cleared.out;
  EXPECT_TRUE(Names("xdg/gemma3").empty());
}

TEST_F(CacheTest, TouchesNoFileThatIsNotItsOwn) {
  const std::string name = Pack();
  // A model that was converted, even under such a name, and packed weights under another one.
  const std::string model = Path("xdg/gemma3/" + kHash + ".gemma3");
  ASSERT_EQ(Run({"convert", "demo", model, "--weights", "int4"}).code, 0);
  fs::copy_file(Path("xdg/gemma3/" + name), Path("xdg/gemma3/mine.gemma3"));
  fs::create_symlink(Path("xdg/gemma3/" + name),
                     Path("xdg/gemma3/1" + kHash.substr(1) + ".gemma3"));
  fs::create_directory(Path("xdg/gemma3/2" + kHash.substr(1) + ".gemma3"));
  Write("xdg/gemma3/3" + kHash.substr(1) + ".gemma3", "no safetensors at all");
  Write("xdg/gemma3/notes.txt", "gemma3st");
  Write("xdg/gemma3/" + kHash + ".gemma3-state", "not that magic");
  Write("xdg/gemma3/conversation.gemma3-state", "gemma3st and more");
  const std::set<std::string> before = Names("xdg/gemma3");
  const Outcome cleared = Run({"cache", "clear", "--yes"});
  EXPECT_EQ(cleared.code, 0);
  EXPECT_TRUE(cleared.out.starts_with("removed 1 file, 6.")) << cleared.out;
  EXPECT_NE(cleared.err.find("conversation.gemma3-state"), std::string::npos) << cleared.err;
  std::set<std::string> left = before;
  left.erase(name);
  EXPECT_EQ(Names("xdg/gemma3"), left);
}

TEST_F(CacheTest, ListsAndClearsStatesBehindPrompts) {
  fs::create_directory(Path("states"));
  Write("states/" + kHash + ".gemma3-state", "gemma3st" + std::string(2000, 'x'));
  Write("states/1" + kHash.substr(1) + ".gemma3-state", "gemma3st" + std::string(1000, 'x'));
  Write("states/talk.gemma3-state", "gemma3st");
  Write("states/2" + kHash.substr(1) + ".gemma3-state.partial99999999-0", "gemma3s");  // no process
  Write("states/3" + kHash.substr(1) + ".gemma3-state.partial1-0", "gemma3s");  // of a living one
  const Outcome list = Run({"cache", "list", Path("states")});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_NE(list.out.find("  prompt     1.96 KiB"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("  saved           8 B"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("  leftover        7 B"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("\n4 files, "), std::string::npos) << list.out;
  EXPECT_EQ(Run({"cache", "--packed", "list", Path("states")}).out,
            "nothing is kept in " + Path("states") + "\n");
  EXPECT_TRUE(
      Run({"cache", "clear", "--prompts", Path("states")}).out.starts_with("removed 3 files"));
  EXPECT_EQ(Names("states"),
            (std::set<std::string>{"talk.gemma3-state",
                                   "3" + kHash.substr(1) + ".gemma3-state.partial1-0"}));
}

TEST_F(CacheTest, SaysWhatIsWrong) {
  EXPECT_TRUE(IsError(Run({"cache", "claer"}), 2, "did you mean clear?"));
  EXPECT_TRUE(IsError(Run({"cache", "clear", Path("none")}), 1, Path("none")));
  EXPECT_TRUE(IsError(Run({"cache", "clear", Path("none"), "more"}), 2, "one DIR"));
  EXPECT_TRUE(IsError(Run({"cache", "--promts"}), 2, "--prompts"));
}

TEST_F(CacheTest, AsksAPersonBeforeItClears) {
  fs::create_directory(Path("states"));
  for (const bool agrees : {false, true}) {
    Write("states/" + kHash + ".gemma3-state", "gemma3st");
    const std::vector<std::string> arguments = {"cache", "clear", Path("states")};
    std::vector<char*> argv = Argv(arguments);
    int terminal = -1;
    const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    if (pid == 0) {
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    std::string seen;
    char chunk[4096];
    bool answered = false;
    for (ssize_t count; (count = ::read(terminal, chunk, sizeof chunk)) > 0;) {
      seen.append(chunk, static_cast<size_t>(count));
      if (answered || seen.find("[y/N] ") == std::string::npos) continue;
      answered = ::write(terminal, agrees ? "y\n" : "\n", agrees ? 2 : 1) > 0;
    }
    ::close(terminal);
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(ExitCode(status), 0);
    EXPECT_NE(seen.find("remove 1 file, 8 B?"), std::string::npos) << seen;
    EXPECT_EQ(Names("states").empty(), agrees) << seen;
  }
}

}  // namespace
}  // namespace gemma3::cli
