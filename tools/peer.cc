// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/peer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "src/base/status.h"
#include "tools/child.h"

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

// What the program writes to its standard output. Ctrl-C ends it together with this one.
Result<std::string> OutputOf(const std::vector<std::string>& command) {
  constexpr size_t kMostOutput = size_t{16} << 20, kMostErrors = 2000;
  auto started = Child::Start(command);
  if (!started) {
    return Fail(ErrorCode::kInvalidArgument, std::move(started).error().message);
  }
  Child child = *std::move(started);
  std::string out, errors;
  std::string_view input;
  while (child.Exchange(&input, /*close_input=*/true, &out, kMostOutput, &errors, kMostErrors,
                        Child::Clock::time_point::max(),
                        [] { return false; }) != Child::Ended::kEof) {
  }
  const int code = child.Finish();
  if (code > 128) return Fail(ErrorCode::kCancelled, command[0], " was ended by a signal");
  if (code != 0) {
    return Fail(ErrorCode::kInvalidArgument, command[0], " failed with exit code ", code,
                "; to see why: ", Joined(command, ' '));
  }
  return out;
}

// How a program is asked for a decode behind some tokens of prompt.
enum class DepthOption {
  kNone,    // older ones cannot
  kDepth,   // llama.cpp: -d 4096,16384 beside -n 32
  kPrompt,  // ik_llama.cpp: -gp 4096,32 -gp 16384,32
};

DepthOption DepthOptionOf(const std::string& help) {
  if (help.find("--n-depth") != std::string::npos) return DepthOption::kDepth;
  return help.find("-gp ") != std::string::npos ? DepthOption::kPrompt : DepthOption::kNone;
}

// Reads an array of objects with n_prompt or n_gen; the depth, as n_depth or as the n_prompt of a
// decode; and the rates of all runs or their mean. Libraries write lines of theirs in front of it.
Status Parse(const std::string& output, bool prefill, std::vector<PeerResult>& results) {
  size_t begin = 0;
  while (begin < output.size() && output[begin] != '[') {
    const size_t end = output.find('\n', begin);
    begin = end == std::string::npos ? output.size() : end + 1;
  }
  const auto document = nlohmann::json::parse(std::string_view(output).substr(begin), nullptr,
                                              /*allow_exceptions=*/false);
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
    const double prompt = number("n_prompt", prefill ? -1 : 0);
    const double tokens = prefill ? prompt : number("n_depth", prompt);
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
  const auto run = [&](std::vector<std::string> options, bool prefill) -> Status {
    std::vector<std::string> command = request.command;
    command.insert(command.end(), {"-m", request.model, "-t", std::to_string(request.threads), "-r",
                                   std::to_string(request.repeat), "-o", "json"});
    command.insert(command.end(), options.begin(), options.end());
    GEMMA3_TRY(const std::string output, OutputOf(command));
    return Parse(output, prefill, results);
  };
  if (!request.prefill.empty()) {
    GEMMA3_CHECK_OK(run({"-p", Joined(request.prefill), "-n", "0"}, true));
  }
  std::vector<size_t> depths = request.depths;
  if (request.decode == 0 || depths.empty()) return results;
  const std::string decode = std::to_string(request.decode);
  if (depths == std::vector<size_t>{0}) {
    GEMMA3_CHECK_OK(run({"-p", "0", "-n", decode}, false));
    return results;
  }
  const auto help = OutputOf({request.command[0], "--help"});
  switch (help ? DepthOptionOf(*help) : DepthOption::kNone) {
    case DepthOption::kDepth:
      GEMMA3_CHECK_OK(run({"-p", "0", "-n", decode, "-d", Joined(depths)}, false));
      break;
    case DepthOption::kPrompt: {
      const bool empty_cache = std::erase(depths, 0) > 0;
      std::vector<std::string> options = {"-p", "0", "-n", empty_cache ? decode : "0"};
      for (const size_t depth : depths) {
        options.insert(options.end(), {"-gp", std::to_string(depth) + "," + decode});
      }
      GEMMA3_CHECK_OK(run(std::move(options), false));
      break;
    }
    case DepthOption::kNone:
      if (std::erase(depths, 0) > 0) GEMMA3_CHECK_OK(run({"-p", "0", "-n", decode}, false));
      break;
  }
  return results;
}

}  // namespace gemma3::cli
