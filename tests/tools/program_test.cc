// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The program as scripts meet it: every subcommand but chat.

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gemma3/version.h"
#include "src/base/tensor.h"
#include "src/formats/safetensors.h"
#include "tests/support/reference.h"
#include "tests/tools/program_run.h"

namespace gemma3::cli {
namespace {

using Json = nlohmann::json;

// ---- run ----

TEST_F(ProgramTest, RunPrintsTheAnswerOnly) {
  const Outcome outcome = Ask({"So, how large are the input images of Gemma 3?"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "Gemma 3 resizes images to 896x896 pixels.\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(ProgramTest, RunJoinsWordsWithSpaces) {
  EXPECT_EQ(Ask({"So,", "how", "large", "are", "the", "input", "images", "of", "Gemma", "3?"}).out,
            "Gemma 3 resizes images to 896x896 pixels.\n");
}

// Scripts read lines; who wants bytes says so.
TEST_F(ProgramTest, RunEndsTheAnswerWithALineEnd) {
  const std::string question = "So, how large are the input images of Gemma 3?";
  EXPECT_EQ(Ask({"--no-newline", question}).out, "Gemma 3 resizes images to 896x896 pixels.");
  EXPECT_EQ(Ask({"--stop", "Gemma", question}).out, "\n");
  EXPECT_EQ(Ask({"--stop", "Gemma", "--no-newline", question}).out, "");
  EXPECT_NE(Run({"run", "--help"}).out.find("--no-stdin"), std::string::npos);
}

// The demo model with other small files.
std::string LinkDemo(const std::string& folder) {
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const auto& entry : fs::directory_iterator(kDemo + "/tiny-gemma3")) {
    fs::create_symlink(entry.path(), fs::path(folder) / entry.path().filename());
  }
  return folder;
}

TEST_F(ProgramTest, ATemplateThatIsNotGemmasIsSaidOnce) {
  const std::string chat_ml = "{{ '<|im_start|>' + m.role + '<|im_end|>' }}";
  const auto ask = [&](const std::string& name, const std::string& content) {
    const std::string folder = LinkDemo(Path("model"));
    if (!name.empty()) {
      fs::remove(folder + "/" + name);
      Write("model/" + name, content);
    }
    return Run({"run", folder, "--temperature", "0", "--max-tokens", "1", "Hello!"});
  };
  EXPECT_EQ(ask("", "").err, "");
  for (const auto& [name, content] :
       {std::pair<std::string, std::string>{"chat_template.jinja", chat_ml},
        {"chat_template.json", Json{{"chat_template", chat_ml}}.dump()},
        {"tokenizer_config.json", Json{{"chat_template", chat_ml}}.dump()},
        {"tokenizer_config.json",
         R"({"chat_template":[{"name":"default","template":"<|im_start|>"}]})"}}) {
    const Outcome outcome = ask(name, content);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.err.find("warning: "), 0u) << outcome.err;
    EXPECT_NE(outcome.err.find(name), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("ChatML"), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  // A pretrained model has none.
  const std::string pretrained = LinkDemo(Path("model"));
  fs::remove(pretrained + "/chat_template.json");
  fs::remove(pretrained + "/tokenizer_config.json");
  const Outcome none = Run({"run", pretrained, "--max-tokens", "1", "Hello"});
  EXPECT_NE(none.err.find("--raw"), std::string::npos) << none.err;
  EXPECT_EQ(Run({"run", Path("model"), "--raw", "--max-tokens", "1", "Hello"}).err, "");
  const Outcome inspected = Run({"inspect", "demo", "--no-tensors"});
  EXPECT_NE(inspected.out.find("chat        Gemma 3\n"), std::string::npos) << inspected.out;
}

TEST_F(ProgramTest, TranslateGemmaTakesLanguages) {
  const std::string folder = LinkDemo(Path("model"));
  fs::remove(folder + "/chat_template.json");
  Write("model/chat_template.jinja",
        "<start_of_turn>user<end_of_turn><start_of_turn>model source_lang_code target_lang_code "
        "{\"de\": \"German\", \"en\": \"English\"}");
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"run", folder, "--temperature", "0", "--max-tokens", "3"});
    return Run(more);
  };
  const Outcome translated = run({"--from", "de", "--to", "en", "--json", "Hallo"});
  EXPECT_EQ(translated.code, 0) << translated.err;
  EXPECT_EQ(translated.err, "");
  EXPECT_GT(Json::parse(translated.out)["prompt_tokens"].get<int>(), 60);
  EXPECT_EQ(run({"--from", "de", "--to", "en", "--image", kPicture}).code, 0);
  EXPECT_TRUE(IsError(run({"Hallo"}), 2, "from and to"));
  EXPECT_TRUE(IsError(run({"--from", "xx", "--to", "en", "Hallo"}), 2, "\"xx\""));
  EXPECT_TRUE(IsError(run({"--from", "de", "--to", "en", "--image", kPicture, "Hallo"}), 2,
                      "one text or one picture"));
  EXPECT_NE(run({"--from", "de", "Hallo"}).err.find("go together"), std::string::npos);
  const Outcome chat =
      Run({"chat", folder, "--max-tokens", "1"}, Bytes("Hallo\n/set from de\n/set to en\nHallo\n"));
  EXPECT_EQ(std::count(chat.out.begin(), chat.out.end(), '\n'), 1) << chat.out;
  EXPECT_NE(chat.err.find("from and to"), std::string::npos) << chat.err;
}

TEST_F(ProgramTest, RunReadsThePromptFromAnySource) {
  const std::string question = "So, how large are the input images of Gemma 3?";
  const std::string answer = "Gemma 3 resizes images to 896x896 pixels.\n";
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
  EXPECT_EQ(Ask({"--image", kPicture, "What can you see in the picture?"}).out,
            kPictureText + "\n");
  EXPECT_EQ(Ask({"--image", kPicture, "[img]What can you see in the picture?"}).out,
            kPictureText + "\n");
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
  EXPECT_EQ(stopped.out, "Gemma 3 resizes\n");
}

TEST_F(ProgramTest, RunVerboseWritesToStandardErrorOnly) {
  const Outcome outcome = Ask({"-v", "So, how large are the input images of Gemma 3?"});
  EXPECT_EQ(outcome.out, "Gemma 3 resizes images to 896x896 pixels.\n");
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
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--top-p", "2"}), 2, "from 0 to 1"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--seed"}), 2, "--seed"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--raw", "--system", "x"}), 2, "--raw"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "hi", "--tool-choice", "none"}), 2, "--tools"));
  EXPECT_TRUE(IsError(Run({"run", "demo", "[img][img]", "--image", kPicture}), 2, "[img]"));
  EXPECT_TRUE(IsError(Run({"chat", "demo", "a prompt"}), 2, "gemma3 run"));
  EXPECT_TRUE(IsError(Run({"bench", "demo", "--prefill", "5,x"}), 2, "--prefill"));
  EXPECT_TRUE(IsError(Run({"bench", "demo", "--peer", "llama-bench"}), 2, "--peer needs a GGUF"));
  EXPECT_TRUE(IsError(Run({"logits", "demo"}), 2, "--input"));
  EXPECT_TRUE(IsError(Run({"serve", "demo", "--allow-host", "http://a"}), 2, "--allow-host"));
  EXPECT_TRUE(IsError(Run({"serve", "demo", "--allow-origin", "https://a/"}), 2, "no path"));
  EXPECT_TRUE(IsError(Run({"serve", "demo", "--max-body", "17592186044417"}), 2, "at most 256"));
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
    EXPECT_LT(std::count(help.out.begin(), help.out.end(), '\n'), 60) << command;
    EXPECT_EQ(Run({"help", command}).out, help.out);
  }
  EXPECT_NE(Run({"run", "--help"}).out.find("Sampling"), std::string::npos);
  // The rest is a word away, and named.
  EXPECT_EQ(Run({"run", "--help"}).out.find("--logprobs"), std::string::npos);
  EXPECT_NE(Run({"run", "--help"}).out.find("--help-all"), std::string::npos);
  EXPECT_NE(Run({"run", "--help-all"}).out.find("--logprobs"), std::string::npos);
  EXPECT_EQ(Run({"--version"}).out, "gemma3 " + std::to_string(GEMMA3_VERSION_MAJOR) + "." +
                                        std::to_string(GEMMA3_VERSION_MINOR) + "." +
                                        std::to_string(GEMMA3_VERSION_PATCH) + "\n");
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

// A look costs nothing, and a limit is one for model and session together: neither packs anything.
TEST_F(ProgramTest, InspectAndLimitsWriteNothing) {
  const char* was = std::getenv("XDG_CACHE_HOME");
  const std::string before = was ? was : "";
  ::setenv("XDG_CACHE_HOME", Path("cache").c_str(), 1);
  const Json json = Json::parse(Run({"inspect", "demo", "--json", "--weights", "int8"}).out);
  const auto total = json["memory"]["total"].get<size_t>();
  const auto with_limit = [&](size_t limit) {
    return Run({"run", "demo", "--weights", "int8", "--max-tokens", "1", "--max-memory",
                std::to_string(limit), "Hi"});
  };
  EXPECT_TRUE(IsError(with_limit(total - 1), 5, "weights"));
  EXPECT_FALSE(fs::exists(Path("cache")));
  EXPECT_EQ(with_limit(total).code, 0);
  EXPECT_TRUE(fs::exists(Path("cache")));
  if (was) {
    ::setenv("XDG_CACHE_HOME", before.c_str(), 1);
  } else {
    ::unsetenv("XDG_CACHE_HOME");
  }
}

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
                memory["tokenizer"].get<size_t>() + memory["program"].get<size_t>());
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

// What transformers computed, cast as a whole or not.
TEST_F(ProgramTest, LogitsRoundsWhatTheReferenceRounded) {
  const std::string data = std::string(GEMMA3_SOURCE_DIR) + "/tests/data/";
  const std::string model = data + "reference/text-odd";
  const auto distance = [&](const std::string& reference, const std::string& tensor,
                            const std::vector<std::string>& flags) {
    std::vector<std::string> words = {"logits",    model,      "--input",
                                      reference,   "--output", Path("out.safetensors"),
                                      "--compute", "f32"};
    words.insert(words.end(), flags.begin(), flags.end());
    const Outcome outcome = Run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const auto expected = testing::ReferenceFile(reference).Values<float>(tensor);
    const auto logits = testing::ReferenceFile(Path("out.safetensors")).Values<float>("logits");
    return testing::RelativeDistance(std::span(logits).last(expected.size()), expected);
  };
  constexpr double kParity = 2e-4;  // as in tests/engine/reference_test.cc
  const std::string cast = model + "/reference.safetensors";
  const std::string plain = data + "variants/variants.safetensors";
  EXPECT_LT(distance(cast, "logits", {"--reference", "bf16"}), kParity);
  EXPECT_LT(distance(plain, "plain", {"--reference", "f32"}), kParity);
  EXPECT_LT(distance(plain, "plain", {}), kParity);
  EXPECT_GT(distance(plain, "plain", {"--reference", "bf16"}), kParity);
  EXPECT_TRUE(IsError(Run({"logits", model, "--input", plain, "--output", Path("out.safetensors"),
                           "--reference", "f16"}),
                      2, "--reference"));
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

}  // namespace
}  // namespace gemma3::cli
