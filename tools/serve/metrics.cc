// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/metrics.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <utility>

#include "tools/text.h"

namespace gemma3::serve {
namespace {

// The bounds that dashboards for vLLM expect.
constexpr double kFirstToken[] = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                  1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
constexpr double kBetweenTokens[] = {.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                                     .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
constexpr double kWhole[] = {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                             30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};

std::string Number(double value) { return cli::Format("%.9g", value); }

std::string Escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text;
}

std::string LabelsOf(const ModelFigures& model) {
  return "model_name=\"" + Escaped(model.name) + "\"";
}

class Writer {
 public:
  explicit Writer(std::span<const ModelFigures> models) : models_(models) {}

  // The same value under several names.
  void Each(std::initializer_list<const char*> names, const char* type, const char* help,
            const std::function<double(const ModelFigures&)>& value) {
    for (const char* name : names) {
      Head(name, type, help);
      for (const ModelFigures& model : models_) {
        out_ += name;
        out_ += "{" + LabelsOf(model) + "} " + Number(value(model)) + "\n";
      }
    }
  }
  void EachHistogram(std::initializer_list<const char*> names, const char* help,
                     Histogram ModelMetrics::*histogram) {
    for (const char* name : names) {
      Head(name, "histogram", help);
      for (const ModelFigures& model : models_) {
        (model.metrics->*histogram).Write(name, LabelsOf(model), out_);
      }
    }
  }
  void Head(const char* name, const char* type, const char* help) {
    out_ += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  }
  void Line(const std::string& text) { out_ += text + "\n"; }
  std::string& out() { return out_; }

 private:
  std::span<const ModelFigures> models_;
  std::string out_;
};

}  // namespace

void Histogram::Add(double value) {
  const auto at = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  const std::scoped_lock lock(mutex_);
  ++counts_[static_cast<size_t>(at)];
  sum_ += value;
  ++total_;
}

void Histogram::Write(std::string_view name, std::string_view labels, std::string& out) const {
  const std::scoped_lock lock(mutex_);
  const std::string begin = std::string(name) + "_bucket{" + std::string(labels) + ",le=\"";
  uint64_t sum = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    sum += counts_[i];
    out += begin + (i < bounds_.size() ? Number(bounds_[i]) : "+Inf") + "\"} " +
           std::to_string(sum) + "\n";
  }
  for (const auto& [figure, value] :
       {std::pair("_sum{", Number(sum_)), std::pair("_count{", std::to_string(total_))}) {
    out += name;
    out += figure;
    out += labels;
    out += "} " + value + "\n";
  }
}

ModelMetrics::ModelMetrics()
    : first_token(kFirstToken),
      between_tokens(kBetweenTokens),
      whole(kWhole),
      queued(kFirstToken) {}

void ModelMetrics::CountEnd(std::string_view reason) {
  const std::scoped_lock lock(mutex_);
  ++ends_[std::string(reason)];
}

std::map<std::string, uint64_t> ModelMetrics::ends() const {
  const std::scoped_lock lock(mutex_);
  return ends_;
}

std::string MetricsText(std::span<const ModelFigures> models, const ServerFigures& server) {
  Writer writer(models);
  const auto count = [](size_t value) { return static_cast<double>(value); };
  writer.Each({"gemma3_requests_running", "vllm:num_requests_running"}, "gauge",
              "Answers that are being computed.",
              [&](const ModelFigures& m) { return count(m.usage.running); });
  writer.Each({"gemma3_requests_waiting", "vllm:num_requests_waiting"}, "gauge",
              "Requests that wait for their turn.",
              [&](const ModelFigures& m) { return count(m.usage.waiting + m.waiting); });
  writer.Each(
      {"gemma3_kv_cache_usage_ratio", "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"},
      "gauge", "Share of the memory for keys and values that is in use, 0 to 1.",
      [&](const ModelFigures& m) {
        return m.usage.max_kv_bytes == 0 ? 0.0
                                         : count(m.usage.kv_bytes) / count(m.usage.max_kv_bytes);
      });
  writer.Each({"gemma3_model_loaded"}, "gauge", "Whether the model is in memory.",
              [](const ModelFigures& m) { return m.loaded ? 1.0 : 0.0; });
  writer.Each({"gemma3_prompt_tokens_total", "vllm:prompt_tokens_total"}, "counter",
              "Tokens of prompts, computed or found.", [&](const ModelFigures& m) {
                return count(m.usage.prompt_tokens + m.usage.cached_tokens);
              });
  writer.Each({"gemma3_generation_tokens_total", "vllm:generation_tokens_total"}, "counter",
              "Tokens of answers.",
              [&](const ModelFigures& m) { return count(m.usage.answer_tokens); });
  writer.Each(
      {"gemma3_prefix_cache_queries_total", "vllm:prefix_cache_queries_total",
       "vllm:gpu_prefix_cache_queries_total"},
      "counter", "Tokens of prompts that were looked for in the prefix cache.",
      [&](const ModelFigures& m) { return count(m.usage.prompt_tokens + m.usage.cached_tokens); });
  writer.Each({"gemma3_prefix_cache_hits_total", "vllm:prefix_cache_hits_total",
               "vllm:gpu_prefix_cache_hits_total"},
              "counter", "Tokens of prompts that were found there.",
              [&](const ModelFigures& m) { return count(m.usage.cached_tokens); });
  for (const char* name : {"gemma3_request_success_total", "vllm:request_success_total"}) {
    writer.Head(name, "counter", "Requests that have ended, by the reason of their end.");
    for (const ModelFigures& model : models) {
      for (const auto& [reason, ended] : model.metrics->ends()) {
        writer.Line(std::string(name) + "{" + LabelsOf(model) + ",finished_reason=\"" + reason +
                    "\"} " + std::to_string(ended));
      }
    }
  }
  writer.EachHistogram({"gemma3_time_to_first_token_seconds", "vllm:time_to_first_token_seconds"},
                       "From the request to the first text of its answer.",
                       &ModelMetrics::first_token);
  writer.EachHistogram({"gemma3_inter_token_latency_seconds", "vllm:inter_token_latency_seconds",
                        "vllm:time_per_output_token_seconds"},
                       "Between two tokens of an answer.", &ModelMetrics::between_tokens);
  writer.EachHistogram({"gemma3_request_latency_seconds", "vllm:e2e_request_latency_seconds"},
                       "From the request to the end of its answer.", &ModelMetrics::whole);
  writer.EachHistogram({"gemma3_request_queue_time_seconds", "vllm:request_queue_time_seconds"},
                       "From the request to its turn.", &ModelMetrics::queued);
  writer.Head("gemma3_http_connections", "gauge", "Open connections.");
  writer.Line("gemma3_http_connections " + std::to_string(server.connections));
  writer.Head("gemma3_http_responses_total", "counter", "Responses by status.");
  for (const auto& [status, responses] : server.responses) {
    writer.Line("gemma3_http_responses_total{status=\"" + std::to_string(status) + "\"} " +
                std::to_string(responses));
  }
  writer.Head("gemma3_http_refused_total", "counter", "Requests refused for want of a place.");
  writer.Line("gemma3_http_refused_total " + std::to_string(server.refused));
  return std::move(writer.out());
}

}  // namespace gemma3::serve
