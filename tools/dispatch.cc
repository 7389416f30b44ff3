// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/dispatch.h"

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/version.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/names.h"
#include "tools/output.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

struct Command {
  const char* name;
  const char* help;
  int (*run)(int argc, const char* const* argv);
};

constexpr Command kCommands[] = {
    {"run", "answer one prompt, for scripts and pipes", RunCommand},
    {"chat", "talk with a model in the terminal", ChatCommand},
    {"serve", "answer over HTTP: OpenAI's and Ollama's API, a page to chat in", ServeCommand},
    {"classify", "does a picture violate a policy (ShieldGemma 2)", ClassifyCommand},
    {"embed", "vectors of texts, for search (EmbeddingGemma)", EmbedCommand},
    {"tokenize", "text to token ids and back", TokenizeCommand},
    {"schema", "check a JSON schema or grammar, and texts against it", SchemaCommand},
    {"inspect", "a model's configuration, tensors and memory plan", InspectCommand},
    {"bench", "measure speed, and its share of what this machine allows", BenchCommand},
    {"perplexity", "how well a model predicts a text", PerplexityCommand},
    {"logits", "logits of given token ids, to compare implementations", LogitsCommand},
    {"convert", "write a model to one file that starts at once", ConvertCommand},
    {"cache", "what is kept on the disk to start faster; clear it", CacheCommand},
    {"doctor", "what this machine offers and how it is used", DoctorCommand},
};

std::string Help() {
  std::string help =
      "gemma3: Google's Gemma 3 models on the CPU\n"
      "Usage: gemma3 COMMAND MODEL ...\n\nCommands:\n";
  for (const Command& command : kCommands) {
    help += Format("  %-12s%s\n", command.name, command.help);
  }
  help +=
      "\nMODEL is a folder or file, a name in the Hugging Face cache (google/gemma-3-1b-it), or "
      "demo.\n\"gemma3 COMMAND --help\" lists the options of a command.\n"
      "Exit codes: 0 ok, 1 run-time error, 2 usage, 3 model, 4 context too long, 5 memory, "
      "130 interrupted.\n";
  return help;
}

}  // namespace

int Dispatch(int argc, const char* const* argv) {
  std::string_view name = argc > 1 ? argv[1] : "";
  if (name.empty()) {
    WriteStderr(Help());
    return kExitUsage;
  }
  // "gemma3 help run" is "gemma3 run --help".
  if (name == "help" && argc > 2) {
    static constexpr const char* kHelpArgument[] = {"--help"};
    for (const Command& command : kCommands) {
      if (std::strcmp(argv[2], command.name) == 0) return command.run(1, kHelpArgument);
    }
    name = argv[2];
  } else if (name == "help" || name == "--help" || name == "-h") {
    Output out;
    out.Write(Help());
    return out.Finish(kExitOk);
  } else if (name == "--version") {
    Output out;
    out.Write("gemma3 " GEMMA3_VERSION "\n");
    return out.Finish(kExitOk);
  }
  std::vector<std::string> names = {"help"};
  for (const Command& command : kCommands) {
    if (name == command.name) return command.run(argc - 2, argv + 2);
    names.emplace_back(command.name);
  }
  const bool is_flag = name.starts_with('-');
  if (is_flag) names = {"--help", "--version"};
  PrintError(std::string("unknown ") + (is_flag ? "option " : "command ") + std::string(name) +
             DidYouMean(name, names) + " (see gemma3 --help)");
  return kExitUsage;
}

}  // namespace gemma3::cli
