// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/decode/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string_view>
#include <utility>

#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// How far a penalty of the caller's looks back: llama.cpp's number.
constexpr size_t kRepeatLastN = 64;

// Where a value came from, for messages.
template <class T>
std::string_view Origin(const std::optional<T>& option) {
  return option ? "" : " (from the model's generation_config.json)";
}

}  // namespace

Result<SamplingSettings> ResolveSampling(const GenerationOptions& options,
                                         const GenerationDefaults& defaults) {
  constexpr ErrorCode kInvalid = ErrorCode::kInvalidArgument;
  const float temperature = options.temperature.value_or(defaults.temperature);
  const int top_k = options.top_k.value_or(defaults.top_k);
  const float top_p = options.top_p.value_or(defaults.top_p);
  const float min_p = options.min_p.value_or(defaults.min_p);
  const float penalty = options.repeat_penalty.value_or(defaults.repeat_penalty);
  // Comparisons are written so that NaN fails them.
  if (!(temperature >= 0 && temperature < kInfinity)) {
    return Fail(kInvalid, "temperature must be a number of at least 0 (0 is greedy), not ",
                temperature, Origin(options.temperature));
  }
  if (top_k < 0) {
    return Fail(kInvalid, "top_k must be at least 0 (0 keeps all tokens), not ", top_k,
                Origin(options.top_k));
  }
  if (!(top_p >= 0 && top_p <= 1)) {
    return Fail(kInvalid, "top_p must be between 0 (the likeliest alone) and 1 (all tokens), not ",
                top_p, Origin(options.top_p));
  }
  if (!(min_p >= 0 && min_p <= 1)) {
    return Fail(kInvalid, "min_p must be between 0 (off) and 1, not ", min_p,
                Origin(options.min_p));
  }
  if (!(penalty > 0 && penalty < kInfinity)) {
    return Fail(kInvalid, "repeat_penalty must be a number above 0 (1 is off), not ", penalty,
                Origin(options.repeat_penalty));
  }
  for (const auto& [name, value] : {std::pair("frequency_penalty", options.frequency_penalty),
                                    std::pair("presence_penalty", options.presence_penalty)}) {
    if (!std::isfinite(value)) {
      return Fail(kInvalid, name, " must be a finite number (0 is off), not ", value);
    }
  }
  std::vector<std::pair<TokenId, float>> bias = options.logit_bias;
  std::ranges::stable_sort(bias, {}, &std::pair<TokenId, float>::first);
  for (size_t i = 0; i < bias.size(); ++i) {
    const auto [id, value] = bias[i];
    if (id < 0 || std::isnan(value) || value == kInfinity) {
      return Fail(kInvalid, "logit_bias takes a token id and a number, or -infinity, not ", id,
                  " and ", value);
    }
    if (i > 0 && bias[i - 1].first == id) {
      return Fail(kInvalid, "logit_bias names the token ", id, " twice");
    }
  }
  // The model's own penalty is transformers', which looks at the whole text.
  const size_t look_back =
      options.repeat_penalty ? kRepeatLastN
                             : defaults.repeat_last_n.value_or(std::numeric_limits<size_t>::max());
  return SamplingSettings{
      .temperature = temperature,
      .top_k = static_cast<size_t>(top_k),
      .top_p = top_p,
      .min_p = min_p,
      .repeat_penalty = penalty,
      .repeat_last_n = options.repeat_last_n.value_or(look_back),
      .frequency_penalty = options.frequency_penalty,
      .presence_penalty = options.presence_penalty,
      // 32 random bits: enough to differ, short to type again, and exact in any JSON reader.
      .seed = options.seed ? *options.seed : std::random_device{}(),
      .bias = std::move(bias),
  };
}

Result<Sampler> Sampler::Create(const GenerationOptions& options,
                                const GenerationDefaults& defaults, size_t vocab_limit,
                                std::span<const TokenId> banned) {
  GEMMA3_TRY(SamplingSettings settings, ResolveSampling(options, defaults));
  std::vector<TokenId> in_range;
  for (const TokenId id : banned) {
    if (id >= 0 && static_cast<size_t>(id) < vocab_limit) in_range.push_back(id);
  }
  for (const auto& [id, bias] : settings.bias) {
    if (static_cast<size_t>(id) >= vocab_limit) {
      return Fail(ErrorCode::kInvalidArgument, "logit_bias names the token ", id,
                  ", and the vocabulary has ", vocab_limit);
    }
    if (bias == -kInfinity) in_range.push_back(id);
  }
  std::sort(in_range.begin(), in_range.end());
  in_range.erase(std::unique(in_range.begin(), in_range.end()), in_range.end());
  if (in_range.size() == vocab_limit) {
    return Fail(ErrorCode::kInvalidArgument, "no token is left to draw: ", in_range.size(),
                " of the ", vocab_limit, " tokens are banned");
  }
  // Sorted and distinct, so the first id that is not at its own place is the first gap.
  size_t fallback = 0;
  while (fallback < in_range.size() && static_cast<size_t>(in_range[fallback]) == fallback) {
    ++fallback;
  }
  return Sampler(settings, vocab_limit, std::move(in_range), static_cast<TokenId>(fallback));
}

Sampler::Sampler(const SamplingSettings& settings, size_t vocab_limit, std::vector<TokenId> banned,
                 TokenId fallback)
    : settings_(settings),
      vocab_limit_(vocab_limit),
      banned_(std::move(banned)),
      fallback_(fallback),
      random_(settings.seed) {}

void Sampler::Penalise(std::span<float> logits, std::span<const TokenId> history) {
  const float penalty = settings_.repeat_penalty;
  if (penalty == 1) return;
  const auto recent = history.last(std::min(history.size(), settings_.repeat_last_n));
  recent_.assign(recent.begin(), recent.end());
  // Each token counts once, however often it stands there.
  std::sort(recent_.begin(), recent_.end());
  recent_.erase(std::unique(recent_.begin(), recent_.end()), recent_.end());
  for (const TokenId id : recent_) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) continue;
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

void Sampler::PenaliseAnswer(std::span<float> logits, std::span<const TokenId> answer) {
  if (settings_.frequency_penalty == 0 && settings_.presence_penalty == 0) return;
  recent_.assign(answer.begin(), answer.end());
  std::sort(recent_.begin(), recent_.end());
  for (size_t begin = 0, end = 0; begin < recent_.size(); begin = end) {
    while (end < recent_.size() && recent_[end] == recent_[begin]) ++end;
    const TokenId id = recent_[begin];
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) continue;
    const auto count = static_cast<float>(end - begin);
    logits[static_cast<size_t>(id)] -=
        count * settings_.frequency_penalty + settings_.presence_penalty;
  }
}

TokenId Sampler::Sample(std::span<float> logits, std::span<const TokenId> history, size_t place) {
  const double uniform = random_.Uniform(place);
  logits = logits.first(std::min(logits.size(), vocab_limit_));
  for (const auto& [id, bias] : settings_.bias) {
    if (static_cast<size_t>(id) < logits.size()) logits[static_cast<size_t>(id)] += bias;
  }
  Penalise(logits, history);
  PenaliseAnswer(logits, history.last(std::min(history.size(), place)));
  for (const TokenId id : banned_) {
    if (static_cast<size_t>(id) < logits.size()) logits[static_cast<size_t>(id)] = -kInfinity;
  }
  const size_t best = ArgMax(logits);
  const float largest = logits[best];
  if (!(largest > -kInfinity)) return fallback_;
  if (settings_.temperature == 0 || largest == kInfinity) return static_cast<TokenId>(best);

  // The largest becomes 0 first, because a difference of logits survives division by a small
  // temperature better than the logits themselves.
  const float temperature = settings_.temperature;
  const auto scaled = [=](float logit) { return (logit - largest) / temperature; };

  const size_t n = logits.size();
  if (settings_.top_k != 0 && settings_.top_k < n) {
    TopK(logits, settings_.top_k, candidates_);
    double total = 0;
    for (Candidate& c : candidates_) {
      c.logit = scaled(c.logit);
      // Kept behind numbers only when those are fewer than k.
      if (std::isnan(c.logit)) c.logit = -kInfinity;
      total += std::exp(static_cast<double>(c.logit));
    }
    return *Draw(uniform, total, /*all_candidates=*/true);
  }

  // Without top-k, sorting all tokens would cost more than everything else here. The filters and
  // the draw nearly always end within the first few, and the total needs no order.
  for (float& logit : logits) {
    logit = std::isnan(logit) ? -kInfinity : scaled(logit);
  }
  const double total = std::exp(LogSumExp(logits));
  for (const size_t k : {size_t{256}, size_t{4096}}) {
    if (k >= n) break;
    TopK(logits, k, candidates_);
    if (const auto token = Draw(uniform, total, /*all_candidates=*/false)) return *token;
  }
  TopK(logits, n, candidates_);
  return *Draw(uniform, total, /*all_candidates=*/true);
}

// Filters candidates_ and draws from them. total: the sum of exp(logit) that top-p refers to.
// all_candidates says that no token is missing in candidates_; nothing is returned where one that
// is would be needed.
std::optional<TokenId> Sampler::Draw(double uniform, double total, bool all_candidates) {
  const bool use_top_p = settings_.top_p < 1;
  const double top_p_mass = static_cast<double>(settings_.top_p) * total;
  const double min_weight = static_cast<double>(settings_.min_p);
  cumulative_.clear();
  double sum = 0;
  bool cut = false;
  for (const Candidate& c : candidates_) {
    const double weight = std::exp(static_cast<double>(c.logit));  // the likeliest has 1
    cut = weight < min_weight || (use_top_p && !cumulative_.empty() && sum >= top_p_mass);
    if (cut) break;
    cumulative_.push_back(sum += weight);
  }
  // What is kept is known when a filter cut, or when there is nothing else. Without filters all
  // tokens are kept, and the total is enough to place the draw.
  const bool filtered = use_top_p || min_weight > 0;
  if (filtered && !cut && !all_candidates) return std::nullopt;
  const double target = uniform * (filtered ? sum : total);
  auto drawn = std::upper_bound(cumulative_.begin(), cumulative_.end(), target);
  if (drawn == cumulative_.end()) {
    if (!all_candidates && !filtered) return std::nullopt;
    // Rounding put the target at or just past the end: the last token that has any probability.
    drawn = std::lower_bound(cumulative_.begin(), cumulative_.end(), sum);
  }
  return candidates_[static_cast<size_t>(drawn - cumulative_.begin())].id;
}

}  // namespace gemma3
