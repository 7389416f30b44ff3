// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/base/status.h"

extern char** environ;

namespace gemma3::cli {
namespace {

std::string Joined(const std::vector<std::string>& words, char separator) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += separator;
    out += word;
  }
  return out;
}

std::string Joined(const std::vector<size_t>& numbers) {
  std::vector<std::string> words;
  for (const size_t number : numbers) words.push_back(std::to_string(number));
  return Joined(words, ',');
}

// Starts a program without input and errors; returns the end to read its output from, and its id.
Result<std::pair<int, pid_t>> Start(const std::vector<std::string>& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Fail(ErrorCode::kIo, "cannot make a pipe: ", std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    return Fail(ErrorCode::kInvalidArgument, "cannot start ", command[0], ": ",
                std::strerror(error));
  }
  return std::pair(ends[0], pid);
}

// What the program writes to its standard output.
Result<std::string> OutputOf(const std::vector<std::string>& command) {
  GEMMA3_TRY(const auto started, Start(command));
  const auto [from, pid] = started;
  std::string out;
  char buffer[4096];
  for (;;) {
    const ssize_t count = ::read(from, buffer, sizeof(buffer));
    if (count > 0) out.append(buffer, static_cast<size_t>(count));
    if (count == 0 || (count < 0 && errno != EINTR)) break;
  }
  ::close(from);
  int state = 0;
  while (::waitpid(pid, &state, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(state)) {
    return Fail(ErrorCode::kCancelled, command[0], " was ended by a signal");
  }
  if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
    return Fail(ErrorCode::kInvalidArgument, command[0], " failed with exit code ",
                WEXITSTATUS(state), "; to see why: ", Joined(command, ' '));
  }
  return out;
}

// Reads an array of objects with n_prompt or n_gen, n_depth, and the rates of all runs or their
// mean.
Status Parse(const std::string& output, bool prefill, std::vector<PeerResult>& results) {
  const auto document = nlohmann::json::parse(output, nullptr, /*allow_exceptions=*/false);
  const auto unknown = [] {
    return Fail(ErrorCode::kUnsupported, "the peer's output is not that of llama-bench -o json");
  };
  if (!document.is_array()) return unknown();
  for (const auto& test : document) {
    if (!test.is_object()) return unknown();
    const auto number = [&](const char* name, double otherwise) {
      const auto it = test.find(name);
      return it != test.end() && it->is_number() ? it->get<double>() : otherwise;
    };
    PeerResult result;
    result.prefill = prefill;
    const double tokens = number(prefill ? "n_prompt" : "n_depth", prefill ? -1 : 0);
    if (!(tokens >= 0 && tokens < 1e9)) return unknown();
    result.tokens = static_cast<size_t>(tokens);
    result.tokens_per_second = number("avg_ts", 0);
    if (const auto samples = test.find("samples_ts");
        samples != test.end() && samples->is_array()) {
      for (const auto& sample : *samples) {
        if (!sample.is_number()) return unknown();
        result.tokens_per_second = std::max(result.tokens_per_second, sample.get<double>());
      }
    }
    if (!(result.tokens_per_second > 0)) return unknown();
    results.push_back(result);
  }
  return {};
}

}  // namespace

Result<std::vector<PeerResult>> RunPeer(const PeerRequest& request) {
  std::vector<PeerResult> results;
  const std::vector<std::string> common = {request.program,
                                           "-m",
                                           request.model,
                                           "-t",
                                           std::to_string(request.threads),
                                           "-r",
                                           std::to_string(request.repeat),
                                           "-o",
                                           "json"};
  const auto run = [&](std::vector<std::string> options, bool prefill) -> Status {
    options.insert(options.begin(), common.begin(), common.end());
    GEMMA3_TRY(const std::string output, OutputOf(options));
    return Parse(output, prefill, results);
  };
  if (!request.prefill.empty()) {
    GEMMA3_CHECK_OK(run({"-p", Joined(request.prefill), "-n", "0"}, true));
  }
  if (request.decode != 0 && !request.depths.empty()) {
    std::vector<std::string> options = {"-p", "0", "-n", std::to_string(request.decode)};
    // Older programs do not have the option.
    if (request.depths != std::vector<size_t>{0}) {
      options.insert(options.end(), {"-d", Joined(request.depths)});
    }
    GEMMA3_CHECK_OK(run(std::move(options), false));
  }
  return results;
}

}  // namespace gemma3::cli
