// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/args.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <utility>

#include "gemma3/bench.h"
#include "src/base/status.h"
#include "tools/errors.h"
#include "tools/names.h"
#include "tools/output.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

constexpr int kHelpColumn = 36;  // behind the longest of the settings and its values

// CLI11's help, with the usage line first and without its annotations of types and defaults.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) {
    column_width(kHelpColumn);
  }
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    std::string help = "Usage: " + usage_ + "\n" + CLI::Formatter::make_help(app, name, mode);
    // Groups come with an empty line before and behind.
    for (size_t at; (at = help.find("\n\n\n")) != std::string::npos;) help.erase(at, 1);
    return help;
  }
  std::string make_usage(const CLI::App*, std::string) const override { return ""; }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_name().empty() ? "" : " " + option->get_type_name();
  }

 private:
  std::string usage_;
};

bool LooksLikeFlag(const std::string& word) {
  if (word.size() < 2 || word[0] != '-') return false;
  return !(word[1] == '.' || (word[1] >= '0' && word[1] <= '9'));  // a negative number
}

}  // namespace

struct Args::Impl {
  explicit Impl(std::string description) : app(std::move(description)) {}
  struct Bound {
    CLI::Option* option;
    Setter set;  // called for each value in order
  };
  std::vector<CLI::Option*> rare;  // that --help leaves out
  CLI::App app;
  std::vector<Bound> bound;
};

Args::Args(std::string command, std::string synopsis, std::string description)
    : command_(std::move(command)), impl_(std::make_unique<Impl>(std::move(description))) {
  CLI::App& app = impl_->app;
  app.formatter(
      std::make_shared<HelpFormatter>("gemma3 " + command_ + " " + synopsis + " [OPTIONS]"));
  app.allow_extras();  // collected here, to be told apart below
  app.set_help_flag("-h,--help", "show this help");
}

Args::~Args() = default;

void Args::AddOption(const std::string& names, const std::string& value, const std::string& help,
                     const std::string& group, Setter set, bool rare) {
  CLI::Option* option = impl_->app.add_option(names, help);
  option->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name(value)
      ->group(group);
  impl_->bound.push_back({option, std::move(set)});
  if (rare) impl_->rare.push_back(option);
}

void Args::AddFlag(const std::string& names, bool* target, const std::string& help) {
  impl_->app.add_flag(names, *target, help)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void Args::AddText(const std::string& names, const std::string& value, std::string* target,
                   const std::string& help, bool rare) {
  AddOption(
      names, value, help, "Options",
      [target](std::string_view text) -> Status {
        *target = std::string(text);
        return {};
      },
      rare);
}

void Args::AddTexts(const std::string& names, const std::string& value,
                    std::vector<std::string>* target, const std::string& help) {
  AddOption(names, value, help, "Options", [target](std::string_view text) -> Status {
    target->emplace_back(text);
    return {};
  });
}

void Args::AddSize(const std::string& names, size_t min, size_t* target, const std::string& help) {
  AddOption(names, "N", help, "Options", [names, min, target](std::string_view text) -> Status {
    const std::optional<uint64_t> value = ParseSize(text);
    if (!value || *value < min) {
      return Fail(ErrorCode::kInvalidArgument, names, " takes a whole number of at least ", min,
                  ", not \"", text, "\"");
    }
    *target = *value;
    return {};
  });
}

void Args::AddSizes(const std::string& names, size_t min, std::vector<size_t>* target,
                    const std::string& help) {
  AddOption(names, "N,...", help, "Options", [names, min, target](std::string_view text) -> Status {
    target->clear();
    const std::string_view all = text;
    for (bool more = true; more;) {
      const size_t comma = text.find(',');
      more = comma != std::string_view::npos;
      const std::optional<uint64_t> value = ParseSize(text.substr(0, comma));
      if (!value || *value < min) {
        return Fail(ErrorCode::kInvalidArgument, names, " takes whole numbers of at least ", min,
                    " with commas between, not \"", all, "\"");
      }
      target->push_back(*value);
      if (more) text.remove_prefix(comma + 1);
    }
    return {};
  });
}

void Args::AddSettings(Settings* settings, std::initializer_list<SettingGroup> groups,
                       std::initializer_list<std::string_view> without) {
  for (const SettingGroup group : groups) {
    for (const Setting& setting : AllSettings()) {
      if (setting.group != group) continue;
      if (std::find(without.begin(), without.end(), setting.name) != without.end()) continue;
      AddOption(
          "--" + setting.name, setting.value, setting.help, SettingGroupName(group),
          [settings, &setting](std::string_view text) -> Status {
            auto status = ApplySetting(*settings, setting.name, text, false);
            if (!status) status.error().message.insert(0, "--");
            return status;
          },
          setting.rare);
    }
  }
}

std::optional<int> Args::Parse(int argc, const char* const* argv) {
  AddOption("--simd", "NAME", "use this one of the instruction sets that doctor lists", "Options",
            UseSimd, /*rare=*/true);
  CLI::App& app = impl_->app;
  // Its help holds what most people look for; the rest is a word away.
  constexpr std::string_view kHelpAll = "--help-all";
  const std::span<const char* const> given(argv, static_cast<size_t>(argc));
  if (std::ranges::find(given, kHelpAll) != given.end()) {
    Output out;
    out.Write(app.help());
    return out.Finish(kExitOk);
  }
  for (CLI::Option* option : impl_->rare) option->group("");
  if (impl_->rare.size() > 1) {
    app.footer(Format("--help-all shows %zu more.", impl_->rare.size()));
  }
  // "--name=" is "--name" with an empty value; CLI11 would take the next argument instead.
  std::vector<std::string> arguments;
  bool only_words = false;
  for (int i = 0; i < argc; ++i) {
    std::string argument = argv[i];
    only_words = only_words || argument == "--";
    const size_t equals = argument.find('=');
    if (!only_words && argument.starts_with("--") && equals != std::string::npos) {
      const CLI::Option* option = app.get_option_no_throw(argument.substr(0, equals));
      if (option != nullptr && option->get_items_expected_max() > 0) {
        arguments.push_back(argument.substr(0, equals));
        argument.erase(0, equals + 1);
      }
    }
    arguments.push_back(std::move(argument));
  }
  std::reverse(arguments.begin(), arguments.end());  // CLI11 parses from the back
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    Output out;
    out.Write(app.help());
    return out.Finish(kExitOk);
  } catch (const CLI::ParseError& error) {
    return UsageError(error.what());
  }

  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  only_words = false;
  for (const std::string& word : app.remaining()) {
    if (!only_words && word == "--") {
      only_words = true;
    } else if (!only_words && LooksLikeFlag(word)) {
      const std::string name = word.substr(0, word.find('='));
      return UsageError("unknown option " + name + DidYouMean(name, known));
    } else {
      words_.push_back(word);
    }
  }
  if (const char* simd = std::getenv("GEMMA3_SIMD"); simd != nullptr && *simd != '\0') {
    if (const Status status = UseSimd(simd); !status) {
      return UsageError("GEMMA3_SIMD: " + status.error().message);
    }
  }
  for (const Impl::Bound& bound : impl_->bound) {
    for (const std::string& value : bound.option->results()) {
      if (const Status status = bound.set(value); !status) {
        return UsageError(status.error().message);
      }
    }
  }
  return std::nullopt;
}

int Args::UsageError(const std::string& message) const {
  PrintError(message + " (see gemma3 " + command_ + " --help)");
  return kExitUsage;
}

}  // namespace gemma3::cli
