// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 classify: how likely pictures violate policies, as ShieldGemma 2 judges.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/base/status.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/interrupt.h"
#include "tools/models.h"
#include "tools/names.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

// The built-in policies by label, any other text as a policy of the user's own, labelled by itself.
// None named: all built-in ones. Errors: kInvalidArgument for a lone word, which is a misspelt
// label rather than a rule that a picture could be judged by.
Result<std::vector<Policy>> ChoosePolicies(const std::vector<std::string>& names) {
  const std::vector<Policy> known = ShieldGemmaPolicies();
  if (names.empty()) return known;
  std::vector<Policy> chosen;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(known, name, &Policy::label);
    if (found != known.end()) {
      chosen.push_back(*found);
      continue;
    }
    const bool word = std::ranges::all_of(name, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    });
    if (word) {
      std::vector<std::string> labels;
      for (const Policy& policy : known) labels.push_back(policy.label);
      return Fail(ErrorCode::kInvalidArgument, "unknown policy \"", name, "\"",
                  DidYouMean(name, labels),
                  " (dangerous, sexual, violence, or a sentence of your own)");
    }
    chosen.push_back({name, name});
  }
  return chosen;
}

// One field of a line of tab-separated fields.
std::string Field(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return text;
}

// Classifies each picture in turn, so that only one is in memory. Text is written as soon as a
// picture is done.
int Classify(Classifier& classifier, const std::string& model,
             const std::vector<std::string>& files, const ImageOptions& options,
             const std::vector<Policy>& policies, bool json, Output& out) {
  nlohmann::ordered_json object = {{"model", model}, {"results", nlohmann::ordered_json::array()}};
  for (const std::string& file : files) {
    const auto image = LoadImage(file, options);
    if (!image) return Report(image.error());
    ProgressLine progress;
    const auto scores = [&] {
      const CancelOnInterrupt scope(classifier);
      return classifier.Classify(*image, policies, [&](const Progress& state) {
        progress.Update(state);
        return true;
      });
    }();
    progress.Erase();
    if (!scores) return Report(scores.error());
    std::string lines;
    for (const PolicyScore& score : *scores) {
      if (json) {
        object["results"].push_back(
            {{"image", file}, {"policy", score.label}, {"probability", score.probability}});
      } else {
        if (files.size() > 1) lines += Field(file) + "\t";
        lines += Field(score.label) + Format("\t%.6f\n", score.probability);
      }
    }
    if (!lines.empty() && !out.Write(lines)) return kExitOk;  // Finish says more
  }
  if (json) {
    out.Write(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  return kExitOk;
}

}  // namespace

int ClassifyCommand(int argc, const char* const* argv) {
  Settings settings;
  std::vector<std::string> images;
  std::vector<std::string> names;
  bool json = false;
  Args args(
      "classify", "MODEL --image FILE [--policy POLICY]...",
      "How likely a picture violates each policy, from 0 to 1, as ShieldGemma 2 judges: a line\n"
      "of policy, tab and probability; with several pictures the file comes first. Other\n"
      "models give numbers too, but were not trained for it.");
  args.AddTexts("--image", "FILE", &images, "the picture; may be repeated");
  args.AddTexts("--policy", "POLICY", &names,
                "dangerous, sexual, violence, or a sentence that says what a picture shall not "
                "contain; may be repeated; default: those three");
  args.AddFlag("--json", &json, "print one JSON object");
  args.AddSettings(&settings,
                   {SettingGroup::kPictures, SettingGroup::kSession, SettingGroup::kModel},
                   {"pan-and-scan", "draft", "parallel", "prompt-cache", "prompt-cache-max"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() != 1) {
    return args.UsageError("expects one MODEL, and each picture behind an --image of its own");
  }
  if (images.empty()) return args.UsageError("which picture? --image FILE");
  const auto policies = ChoosePolicies(names);
  if (!policies) return args.UsageError(policies.error().message);

  const auto opened = LoadModel(args.words()[0], settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  auto classifier = Classifier::Create(opened->model, opened->Session(settings.session));
  if (!classifier) return Report(classifier.error());
  Output out;
  return out.Finish(Classify(*classifier, opened->model.config().name, images, settings.images,
                             *policies, json, out));
}

}  // namespace gemma3::cli
