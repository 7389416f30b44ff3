// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 perplexity: how well a model predicts a text, and how far its predictions are from those
// of another model.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "gemma3/experimental/evaluator.h"
#include "gemma3/gemma3.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/interrupt.h"
#include "tools/models.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/prompt.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

double Perplexity(const ScoreResult& score) {
  return std::exp(-score.sum_log_probability / static_cast<double>(score.tokens));
}

// The other model is the measure: as it is stored and computed exactly, whatever the options make
// of the first.
Settings SettingsOfOther(const Settings& settings) {
  Settings other;
  other.cache = settings.cache;
  other.load.threads = settings.load.threads;
  other.load.max_memory_bytes = settings.load.max_memory_bytes;
  other.session = settings.session;
  other.session.compute = ComputeMode::kExact;
  other.session.kv = KvCacheType::kAuto;
  return other;
}

// Runs work(on_progress), which Ctrl-C ends, under a line that shows how far it is.
template <class Work>
auto Watched(Evaluator& evaluator, const Work& work) {
  ProgressLine progress;
  const CancelOnInterrupt scope(evaluator);
  auto result = work([&](const Progress& state) {
    progress.Update(state);
    return true;
  });
  progress.Erase();
  return result;
}

// Of the divergences of all tokens, in nats.
struct Spread {
  double mean = 0, median = 0, p99 = 0, max = 0;
};

// The p-quantile is the smallest value that is not below a share p of all.
Spread SpreadOf(std::vector<double> values) {
  std::ranges::sort(values);
  const auto quantile = [&](double p) {
    const double rank = std::ceil(p * static_cast<double>(values.size()));
    return values[static_cast<size_t>(rank) - 1];
  };
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return {sum / static_cast<double>(values.size()), quantile(0.5), quantile(0.99), values.back()};
}

double SameTop(const Comparison& comparison) {
  return static_cast<double>(comparison.same_top) / static_cast<double>(comparison.score.tokens);
}

// Characters begin with any byte that is no UTF-8 continuation.
double CountCharacters(const std::string& text) {
  return static_cast<double>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// What is printed; the second half with --against only.
struct Measured {
  std::string model;
  ScoreResult score;
  double bits_per_byte = 0;
  double bits_per_character = 0;
  std::string other;
  std::optional<Comparison> comparison;
};

std::string AsText(const Measured& m) {
  std::string text = Format(
      "perplexity          %.4f\ntokens              %zu\n"
      "bits per byte       %.4f\nbits per character  %.4f\n",
      Perplexity(m.score), m.score.tokens, m.bits_per_byte, m.bits_per_character);
  if (!m.comparison) return text;
  const Spread kl = SpreadOf(m.comparison->divergences);
  text += Format(
      "\nagainst %s\nperplexity          %.4f\n"
      "KL divergence       mean %.3g, median %.3g, 99 %% %.3g, largest %.3g nats\n"
      "same top token      %.2f %%\n",
      m.other.c_str(), Perplexity(m.comparison->other_score), kl.mean, kl.median, kl.p99, kl.max,
      100 * SameTop(*m.comparison));
  return text;
}

std::string AsJson(const Measured& m) {
  nlohmann::ordered_json json = {{"perplexity", Perplexity(m.score)},
                                 {"tokens", m.score.tokens},
                                 {"sum_log_probability", m.score.sum_log_probability},
                                 {"bits_per_byte", m.bits_per_byte},
                                 {"bits_per_character", m.bits_per_character},
                                 {"model", m.model}};
  if (m.comparison) {
    const Spread kl = SpreadOf(m.comparison->divergences);
    json["against"] = {{"model", m.other},
                       {"perplexity", Perplexity(m.comparison->other_score)},
                       {"kl_mean", kl.mean},
                       {"kl_median", kl.median},
                       {"kl_p99", kl.p99},
                       {"kl_max", kl.max},
                       {"same_top", SameTop(*m.comparison)}};
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

int PerplexityCommand(int argc, const char* const* argv) {
  Settings settings;
  std::string against;
  bool json = false;
  Args args("perplexity", "MODEL FILE",
            "Scores the text of FILE (- is standard input) in windows of --context tokens, each\n"
            "from its beginning: exp of the mean negative log-probability of a token. --against\n"
            "measures what packed weights, a smaller cache or fast products lose: the divergence\n"
            "from OTHER's predictions, KL(OTHER || MODEL) of each token. OTHER computes exactly,\n"
            "with its weights as they are stored; --weights, --kv and --compute are MODEL's.");
  args.AddFlag("--json", &json, "print one JSON object");
  args.AddText("--against", "OTHER", &against, "also compare with this model's predictions");
  args.AddSettings(&settings, {SettingGroup::kSession, SettingGroup::kModel},
                   {"image-cache", "pan-and-scan", "image-newlines", "mmproj", "draft", "parallel",
                    "prompt-cache", "prompt-cache-max"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() != 2) return args.UsageError("expects MODEL and FILE");

  const auto text = ReadAll(args.words()[1]);
  if (!text) return Report(text.error());
  if (text->empty()) {
    return args.UsageError(args.words()[1] + " is empty: there is nothing to predict");
  }
  const auto opened = LoadModel(args.words()[0], settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  auto evaluator = Evaluator::Create(opened->model, opened->Session(settings.session));
  if (!evaluator) return Report(evaluator.error());

  Measured measured;
  measured.model = opened->model.config().name;
  if (against.empty()) {
    const auto score = Watched(*evaluator, [&](const ProgressCallback& progress) {
      return evaluator->Score(*text, progress);
    });
    if (!score) return Report(score.error());
    measured.score = *score;
  } else {
    const Settings theirs = SettingsOfOther(settings);
    const auto other = LoadModel(against, theirs);
    if (!other) return Report(other.error(), During::kLoad);
    auto other_evaluator = Evaluator::Create(other->model, theirs.session);
    if (!other_evaluator) return Report(other_evaluator.error());
    auto comparison = Watched(*evaluator, [&](const ProgressCallback& progress) {
      return evaluator->Compare(*other_evaluator, *text, progress);
    });
    if (!comparison) return Report(comparison.error());
    measured.score = comparison->score;
    measured.other = against;
    measured.comparison = *std::move(comparison);
  }
  const double bits = -measured.score.sum_log_probability / std::log(2.0);
  measured.bits_per_byte = bits / static_cast<double>(text->size());
  measured.bits_per_character = bits / CountCharacters(*text);
  Output out;
  out.Write(json ? AsJson(measured) : AsText(measured));
  return out.Finish(kExitOk);
}

}  // namespace gemma3::cli
