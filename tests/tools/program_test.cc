// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The program as scripts and people meet it, with the demo model.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "src/base/tensor.h"
#include "src/formats/safetensors.h"

namespace gemma3::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::string kSource = GEMMA3_SOURCE_DIR;
const std::string kDemo = kSource + "/tools/demo";
const std::string kPicture = kDemo + "/eval/images/image_describe-01.png";
const std::string kPictureText =
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
Input Bytes(std::string bytes) { return {Input::kBytes, std::move(bytes)}; }

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
::testing::AssertionResult IsError(const Outcome& outcome, int code, const std::string& text) {
  const bool one_line = std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1 &&
                        outcome.err.ends_with('\n') && outcome.err.starts_with("gemma3: ");
  if (outcome.code == code && one_line && outcome.err.find(text) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "code " << outcome.code << ", stderr: " << outcome.err;
}

// ---- run ----

TEST_F(ProgramTest, RunPrintsTheAnswersBytesOnly) {
  const Outcome outcome = Ask({"So, how large are the input images of Gemma 3?"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "Gemma 3 resizes images to 896x896 pixels.");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(ProgramTest, RunJoinsWordsWithSpaces) {
  EXPECT_EQ(Ask({"So,", "how", "large", "are", "the", "input", "images", "of", "Gemma", "3?"}).out,
            "Gemma 3 resizes images to 896x896 pixels.");
}

TEST_F(ProgramTest, RunReadsThePromptFromAnySource) {
  const std::string question = "So, how large are the input images of Gemma 3?";
  const std::string answer = "Gemma 3 resizes images to 896x896 pixels.";
  EXPECT_EQ(Ask({}, Bytes(question + "\n")).out, answer);
  EXPECT_EQ(Ask({"-"}, Bytes(question)).out, answer);
  EXPECT_EQ(Ask({"-f", Write("question", question + "\n")}).out, answer);
  EXPECT_EQ(Ask({"-f", "-"}, Bytes(question)).out, answer);
  EXPECT_EQ(Ask({question}, {Input::kClosed, ""}).out, answer);
  EXPECT_EQ(Ask({question}, Bytes("")).out, answer);
  EXPECT_EQ(Ask({question, "--no-stdin"}, Bytes("something else")).out, answer);
}

// The three sources together are the prompt that has a blank line between each two of them: same
// tokens, same answer.
TEST_F(ProgramTest, RunJoinsTheSourcesInOrder) {
  const auto ask = [&](std::vector<std::string> arguments, const Input& input) {
    arguments.insert(arguments.end(), {"--json", "--max-tokens", "8"});
    const Json json = Json::parse(Ask(arguments, input).out);
    return std::make_pair(json["text"].get<std::string>(), json["prompt_tokens"].get<int>());
  };
  const std::string file = Write("part", "from a file\n");
  EXPECT_EQ(ask({"words", "-f", file}, Bytes("from a pipe\n")),
            ask({"words\n\nfrom a file\n\nfrom a pipe"}, {}));
}

TEST_F(ProgramTest, RunDescribesAPicture) {
  EXPECT_EQ(Ask({"--image", kPicture, "What can you see in the picture?"}).out, kPictureText);
  EXPECT_EQ(Ask({"--image", kPicture, "[img]What can you see in the picture?"}).out, kPictureText);
}

TEST_F(ProgramTest, RunTakesBracketsAndLeadingDashesAsText) {
  const auto tokens = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {});
    Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out)["prompt_tokens"].get<int>();
  };
  // CLI11 by itself would split the first into two words and drop the brackets.
  EXPECT_EQ(tokens({"run", "demo", "--json", "--max-tokens", "1", "[1,2]"}),
            tokens({"run", "demo", "--json", "--max-tokens", "1", " [1,2] "}));
  EXPECT_GT(tokens({"run", "demo", "--json", "--max-tokens", "1", "[1,2]"}),
            tokens({"run", "demo", "--json", "--max-tokens", "1", "1 2"}));
  tokens({"run", "demo", "--json", "--max-tokens", "1", "--", "--seed", "-x"});
  tokens({"run", "demo", "--json", "--max-tokens", "1", "-5", "times", "2"});
  tokens({"run", "demo", "--json", "--max-tokens", "1", "--system", "--loud", "hello"});
  tokens({"run", "demo", "--json", "--max-tokens", "1", "--system=", "hello"});
}

TEST_F(ProgramTest, RunJsonIsOneObjectWithEveryField) {
  const Outcome outcome = Run({"run", "demo", "--json", "--seed", "7", "Hello!"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["seed"], 7);
  EXPECT_EQ(json["finish_reason"], "stop");
  EXPECT_EQ(json["cached_tokens"], 0);
  EXPECT_EQ(json["images"], 0);
  EXPECT_GT(json["prompt_tokens"].get<int>(), 0);
  EXPECT_GT(json["tokens"].get<int>(), 0);
  EXPECT_FALSE(json["text"].get<std::string>().empty());
  EXPECT_FALSE(json["model"].get<std::string>().empty());
  for (const char* name : {"load_ms", "image_ms", "prefill_ms", "decode_ms",
                           "prefill_tokens_per_second", "decode_tokens_per_second"}) {
    EXPECT_TRUE(json["timings"][name].is_number()) << name;
  }
}

TEST_F(ProgramTest, RunRepeatsTheAnswerForASeedAndReportsADrawnOne) {
  const auto ask = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"run", "demo", "--json", "Tell me a story about a dog."});
    const Json json = Json::parse(Run(more).out);
    return std::make_pair(json["text"].get<std::string>(), json["seed"].get<uint64_t>());
  };
  const auto first = ask({"--temperature", "1.5"});
  const std::string seed = std::to_string(first.second);
  EXPECT_EQ(ask({"--temperature", "1.5", "--seed", seed}), first);
  EXPECT_EQ(ask({"--temperature", "1.5", "--seed", seed, "--threads", "1", "--prefill-batch", "3"}),
            first);
}

TEST_F(ProgramTest, RunObeysMaxTokensAndStop) {
  const Json json =
      Json::parse(Ask({"--json", "--max-tokens", "2", "How large are images of Gemma 3?"}).out);
  EXPECT_EQ(json["finish_reason"], "length");
  EXPECT_EQ(json["tokens"], 2);
  const Outcome stopped =
      Ask({"--stop", " images", "--stop", "xyz", "So, how large are the input images of Gemma 3?"});
  EXPECT_EQ(stopped.out, "Gemma 3 resizes");
}

TEST_F(ProgramTest, RunVerboseWritesToStandardErrorOnly) {
  const Outcome outcome = Ask({"-v", "So, how large are the input images of Gemma 3?"});
  EXPECT_EQ(outcome.out, "Gemma 3 resizes images to 896x896 pixels.");
  EXPECT_NE(outcome.err.find("tokens/s"), std::string::npos);
  EXPECT_EQ(outcome.err.find('\033'), std::string::npos);
}

TEST_F(ProgramTest, RunRawUsesNoTemplate) {
  const auto prompt_tokens = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--json", "--max-tokens", "1"});
    return Json::parse(Ask(more).out)["prompt_tokens"].get<size_t>();
  };
  const Outcome ids = Run({"tokenize", "demo", "Once upon a time"});
  const size_t words = static_cast<size_t>(std::count(ids.out.begin(), ids.out.end(), ' ')) + 1;
  EXPECT_EQ(prompt_tokens({"--raw", "Once upon a time"}), words + 1);  // and BOS
  EXPECT_GT(prompt_tokens({"Once upon a time"}), words + 1);
}

TEST_F(ProgramTest, RunStopsQuietlyWhenTheReaderHasGone) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  ::close(pipe_ends[0]);
  const Outcome outcome =
      Run({"run", "demo", "Hello!"}, {}, "/dev/fd/" + std::to_string(pipe_ends[1]));
  ::close(pipe_ends[1]);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "");
}

TEST_F(ProgramTest, RunReportsAnOutputThatCannotBeWritten) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  EXPECT_TRUE(IsError(Run({"run", "demo", "Hello!"}, {}, "/dev/full"), 1, "standard output"));
}

// ---- exit codes ----

TEST_F(ProgramTest, UsageErrorsNameWhatIsWrong) {
  EXPECT_TRUE(IsError(Run({"rum", "demo"}), 2, "did you mean run?"));
  EXPECT_TRUE(IsError(Run({"--verison"}), 2, "did you mean --version?"));
  EXPECT_TRUE(IsError(Run({"run"}), 2, "MODEL"));
  EXPECT_TRUE(IsError(Run({"run", "demo"}), 2, "no prompt"));
  EXPECT_TRUE(IsError(Run({"run", "demo"}, {Input::kClosed, ""}), 2, "no prompt"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--temprature", "1"}), 2,
                      "--temprature; did you mean --temperature?"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--topk=1"}), 2, "did you mean --top-k?"));
  EXPECT_TRUE(
      IsError(Run({"run", "demo", "hi", "--frobnicate"}), 2, "unknown option --frobnicate"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--top-p", "2"}), 2, "at most 1"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--seed"}), 2, "--seed"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--raw", "--system", "x"}), 2, "--raw"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "[img][img]", "--image", kPicture}), 2, "[img]"));
  EXPECT_TRUE(IsError(Run({"chat", "demo", "a prompt"}), 2, "gemma3 run"));
  EXPECT_TRUE(IsError(Run({"bench", "demo", "--prefill", "5,x"}), 2, "--prefill"));
  EXPECT_TRUE(IsError(Run({"logits", "demo"}), 2, "--input"));
  EXPECT_TRUE(IsError(Run({"tokenize", "demo", "\xff\xfe"}), 2, ""));
  EXPECT_EQ(Run({}).code, 2);
}

TEST_F(ProgramTest, OtherErrorsHaveTheirCodes) {
  EXPECT_TRUE(IsError(Run({"run", "demo", "-f", Path("none")}), 1, Path("none")));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--image", Path("none.png")}), 1, "none.png"));
  EXPECT_TRUE(
      IsError(Run({"run", "demo", "hi", "--image", Write("bad.png", "no picture")}), 1, "bad.png"));
  EXPECT_TRUE(IsError(Run({"run", Path("no-model"), "hi"}), 3, "no-model"));
  fs::create_directories(Path("empty-model"));
  EXPECT_TRUE(IsError(Run({"run", Path("empty-model"), "hi"}), 3, "empty-model"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "--context", "8", "a b c d e f g h i j k l"}), 4, "8"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--max-memory", "1K"}), 5, ""));
  EXPECT_TRUE(IsError(Run({"chat", "demo", "--max-memory", "1K"}), 5, ""));
}

TEST_F(ProgramTest, InterruptEndsWith130) {
  const pid_t pid =
      Start({"bench", "demo", "--repeat", "1000000", "--no-limits"}, {}, Path("stdout"));
  // The first line appears once the work begins; before that Ctrl-C has to work as well.
  while (Read("stdout").empty()) ::usleep(10'000);
  ::kill(pid, SIGINT);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(ExitCode(status), 130);
}

// ---- help ----

TEST_F(ProgramTest, HelpIsShortAndOnStandardOutput) {
  const std::vector<std::string> commands = {"run",        "chat",   "tokenize", "inspect", "bench",
                                             "perplexity", "logits", "doctor",   "classify"};
  const Outcome all = Run({"--help"});
  EXPECT_EQ(all.code, 0);
  for (const std::string& command : commands) {
    EXPECT_NE(all.out.find("  " + command), std::string::npos) << command;
    const Outcome help = Run({command, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_EQ(help.err, "");
    EXPECT_TRUE(help.out.find("Usage: gemma3 " + command) != std::string::npos) << help.out;
    EXPECT_LT(std::count(help.out.begin(), help.out.end(), '\n'), 50) << command;
    EXPECT_EQ(Run({"help", command}).out, help.out);
  }
  EXPECT_NE(Run({"run", "--help"}).out.find("Sampling"), std::string::npos);
  EXPECT_EQ(Run({"--version"}).out.find("gemma3 "), 0u);
}

// ---- tokenize ----

TEST_F(ProgramTest, TokenizeTextStandardInputAndBack) {
  const std::string text = "Hello  world <end_of_turn>\n \ud55c\uad6d\uc5b4 \U0001F600";
  const Outcome ids = Run({"tokenize", "demo", text});
  EXPECT_EQ(ids.code, 0);
  EXPECT_EQ(ids.out.find_first_not_of("0123456789 \n"), std::string::npos);
  EXPECT_EQ(std::count(ids.out.begin(), ids.out.end(), '\n'), 1);
  EXPECT_EQ(Run({"tokenize", "demo"}, Bytes(text)).out, ids.out);
  EXPECT_EQ(Run({"tokenize", kDemo + "/tiny-gemma3/tokenizer.model", text}).out, ids.out);
  EXPECT_EQ(Run({"tokenize", kDemo + "/tiny-gemma3", text}).out, ids.out);
  EXPECT_EQ(Run({"tokenize", "--decode", "demo"}, Bytes(ids.out)).out, text);
  EXPECT_EQ(Run({"tokenize", "demo"}, Bytes("")).out, "\n");
  // Every byte counts: a line end is a token.
  EXPECT_NE(Run({"tokenize", "demo"}, Bytes(text + "\n")).out, ids.out);
}

TEST_F(ProgramTest, TokenizeJsonLines) {
  const std::vector<std::string> texts = {"Hello", "", "a\nb", "\ud55c\uad6d\uc5b4", "\"quoted\""};
  std::string lines;
  for (const std::string& text : texts) lines += Json(text).dump() + "\n";
  const Outcome outcome = Run({"tokenize", "--json-lines", "demo"}, Bytes(lines));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  std::istringstream out(outcome.out);
  for (const std::string& text : texts) {
    std::string line;
    ASSERT_TRUE(std::getline(out, line));
    std::string expected;
    for (const Json& id : Json::parse(line)) {
      expected += (expected.empty() ? "" : " ") + std::to_string(id.get<int>());
    }
    EXPECT_EQ(Run({"tokenize", "demo"}, Bytes(text)).out, expected + "\n");
  }
  EXPECT_EQ(Run({"tokenize", "--decode", "--json-lines", "demo"}, Bytes(outcome.out)).code, 0);
  // The last line needs no line end.
  lines.pop_back();
  EXPECT_EQ(Run({"tokenize", "--json-lines", "demo"}, Bytes(lines)).out, outcome.out);
}

TEST_F(ProgramTest, TokenizeJsonLinesNamesTheBadLine) {
  for (const char* bad : {"not json", "17", "[\"a\"]", "\"open", ""}) {
    const Outcome outcome = Run({"tokenize", "--json-lines", "demo"},
                                Bytes("\"good\"\n" + std::string(bad) + "\n\"after\"\n"));
    EXPECT_TRUE(IsError(outcome, 1, "line 2")) << bad;
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
  }
}

// ---- inspect, bench, perplexity, logits ----

TEST_F(ProgramTest, InspectShowsConfigurationTensorsAndMemory) {
  const Outcome text = Run({"inspect", "demo"});
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.out.find("embed_tokens.weight"), std::string::npos);
  EXPECT_NE(text.out.find("kv cache"), std::string::npos);
  EXPECT_EQ(Run({"inspect", "demo", "--no-tensors"}).out.find("embed_tokens"), std::string::npos);

  const Json json = Json::parse(Run({"inspect", "demo", "--json", "--context", "1000"}).out);
  EXPECT_EQ(json["text"]["layers"], 12);
  EXPECT_EQ(json["text"]["global_layers"], 2);
  EXPECT_EQ(json["vision"]["tokens_per_image"], 16);
  const Json& memory = json["memory"];
  EXPECT_EQ(memory["context"], 1000);
  EXPECT_EQ(memory["total"].get<size_t>(),
            memory["weights"].get<size_t>() + memory["kv_cache"].get<size_t>() +
                memory["activations"].get<size_t>() + memory["vision"].get<size_t>() +
                memory["tokenizer"].get<size_t>());
  size_t bytes = 0;
  for (const Json& tensor : json["tensors"]) bytes += tensor["bytes"].get<size_t>();
  size_t by_type = 0;
  for (const Json& type : json["types"]) by_type += type["bytes"].get<size_t>();
  EXPECT_EQ(bytes, by_type);
  EXPECT_GT(bytes, 0u);
  EXPECT_GT(
      Json::parse(Run({"inspect", "demo", "--json", "--context", "4000"}).out)["memory"]["kv_cache"]
          .get<size_t>(),
      memory["kv_cache"].get<size_t>());
}

TEST_F(ProgramTest, BenchMeasuresWhatWasAskedFor) {
  const Outcome outcome = Run({"bench", "demo", "--prefill", "16,64", "--depth", "0,32", "--decode",
                               "4", "--repeat", "1", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  ASSERT_EQ(json["prefill"].size(), 2u);
  EXPECT_EQ(json["prefill"][1]["tokens"], 64);
  ASSERT_EQ(json["decode"].size(), 2u);
  EXPECT_EQ(json["decode"][1]["depth"], 32);
  for (const Json& part : {json["prefill"][0], json["decode"][0]}) {
    EXPECT_GT(part["tokens_per_second"].get<double>(), 0);
  }
  EXPECT_GT(json["image"]["seconds"].get<double>(), 0);
  EXPECT_GT(json["limits"]["read_bytes_per_second"].get<double>(), 0);
  EXPECT_GT(json["prefill"][0]["share_of_peak"].get<double>(), 0);
  EXPECT_GT(json["decode"][0]["share_of_bandwidth"].get<double>(), 0);
  EXPECT_GT(json["memory"]["peak_resident_bytes"].get<size_t>(), 0u);
}

TEST_F(ProgramTest, PerplexityPrefersTextThatTheModelKnows) {
  const auto perplexity = [&](const std::string& text) {
    const Outcome outcome = Run({"perplexity", "demo", Write("text", text), "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const Json json = Json::parse(outcome.out);
    EXPECT_GE(json["perplexity"].get<double>(), 1);
    return json["perplexity"].get<double>();
  };
  EXPECT_LT(perplexity("Gemma 3 resizes images to 896x896 pixels."),
            perplexity("images 3 to pixels. Gemma 896x896 resizes"));
  EXPECT_TRUE(IsError(Run({"perplexity", "demo", Write("text", "")}), 2, "empty"));
  EXPECT_NE(Run({"perplexity", "demo", Write("text", "Hello there")}).out.find("bits per byte"),
            std::string::npos);
}

TEST_F(ProgramTest, PerplexityAgainstAnotherModelPrintsTheDivergence) {
  const std::string text = Write("text", "Gemma 3 resizes images to 896x896 pixels.");
  const auto against = [&](std::vector<std::string> options) {
    std::vector<std::string> arguments = {"perplexity", "demo",   text,      "--against",
                                          "demo",       "--json", "--cache", "off"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out);
  };
  // The other model computes exactly: so does this one, and they are one.
  const Json same = against({"--compute", "f32"});
  EXPECT_EQ(same["against"]["kl_mean"], 0);
  EXPECT_EQ(same["against"]["kl_max"], 0);
  EXPECT_EQ(same["against"]["same_top"], 1);
  EXPECT_EQ(same["against"]["perplexity"], same["perplexity"]);
  // --weights is this model's alone.
  const Json int4 = against({"--weights", "int4"});
  EXPECT_EQ(int4["against"]["perplexity"], same["perplexity"]);
  EXPECT_NE(int4["perplexity"], same["perplexity"]);
  const Json& kl = int4["against"];
  EXPECT_GT(kl["kl_mean"].get<double>(), 0);
  EXPECT_LE(kl["kl_median"].get<double>(), kl["kl_p99"].get<double>());
  EXPECT_LE(kl["kl_p99"].get<double>(), kl["kl_max"].get<double>());
  EXPECT_NE(Run({"perplexity", "demo", text, "--against", "demo"}).out.find("KL divergence"),
            std::string::npos);
  EXPECT_TRUE(IsError(Run({"perplexity", "demo", text, "--against", "none.gguf"}), 3, "none.gguf"));
  EXPECT_TRUE(IsError(Run({"perplexity", "demo", text, "--against"}), 2, "against"));
}

TEST_F(ProgramTest, LogitsWritesARowForEachToken) {
  const std::vector<int64_t> ids = {2, 105, 601, 500, 107};
  const std::string name = "in";
  TensorView view;
  view.type = TensorType::kI64;
  view.shape = {ids.size()};
  view.data = reinterpret_cast<const std::byte*>(ids.data());
  view.bytes = ids.size() * sizeof(int64_t);
  view.file = &name;
  ASSERT_TRUE(WriteSafetensors(Path("in.safetensors"), {{"input_ids", view}}));
  const Outcome outcome = Run({"logits", "demo", "--input", Path("in.safetensors"), "--output",
                               Path("out.safetensors"), "--compute", "f32", "--hidden"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  const auto result = OpenSafetensors(Path("out.safetensors"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->tensors.at("logits").shape, (std::vector<uint64_t>{5, 4160}));
  EXPECT_EQ(result->tensors.at("hidden_first").shape, (std::vector<uint64_t>{5, 256}));
  EXPECT_EQ(result->tensors.at("hidden_final").shape, (std::vector<uint64_t>{5, 256}));

  view.shape = {5, 1};
  ASSERT_TRUE(WriteSafetensors(Path("in.safetensors"), {{"input_ids", view}}));
  EXPECT_TRUE(IsError(Run({"logits", "demo", "--input", Path("in.safetensors"), "--output",
                           Path("out.safetensors")}),
                      2, "[5, 1]"));
  ASSERT_TRUE(WriteSafetensors(Path("in.safetensors"), {}));
  EXPECT_TRUE(IsError(Run({"logits", "demo", "--input", Path("in.safetensors"), "--output",
                           Path("out.safetensors")}),
                      2, "input_ids"));
}

// ---- classify ----

TEST_F(ProgramTest, ClassifyPrintsALineForEachPolicy) {
  const Outcome all = Run({"classify", "demo", "--image", kPicture});
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_EQ(all.err, "");
  std::istringstream lines(all.out);
  for (const char* label : {"dangerous", "sexual", "violence"}) {
    std::string name;
    double probability = -1;
    EXPECT_TRUE(lines >> name >> probability);
    EXPECT_EQ(name, label);
    EXPECT_GE(probability, 0);
    EXPECT_LE(probability, 1);
  }
  EXPECT_EQ(std::count(all.out.begin(), all.out.end(), '\n'), 3);

  const std::string own = "No hats: the image shall\tnot contain hats.";
  const Outcome two =
      Run({"classify", "demo", "--image", kPicture, "--policy", "violence", "--policy", own});
  EXPECT_EQ(two.out.find("violence\t0."), 0u) << two.out;
  EXPECT_NE(two.out.find("\nNo hats: the image shall not contain hats.\t0."), std::string::npos);

  const Outcome pictures =
      Run({"classify", "demo", "--image", kPicture, "--image", kPicture, "--policy", "sexual"});
  const std::string line = kPicture + "\tsexual\t";
  EXPECT_EQ(pictures.out.find(line), 0u) << pictures.out;
  EXPECT_NE(pictures.out.find("\n" + line), std::string::npos) << pictures.out;
}

TEST_F(ProgramTest, ClassifyJsonIsOneObject) {
  const Outcome outcome =
      Run({"classify", "demo", "--json", "--image", kPicture, "--policy", "a\tb \"c\""});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out, nullptr, false);
  ASSERT_EQ(json["results"].size(), 1u) << outcome.out;
  EXPECT_TRUE(json["model"].is_string());
  const Json& result = json["results"][0];
  EXPECT_EQ(result["image"], kPicture);
  EXPECT_EQ(result["policy"], "a\tb \"c\"");
  EXPECT_GT(result["probability"], 0);
  EXPECT_LT(result["probability"], 1);
}

TEST_F(ProgramTest, ClassifyErrorsHaveTheirCodes) {
  EXPECT_TRUE(IsError(Run({"classify", "demo"}), 2, "--image"));
  EXPECT_TRUE(IsError(Run({"classify", "--image", kPicture}), 2, "MODEL"));
  EXPECT_TRUE(IsError(Run({"classify", "demo", "--image", kPicture, kPicture}), 2, "--image"));
  EXPECT_TRUE(IsError(Run({"classify", "demo", "--image", kPicture, "--policy", "violance"}), 2,
                      "did you mean violence?"));
  EXPECT_TRUE(IsError(Run({"classify", "demo", "--image", kPicture, "--policy", ""}), 2, "policy"));
  EXPECT_TRUE(IsError(Run({"classify", "demo", "--image", Path("none.png")}), 1, "none.png"));
  EXPECT_TRUE(
      IsError(Run({"classify", "demo", "--image", Write("bad.png", "no picture")}), 1, "bad.png"));
  EXPECT_TRUE(IsError(Run({"classify", Path("none"), "--image", kPicture}), 3, "none"));
  EXPECT_TRUE(
      IsError(Run({"classify", "demo", "--image", kPicture, "--context", "16"}), 4, "context"));
}

// ---- chat ----

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
  EXPECT_EQ(chat("/image " + kPicture + "\n").code, 2);  // not from piped text
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

// ---- chat in a terminal ----

class ChatTerminalTest : public ProgramTest {
 protected:
  void Open(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"chat", "demo", "--temperature", "0"});
    std::vector<char*> argv = Argv(more);
    const std::string state = folder_;
    winsize size = {24, 100, 0, 0};
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
