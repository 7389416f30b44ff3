// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 doctor: what this machine offers, how it is used, and what would help.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gemma3/bench.h"
#include "gemma3/gemma3.h"
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
  if (host.quota_cpus > 0) reason += Format(", a quota of %.2g processors", host.quota_cpus);
  return reason;
}

std::vector<std::string> Advice(const HostInfo& host, size_t threads, const Model* model) {
  std::vector<std::string> advice;
  if (host.allowed_cpus < host.online_cpus) {
    advice.push_back("the affinity mask (taskset, container) hides processors; allow more of them");
  }
  if (host.quota_cpus > 0 && host.quota_cpus < static_cast<double>(host.allowed_cores)) {
    advice.push_back("the container's processor quota is below its cores; raise it");
  }
  if (threads > host.default_threads) {
    advice.push_back(Format("--threads %zu is more than this process can run at once; %zu is best",
                            threads, host.default_threads));
  } else if (threads < host.default_threads) {
    advice.push_back(Format("--threads %zu leaves processors idle; up to %zu help", threads,
                            host.default_threads));
  }
  if (!host.simd_targets.empty() && host.simd_targets.front() != host.simd_target) {
    advice.push_back("a better instruction set is available than the one in use: " +
                     host.simd_targets.front());
  }
  if (!host.native_bf16) {
    advice.push_back(
        "bf16 weights are multiplied as f32: the processor has no bf16 dot product, or one slower "
        "than that; 8-bit weights read prompts faster");
  }
  if (model == nullptr) {
    advice.push_back("name a MODEL to measure over its own memory and see the fastest decoding");
  }
  return advice;
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
  std::optional<double> decode_limit;  // tokens a second that the bandwidth allows
  if (model != nullptr) {
    GEMMA3_TRY(const ModelWork work, WorkOf(*model, session));
    const double bytes = DecodeBytes(model->config().text, work, 0);
    if (bytes > 0) decode_limit = limits.read_bytes_per_second / bytes;
  }
  const std::vector<std::string> advice = Advice(host, threads, model);

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
                                   {"quota_cpus", host.quota_cpus},
                                   {"read_bytes_per_second", limits.read_bytes_per_second},
                                   {"f32_flops", limits.f32_flops},
                                   {"bf16_flops", limits.bf16_flops},
                                   {"int8_ops", limits.int8_ops}};
    if (decode_limit) json["decode_limit_tokens_per_second"] = *decode_limit;
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
  if (decode_limit) {
    text += Format("decoding      at most %.1f tokens/s, by the bandwidth\n", *decode_limit);
  }
  for (const std::string& line : advice) text += "advice        " + line + "\n";
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
                    "parallel", "prompt-cache", "prompt-cache-max"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() > 1) return args.UsageError("expects at most one MODEL");
  Output out;
  const Status status = Examine(settings, args.words().empty() ? "" : args.words()[0], json, out);
  return out.Finish(status ? static_cast<int>(kExitOk) : Report(status.error(), During::kLoad));
}

}  // namespace gemma3::cli
