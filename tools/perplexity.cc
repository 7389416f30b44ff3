// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 perplexity: how well a model predicts a text.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

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

int PerplexityCommand(int argc, const char* const* argv) {
  Settings settings;
  bool json = false;
  Args args("perplexity", "MODEL FILE",
            "Scores the text of FILE (- is standard input) in windows of --context tokens, each\n"
            "from its beginning: exp of the mean negative log-probability of a token.");
  args.AddFlag("--json", &json, "print one JSON object");
  args.AddSettings(&settings, {SettingGroup::kSession, SettingGroup::kModel},
                   {"image-cache", "pan-and-scan", "image-newlines", "mmproj"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() != 2) return args.UsageError("expects MODEL and FILE");

  const auto text = ReadAll(args.words()[1]);
  if (!text) return Report(text.error());
  if (text->empty()) {
    return args.UsageError(args.words()[1] + " is empty: there is nothing to predict");
  }
  const auto opened = LoadModel(args.words()[0], settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  auto session = Session::Create(opened->model, settings.session);
  if (!session) return Report(session.error());

  ProgressLine progress;
  const auto score = [&] {
    const CancelOnInterrupt scope(*session);
    return session->Score(*text, [&](const Progress& state) {
      progress.Update(state);
      return true;
    });
  }();
  progress.Erase();
  if (!score) return Report(score.error());
  const double tokens = static_cast<double>(score->tokens);
  const double bits = -score->sum_log_probability / std::log(2.0);
  const double bytes = static_cast<double>(text->size());
  // Characters begin with any byte that is no UTF-8 continuation.
  const double characters =
      static_cast<double>(std::count_if(text->begin(), text->end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      }));
  const double perplexity = std::exp(-score->sum_log_probability / tokens);
  Output out;
  if (json) {
    const nlohmann::ordered_json object = {{"perplexity", perplexity},
                                           {"tokens", score->tokens},
                                           {"sum_log_probability", score->sum_log_probability},
                                           {"bits_per_byte", bits / bytes},
                                           {"bits_per_character", bits / characters},
                                           {"model", opened->model.config().name}};
    out.Write(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else {
    out.Write(
        Format("perplexity          %.4f\ntokens              %zu\n"
               "bits per byte       %.4f\nbits per character  %.4f\n",
               perplexity, score->tokens, bits / bytes, bits / characters));
  }
  return out.Finish(kExitOk);
}

}  // namespace gemma3::cli
