// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 doctor: what this machine offers, how it is used, what its limit is, and what would help.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gemma3/bench.h"
#include "gemma3/gemma3.h"
#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/models.h"
#include "tools/output.h"
#include "tools/text.h"
#include "tools/work.h"

namespace gemma3::cli {
namespace {

// Why the default number of threads is what it is.
std::string ThreadsReason(const HostInfo& host) {
  std::string reason = Format("%zu of %zu processors allowed, %zu cores", host.allowed_cpus,
                              host.online_cpus, host.allowed_cores);
  if (host.slow_cores > 0) reason += Format(", %zu of them slow and left out", host.slow_cores);
  if (host.quota_cpus > 0) reason += Format(", a quota of %.2g processors", host.quota_cpus);
  return reason;
}

// What could be done, and about how many times as fast that would make something.
struct Hint {
  double gain = 1;
  std::string text;
};

double D(size_t n) { return static_cast<double>(n); }

// Bits that a weight takes where it is read for each token.
double BitsPerWeight(const TextConfig& config, const ModelWork& work) {
  const double output = D(config.vocab_size) * D(config.hidden_size);
  return 8 * D(work.decode_weight_bytes) / (LayerParameters(config) + output);
}

void AddWeightHint(const TextConfig& config, const ModelWork& work, std::vector<Hint>& hints) {
  // Of the packed forms, scales included; the output matrix stays in 8 bits.
  constexpr double kInt8Bits = 8.5, kInt4Bits = 4.5, kFloatBits = 12;
  const double bits = BitsPerWeight(config, work);
  if (bits < kFloatBits) return;
  const double output = D(config.vocab_size) * D(config.hidden_size);
  const double share = output / (LayerParameters(config) + output);
  const double int4 = bits / (share * kInt8Bits + (1 - share) * kInt4Bits);
  hints.push_back(
      {bits / kInt8Bits,
       Format("--weights int8 reads %.1f bits a weight in place of %.1f: about %.1f times "
              "the tokens a second; int4 about %.1f times, less exactly",
              kInt8Bits, bits, bits / kInt8Bits, int4)});
}

// What would help, what helps most first.
std::vector<std::string> Advice(const HostInfo& host, size_t threads, const Model* model,
                                const std::optional<ModelWork>& work) {
  std::vector<Hint> hints;
  if (host.allowed_cpus < host.online_cpus) {
    hints.push_back(
        {D(host.online_cpus) / D(host.allowed_cpus),
         "the affinity mask (taskset, container) hides processors; allow more of them"});
  }
  if (host.quota_cpus > 0 && host.quota_cpus < D(host.allowed_cores)) {
    hints.push_back({D(host.allowed_cores) / host.quota_cpus,
                     "the container's processor quota is below its cores; raise it"});
  }
  if (threads > host.default_threads) {
    hints.push_back({1.1, Format("--threads %zu is more than this process can run at once; %zu is "
                                 "best",
                                 threads, host.default_threads)});
  } else if (threads < host.default_threads) {
    hints.push_back({D(host.default_threads) / D(threads),
                     Format("--threads %zu leaves processors idle; up to %zu help", threads,
                            host.default_threads)});
  }
  if (!host.simd_targets.empty() && host.simd_targets.front() != host.simd_target) {
    hints.push_back({2, "a better instruction set is available than the one in use: " +
                            host.simd_targets.front()});
  }
  if (!host.native_bf16) {
    hints.push_back(
        {1.2,
         "bf16 weights are multiplied as f32: the processor has no bf16 dot product, or "
         "one slower than that; 8-bit weights read prompts faster"});
  }
  if (work) AddWeightHint(model->config().text, *work, hints);
  if (model == nullptr) {
    hints.push_back(
        {1, "name a MODEL to measure over its own memory and see the fastest decoding"});
  }
  std::ranges::stable_sort(hints, std::ranges::greater(), &Hint::gain);
  std::vector<std::string> advice;
  for (Hint& hint : hints) advice.push_back(std::move(hint.text));
  return advice;
}

// What tokens and prompts wait for here, in a sentence.
std::string LimitSentence(const MachineLimits& limits, const Model* model,
                          const std::optional<ModelWork>& work) {
  const std::string reads = FormatRate(limits.read_bytes_per_second, "B/s");
  if (!work) {
    return "writing an answer waits for memory, " + reads +
           ", and reading a prompt for arithmetic, " + FormatRate(limits.int8_ops, "OP/s") +
           " with 8- and 4-bit weights";
  }
  const TextConfig& config = model->config().text;
  const double bytes = DecodeBytes(config, *work, 0), flops = 2 * LayerParameters(config);
  const Peak peak = PeakOf(limits, work->text);
  return Format(
      "an answer waits for memory: %s a token at %s is at most %.1f tokens/s; a prompt for "
      "arithmetic: %s a token at %s in %s is at most %.0f tokens/s",
      BytesText(static_cast<size_t>(bytes)).c_str(), reads.c_str(),
      limits.read_bytes_per_second / bytes, FormatRate(flops, "FLOP").c_str(),
      FormatRate(peak.rate, "FLOP/s").c_str(), peak.name, peak.rate / flops);
}

Status Examine(const Settings& settings, const std::string& name, bool as_json, Output& out) {
  std::optional<OpenedModel> opened;
  if (!name.empty()) {
    auto loaded = LoadModel(name, settings);
    if (!loaded) return std::unexpected(std::move(loaded).error());
    opened = *std::move(loaded);
  }
  const Model* model = opened ? &opened->model : nullptr;
  GEMMA3_TRY(const HostInfo host, DescribeHost());
  const SessionOptions& session = settings.session;
  const size_t threads = session.threads == 0 ? host.default_threads : session.threads;
  GEMMA3_TRY(const MachineLimits limits, MeasureLimits(model, session));
  std::optional<ModelWork> work;
  if (model != nullptr) {
    GEMMA3_TRY(work, WorkOf(*model, session));
  }
  const std::string limit = LimitSentence(limits, model, work);
  const std::vector<std::string> advice = Advice(host, threads, model, work);

  if (as_json) {
    nlohmann::ordered_json json = {{"simd_target", host.simd_target},
                                   {"simd_targets", host.simd_targets},
                                   {"native_bf16", host.native_bf16},
                                   {"native_int8", host.native_int8},
                                   {"threads", threads},
                                   {"default_threads", host.default_threads},
                                   {"online_cpus", host.online_cpus},
                                   {"allowed_cpus", host.allowed_cpus},
                                   {"allowed_cores", host.allowed_cores},
                                   {"slow_cores", host.slow_cores},
                                   {"quota_cpus", host.quota_cpus},
                                   {"read_bytes_per_second", limits.read_bytes_per_second},
                                   {"f32_flops", limits.f32_flops},
                                   {"bf16_flops", limits.bf16_flops},
                                   {"int8_ops", limits.int8_ops}};
    if (work) {
      json["decode_limit_tokens_per_second"] =
          limits.read_bytes_per_second / DecodeBytes(model->config().text, *work, 0);
      json["prefill_limit_tokens_per_second"] =
          PeakOf(limits, work->text).rate / (2 * LayerParameters(model->config().text));
    }
    json["limit"] = limit;
    json["advice"] = advice;
    out.Write(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return {};
  }
  std::string targets;
  for (const std::string& target : host.simd_targets) {
    targets += (targets.empty() ? "" : ", ") + target;
  }
  std::string text =
      "instructions  " + host.simd_target + " (the processor can run " + targets + ")\n";
  text += std::string("products      bf16 by ") + (host.native_bf16 ? "dot products" : "f32") +
          ", int8 by " + (host.native_int8 ? "dot products" : "several instructions") + "\n";
  text += Format("threads       %zu%s: %s\n", threads, session.threads == 0 ? "" : " (--threads)",
                 ThreadsReason(host).c_str());
  text += "memory reads  " + FormatRate(limits.read_bytes_per_second, "B/s") +
          (model != nullptr ? " over the weights\n" : " over a large buffer\n");
  text += "multiply-add  f32 " + FormatRate(limits.f32_flops, "FLOP/s") + ", bf16 " +
          FormatRate(limits.bf16_flops, "FLOP/s") + ", int8 " +
          FormatRate(limits.int8_ops, "OP/s") + "\n";
  text += "limit         " + limit + "\n";
  for (size_t i = 0; i < advice.size(); ++i) {
    text += (i == 0 && advice.size() > 1 ? "helps most    " : "advice        ") + advice[i] + "\n";
  }
  out.Write(text);
  return {};
}

}  // namespace

int DoctorCommand(int argc, const char* const* argv) {
  Settings settings;
  bool json = false;
  Args args("doctor", "[MODEL]",
            "Says which instructions and how many threads are used and why, how fast memory and\n"
            "arithmetic are (measured, a few seconds), and what would help.");
  args.AddFlag("--json", &json, "print one JSON object");
  args.AddSettings(&settings, {SettingGroup::kSession, SettingGroup::kModel},
                   {"image-cache", "pan-and-scan", "image-newlines", "prefill-batch", "draft",
                    "lora", "parallel", "prompt-cache", "prompt-cache-max"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() > 1) return args.UsageError("expects at most one MODEL");
  Output out;
  const Status status = Examine(settings, args.words().empty() ? "" : args.words()[0], json, out);
  return out.Finish(status ? static_cast<int>(kExitOk) : Report(status.error(), During::kLoad));
}

}  // namespace gemma3::cli
