// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Running the program as scripts and people do, with the demo model.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace gemma3::cli {

namespace fs = std::filesystem;

inline const std::string kSource = GEMMA3_SOURCE_DIR;
inline const std::string kDemo = kSource + "/tools/demo";
inline const std::string kPicture = kDemo + "/eval/images/image_describe-01.png";
inline const std::string kPictureText =
    "A large yellow star at the top right and a small yellow square on the left.";

struct Outcome {
  int code = -1;  // exit code, or 128 + the signal that ended it
  std::string out;
  std::string err;
};

// What standard input is.
struct Input {
  enum Kind { kNull, kClosed, kBytes } kind = kNull;
  std::string bytes;
};
inline Input Bytes(std::string bytes) { return {Input::kBytes, std::move(bytes)}; }

// A folder for one test.
class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& bytes) {
    std::ofstream(Path(name), std::ios::binary) << bytes;
    return Path(name);
  }
  std::string Read(const std::string& name) {
    std::ifstream file(Path(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  std::string Path(const std::string& name) { return folder_ + "/" + name; }

  static std::vector<char*> Argv(const std::vector<std::string>& arguments) {
    static std::string program = GEMMA3_PROGRAM;
    std::vector<char*> argv = {program.data()};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.data()));
    argv.push_back(nullptr);
    return argv;
  }

  static int ExitCode(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // Starts the program with files for its streams; out_path may be a device.
  pid_t Start(const std::vector<std::string>& arguments, const Input& input,
              const std::string& out_path) {
    const std::string in_path =
        input.kind == Input::kBytes ? Write("stdin", input.bytes) : "/dev/null";
    const std::string err_path = Path("stderr");
    std::vector<char*> argv = Argv(arguments);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    const int in = ::open(in_path.c_str(), O_RDONLY);
    const int out = ::open(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int err = ::open(err_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    if (input.kind == Input::kClosed) ::close(0);
    ::signal(SIGINT, SIG_DFL);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  Outcome Run(const std::vector<std::string>& arguments, const Input& input = {},
              const std::string& out_path = "") {
    const std::string out = out_path.empty() ? Path("stdout") : out_path;
    const pid_t pid = Start(arguments, input, out);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {ExitCode(status), out_path.empty() ? Read("stdout") : "", Read("stderr")};
  }

  // The demo model's answer, greedy.
  Outcome Ask(std::vector<std::string> arguments, const Input& input = {}) {
    arguments.insert(arguments.begin(), {"run", "demo", "--temperature", "0"});
    return Run(arguments, input);
  }

  const std::string folder_ =
      ::testing::TempDir() + "gemma3_program_test_" + std::to_string(::getpid());
};

// One line "gemma3: ..." that holds `text`.
inline ::testing::AssertionResult IsError(const Outcome& outcome, int code,
                                          const std::string& text) {
  const bool one_line = std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1 &&
                        outcome.err.ends_with('\n') && outcome.err.starts_with("gemma3: ");
  if (outcome.code == code && one_line && outcome.err.find(text) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "code " << outcome.code << ", stderr: " << outcome.err;
}

}  // namespace gemma3::cli
