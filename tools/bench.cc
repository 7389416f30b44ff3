// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 bench: how fast a model runs here, and what share that is of the limits measured in the
// same process: memory reads for decoding, multiply-adds for prompts and pictures; and beside
// another engine on the same file.

#include "gemma3/bench.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/experimental/evaluator.h"
#include "gemma3/gemma3.h"
#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "tools/args.h"
#include "tools/bench_record.h"
#include "tools/child.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/interrupt.h"
#include "tools/models.h"
#include "tools/output.h"
#include "tools/peer.h"
#include "tools/progress.h"
#include "tools/stats.h"
#include "tools/text.h"
#include "tools/work.h"

namespace gemma3::cli {
namespace {

struct BenchOptions {
  Settings settings;
  std::vector<size_t> prefill = {512, 2048, 16384};
  std::vector<size_t> depths = {0, 4096, 16384};
  size_t decode = 32;
  size_t repeat = 3;
  bool quick = false;
  bool no_image = false;
  bool no_limits = false;
  bool json = false;
  std::string peer;     // a command line; empty for none
  std::string compare;  // a file; empty for none
};

// Runs are not repeated beyond this: they are long enough to speak for themselves.
constexpr double kEnoughSeconds = 20;

// The fastest of several runs: everything that disturbs a run makes it slower.
Result<Timings> BestOf(Evaluator& evaluator, const BenchWork& work, size_t repeat) {
  std::optional<Timings> best;
  double spent = 0;
  const auto keep = [](double& kept, double seconds) { kept = std::min(kept, seconds); };
  for (size_t i = 0; i < repeat; ++i) {
    const CancelOnInterrupt scope(evaluator);
    GEMMA3_TRY(const Timings timings, evaluator.Bench(work));
    if (!best) best = timings;
    keep(best->image_seconds, timings.image_seconds);
    keep(best->prefill_seconds, timings.prefill_seconds);
    keep(best->decode_seconds, timings.decode_seconds);
    spent += timings.image_seconds + timings.prefill_seconds + timings.decode_seconds;
    if (spent > kEnoughSeconds) break;
  }
  return *best;
}

double Rate(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

// Collects measurements: lines of a table, or one JSON object.
class Findings {
 public:
  Findings(bool json, Output& out) : json_(json), out_(out) {}

  void Add(const std::string& group, nlohmann::ordered_json values, const std::string& line) {
    if (json_) {
      if (group == "prefill" || group == "decode" || group == "peer") {
        document_[group].push_back(std::move(values));
      } else {
        document_[group] = std::move(values);
      }
    } else {
      out_.Write(line + "\n");  // at once: the next line may take minutes
    }
  }

  void Finish() {
    if (!json_) return;
    out_.Write(document_.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }

 private:
  const bool json_;
  Output& out_;
  nlohmann::ordered_json document_;
};

// ", 85 % of the bf16 peak", or nothing without a limit.
std::string Share(double rate, double limit, const std::string& of) {
  return limit > 0 ? Format("  %5.1f %% of %s", 100 * rate / limit, of.c_str()) : "";
}

// What is measured at one length of prompt.
struct Point {
  bool prefill = false;
  bool decode = false;
  size_t depth = 0;  // as it was asked for: 0 stands for a prompt of one token
};

std::map<size_t, Point> PointsOf(const BenchOptions& options) {
  std::map<size_t, Point> points;  // by tokens of prompt
  for (const size_t tokens : options.prefill) points[tokens].prefill = true;
  if (options.decode == 0) return points;
  for (const size_t depth : options.depths) {
    Point& point = points[std::max<size_t>(depth, 1)];
    point.decode = true;
    point.depth = depth;
  }
  return points;
}

std::string ShareOfPeak(double rate, const Peak& peak, nlohmann::ordered_json& values) {
  if (peak.rate > 0) values["share_of_peak"] = rate / peak.rate;
  return Share(rate, peak.rate, std::string("the ") + peak.name + " peak");
}

// "  1.05 times the record", or nothing where that has no such figure. Larger is better.
std::string BesideRecord(double figure, std::optional<double> recorded,
                         nlohmann::ordered_json& values) {
  if (!recorded) return "";
  values["recorded"] = *recorded;
  values["ratio"] = figure / *recorded;
  return Format("  %.2f times the record", figure / *recorded);
}

// Returns tokens per second, as AddDecode does.
double AddPrefill(const TextConfig& config, const MachineLimits& limits, const ModelWork& work,
                  const BenchRecord& record, size_t tokens, double seconds, Findings& report) {
  const double rate = Rate(static_cast<double>(tokens), seconds);
  const double flops = Rate(PrefillFlops(config, tokens), seconds);
  nlohmann::ordered_json values = {
      {"tokens", tokens}, {"seconds", seconds}, {"tokens_per_second", rate}, {"flops", flops}};
  const std::string share = ShareOfPeak(flops, PeakOf(limits, work.text), values);
  const std::string beside = BesideRecord(rate, record.Prefill(tokens), values);
  report.Add("prefill", values,
             Format("prefill %-6zu %9.1f tokens/s  %14s", tokens, rate,
                    FormatRate(flops, "FLOP/s").c_str()) +
                 share + beside);
  return rate;
}

double AddDecode(const TextConfig& config, const MachineLimits& limits, const ModelWork& work,
                 const BenchRecord& record, size_t depth, size_t tokens, double seconds,
                 Findings& report) {
  const double rate = Rate(static_cast<double>(tokens), seconds);
  const double bytes = rate * DecodeBytes(config, work, std::max<size_t>(depth, 1) + tokens / 2);
  nlohmann::ordered_json values = {{"depth", depth},
                                   {"tokens", tokens},
                                   {"seconds", seconds},
                                   {"tokens_per_second", rate},
                                   {"bytes_per_second", bytes}};
  if (limits.read_bytes_per_second > 0) {
    values["share_of_bandwidth"] = bytes / limits.read_bytes_per_second;
  }
  const std::string beside = BesideRecord(rate, record.Decode(depth), values);
  report.Add(
      "decode", values,
      Format("decode @%-6zu %9.1f tokens/s  %14s", depth, rate, FormatRate(bytes, "B/s").c_str()) +
          Share(bytes, limits.read_bytes_per_second, "the read bandwidth") + beside);
  return rate;
}

bool IsGguf(const std::string& path) {
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof(magic));
  return std::string_view(magic, sizeof(magic)) == "GGUF";
}

// Our tokens per second by what was measured.
struct Rates {
  std::map<size_t, double> prefill;  // by tokens
  std::map<size_t, double> decode;   // by depth
};

// Another engine's figures on the same file, and ours as multiples of them.
Status AddPeer(const BenchOptions& options, const std::string& model, size_t threads,
               const Rates& rates, Findings& report) {
  GEMMA3_TRY(std::vector<std::string> command, SplitCommand(options.peer));
  GEMMA3_TRY(const std::vector<PeerResult> results, RunPeer({.command = std::move(command),
                                                             .model = model,
                                                             .threads = threads,
                                                             .repeat = options.repeat,
                                                             .prefill = options.prefill,
                                                             .depths = options.depths,
                                                             .decode = options.decode}));
  for (const PeerResult& peer : results) {
    const auto& ours = peer.prefill ? rates.prefill : rates.decode;
    const auto it = ours.find(peer.tokens);
    if (it == ours.end()) continue;
    const double ratio = it->second / peer.tokens_per_second;
    report.Add(
        "peer",
        {{"test", peer.prefill ? "prefill" : "decode"},
         {peer.prefill ? "tokens" : "depth", peer.tokens},
         {"tokens_per_second", peer.tokens_per_second},
         {"ratio", ratio}},
        Format("peer %s%-6zu  %7.1f tokens/s  here %.2f times that",
               peer.prefill ? "prefill " : "decode @", peer.tokens, peer.tokens_per_second, ratio));
  }
  return {};
}

// "  (the record: AVX2)" where a run under other conditions is compared with.
std::string OtherThanRecord(const std::string& ours, const std::string& recorded) {
  return recorded.empty() || recorded == ours ? "" : "  (the record: " + recorded + ")";
}

Status Measure(const BenchOptions& options, const BenchRecord& record, const OpenedModel& opened,
               Output& out) {
  const Model& model = opened.model;
  const ModelConfig& config = model.config();

  const std::map<size_t, Point> points = PointsOf(options);
  SessionOptions session_options = opened.Session(options.settings.session);
  if (session_options.context == 0) {
    // Just what the work asks for.
    const size_t longest = points.empty() ? 1 : points.rbegin()->first;
    session_options.context = std::min(longest + options.decode + 1, config.text.max_context);
  }
  Findings report(options.json, out);
  GEMMA3_TRY(const HostInfo host, DescribeHost());
  const size_t threads =
      session_options.threads == 0 ? host.default_threads : session_options.threads;
  report.Add("model", config.name,
             "model           " + config.name + OtherThanRecord(config.name, record.model()));
  report.Add(
      "simd", host.simd_target,
      "processor       " + host.simd_target + OtherThanRecord(host.simd_target, record.simd()));
  report.Add("threads", threads,
             Format("threads         %zu", threads) +
                 OtherThanRecord(std::to_string(threads), record.threads()));
  report.Add("load_seconds", opened.seconds, Format("load            %.3f s", opened.seconds));

  GEMMA3_TRY(Evaluator evaluator, Evaluator::Create(model, session_options));
  GEMMA3_TRY(const ModelWork work, WorkOf(model, session_options));
  // One pass brings the weights into memory: reading them from the disk is neither the machine's
  // memory bandwidth nor the engine's speed.
  GEMMA3_TRY(const Timings warm_up, evaluator.Bench({.prompt_tokens = 1, .decode_tokens = 1}));
  (void)warm_up;
  MachineLimits limits;
  if (!options.no_limits) {
    GEMMA3_TRY(limits, MeasureLimits(&model, session_options));
    report.Add("limits",
               {{"read_bytes_per_second", limits.read_bytes_per_second},
                {"f32_flops", limits.f32_flops},
                {"bf16_flops", limits.bf16_flops},
                {"int8_ops", limits.int8_ops}},
               Format("limits          %s read, f32 %s, bf16 %s, int8 %s",
                      FormatRate(limits.read_bytes_per_second, "B/s").c_str(),
                      FormatRate(limits.f32_flops, "FLOP/s").c_str(),
                      FormatRate(limits.bf16_flops, "FLOP/s").c_str(),
                      FormatRate(limits.int8_ops, "OP/s").c_str()));
  }

  Rates rates;
  for (const auto& [tokens, point] : points) {
    const size_t decode = point.decode ? options.decode : 0;
    GEMMA3_TRY(
        const Timings best,
        BestOf(evaluator, {.prompt_tokens = tokens, .decode_tokens = decode}, options.repeat));
    if (point.prefill) {
      rates.prefill[tokens] =
          AddPrefill(config.text, limits, work, record, tokens, best.prefill_seconds, report);
    }
    if (point.decode) {
      rates.decode[point.depth] = AddDecode(config.text, limits, work, record, point.depth, decode,
                                            best.decode_seconds, report);
    }
  }
  if (config.has_vision && !options.no_image) {
    GEMMA3_TRY(const Timings best,
               BestOf(evaluator, {.prompt_tokens = 1, .images = 1}, options.repeat));
    const double flops = Rate(ImageFlops(config.vision, config.text), best.image_seconds);
    nlohmann::ordered_json values = {{"seconds", best.image_seconds}, {"flops", flops}};
    const std::string share = ShareOfPeak(flops, PeakOf(limits, work.vision), values);
    const std::string beside = BesideRecord(Rate(1, best.image_seconds), record.Pictures(), values);
    report.Add("image", values,
               Format("picture         %9.3f s         %14s", best.image_seconds,
                      FormatRate(flops, "FLOP/s").c_str()) +
                   share + beside);
  }
  const size_t peak_bytes = PeakResidentBytes();
  GEMMA3_TRY(const MemoryPlan plan, model.Plan(session_options));
  report.Add("memory", {{"peak_resident_bytes", peak_bytes}, {"plan_bytes", plan.total()}},
             Format("peak memory     %s resident, %s planned", BytesText(peak_bytes).c_str(),
                    BytesText(plan.total()).c_str()));
  Status peer;
  if (!options.peer.empty()) peer = AddPeer(options, model.path(), threads, rates, report);
  report.Finish();  // our own figures are kept whatever happened there
  return peer;
}

// Texts of 64 tokens, as they are put into a collection.
Status MeasureEmbedding(const BenchOptions& options, const OpenedModel& opened, Output& out) {
  const Model& model = opened.model;
  const SessionOptions& session = options.settings.session;
  constexpr size_t kTexts = 64, kTokens = 64;
  Findings report(options.json, out);
  GEMMA3_TRY(const Embedder embedder, Embedder::Create(model, {.threads = session.threads,
                                                               .compute = session.compute,
                                                               .adapters = opened.adapters}));
  std::string text = "a";
  for (;;) {
    GEMMA3_TRY(const std::vector<TokenId> ids, embedder.Tokens(text));
    if (ids.size() >= std::min(kTokens, embedder.max_tokens())) break;
    text += " a";
  }
  const std::vector<std::string> texts(kTexts, text);
  GEMMA3_TRY(const HostInfo host, DescribeHost());
  report.Add("model", model.config().name, "model           " + model.config().name);
  report.Add("simd", host.simd_target, "processor       " + host.simd_target);
  report.Add("threads", embedder.options().threads,
             Format("threads         %zu", embedder.options().threads));
  double best = 0;
  size_t tokens = 0;
  for (size_t i = 0; i <= options.repeat; ++i) {  // the first one brings the weights into memory
    const auto begin = std::chrono::steady_clock::now();
    GEMMA3_TRY(const Embeddings embeddings, embedder.Embed(texts));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    tokens = embeddings.tokens[0];
    if (i == 1 || (i > 1 && took.count() < best)) best = took.count();
  }
  MachineLimits limits;
  if (!options.no_limits) {
    GEMMA3_TRY(limits, MeasureLimits(&model, session));
  }
  GEMMA3_TRY(const ModelWork work, WorkOf(model, session));
  const TextConfig& config = model.config().text;
  const double flops =
      Rate(2 * LayerParameters(config) * static_cast<double>(kTexts * tokens), best);
  nlohmann::ordered_json values = {
      {"texts_per_second", Rate(kTexts, best)}, {"tokens", tokens}, {"flops", flops}};
  const std::string share = ShareOfPeak(flops, PeakOf(limits, work.text), values);
  report.Add("embed", values,
             Format("embed @%-6zu   %9.1f texts/s   %14s", tokens, Rate(kTexts, best),
                    FormatRate(flops, "FLOP/s").c_str()) +
                 share);
  report.Finish();
  return {};
}

}  // namespace

int BenchCommand(int argc, const char* const* argv) {
  BenchOptions options;
  Args args(
      "bench", "MODEL",
      "Measures a model's speed on arbitrary tokens, best of several runs, and what share it\n"
      "is of this machine's memory bandwidth and multiply-add peak.");
  args.AddSizes("--prefill", 1, &options.prefill, "prompt lengths (512 2048 16384)");
  args.AddSizes("--depth", 0, &options.depths,
                "tokens in the cache before decoding (0 4096 16384)");
  args.AddFlag("--quick", &options.quick, "a prompt of 512 tokens and an empty cache only");
  args.AddSize("--decode", 0, &options.decode, "tokens to decode at each depth (32)");
  args.AddSize("--repeat", 1, &options.repeat, "runs of each, of which the best counts (3)");
  args.AddFlag("--no-image", &options.no_image, "leave the vision tower out");
  args.AddFlag("--no-limits", &options.no_limits, "do not measure the machine's limits");
  args.AddText("--compare", "FILE", &options.compare,
               "print beside each figure how many times it is that of FILE, written by\n"
               "gemma3 bench --json > FILE");
  args.AddText("--peer", "COMMAND", &options.peer,
               "also run llama.cpp's or ik_llama.cpp's llama-bench on the same GGUF file\n"
               "and compare; options of its own may follow its name");
  args.AddFlag("--json", &options.json, "print one JSON object");
  args.AddSettings(&options.settings, {SettingGroup::kSession, SettingGroup::kModel},
                   {"image-cache", "pan-and-scan", "image-newlines", "draft", "parallel",
                    "prompt-cache", "prompt-cache-max"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() != 1) return args.UsageError("expects one MODEL");

  if (options.quick) {
    options.prefill = {512};
    options.depths = {0};
  }

  BenchRecord record;
  if (!options.compare.empty()) {
    auto read = BenchRecord::Read(options.compare);
    if (!read) return Report(read.error());
    record = *std::move(read);
  }
  const auto opened = LoadModel(args.words()[0], options.settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  if (!options.peer.empty() && !IsGguf(opened->model.path())) {
    return args.UsageError("--peer needs a GGUF file: llama.cpp reads no others");
  }
  Output out;
  const Status status = opened->model.config().embedding ? MeasureEmbedding(options, *opened, out)
                                                         : Measure(options, record, *opened, out);
  return out.Finish(status ? static_cast<int>(kExitOk) : Report(status.error()));
}

}  // namespace gemma3::cli
