// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/state_identity.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "ops/targets.h"
#include "src/base/hash.h"
#include "src/weights/pack.h"

namespace gemma3 {
namespace {

// Gathers what is to be hashed.
class Digest {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void Add(T value) { AddBytes({reinterpret_cast<const uint8_t*>(&value), sizeof value}); }
  void Add(const Vector& values) {
    AddBytes({reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)});
  }
  void Add(const MatrixView& w) {
    Add(static_cast<uint32_t>(w.type));
    Add(uint64_t{w.rows});
    Add(uint64_t{w.cols});
    const std::span<const uint8_t> bytes(static_cast<const uint8_t*>(w.data),
                                         FormBytes(w.type, w.rows, w.cols));
    constexpr size_t kSamples = 32, kBytes = 64;
    if (bytes.size() <= kSamples * kBytes) return AddBytes(bytes);
    for (size_t i = 0; i < kSamples; ++i) {
      AddBytes(bytes.subspan((bytes.size() - kBytes) / (kSamples - 1) * i, kBytes));
    }
  }
  void Add(const Linear& linear) {
    Add(linear.w);
    Add(linear.bias);
  }
  std::string Text() const {
    constexpr HashKey kKey = {0x67656d6d61332e63, 0x70702073746174};  // fixed: it goes into files
    const Hash128 hash = SipHash128(kKey, bytes_);
    char text[33];
    std::snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
    return text;
  }

 private:
  void AddBytes(std::span<const uint8_t> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  std::vector<uint8_t> bytes_;
};

std::string DigestOf(const ModelConfig& config, const ModelWeights& weights) {
  Digest digest;
  const TextConfig& text = config.text;
  for (const size_t number :
       {text.vocab_size, text.hidden_size, text.intermediate_size, text.num_layers, text.num_heads,
        text.num_kv_heads, text.head_dim, text.sliding_window}) {
    digest.Add(uint64_t{number});
  }
  for (const float number : {text.attention_scale, text.rms_norm_eps, text.rope_theta_global,
                             text.rope_theta_local, text.rope_factor_global}) {
    digest.Add(number);
  }
  for (const LayerKind kind : text.layers) digest.Add(kind);
  digest.Add(weights.text.embedding);
  for (const LayerWeights& w : weights.text.layers) {
    for (const Vector* norm : {&w.input_norm, &w.q_norm, &w.k_norm, &w.post_attention_norm,
                               &w.pre_ffw_norm, &w.post_ffw_norm}) {
      digest.Add(*norm);
    }
    for (const MatrixView& matrix : {w.q, w.k, w.v, w.o, w.gate, w.up, w.down}) digest.Add(matrix);
  }
  if (config.has_vision) {
    const VisionConfig& vision = config.vision;
    for (const size_t number : {vision.image_size, vision.patch_size, vision.tokens_per_image,
                                vision.num_heads, vision.num_channels}) {
      digest.Add(uint64_t{number});
    }
    digest.Add(vision.layer_norm_eps);
    digest.Add(weights.vision.patch);
    digest.Add(weights.vision.position);
    for (const VisionLayerWeights& w : weights.vision.layers) {
      for (const Vector* vector :
           {&w.norm1_weight, &w.norm1_bias, &w.norm2_weight, &w.norm2_bias}) {
        digest.Add(*vector);
      }
      for (const Linear* linear : {&w.q, &w.k, &w.v, &w.out, &w.fc1, &w.fc2}) digest.Add(*linear);
    }
    digest.Add(weights.vision.post_norm_weight);
    digest.Add(weights.vision.post_norm_bias);
    digest.Add(weights.vision.projector_norm);
    digest.Add(weights.vision.projection);
  }
  return digest.Text();
}

const char* NameOf(KvType type) {
  switch (type) {
    case KvType::kF32:
      return "f32";
    case KvType::kF16:
      return "f16";
    case KvType::kBF16:
      return "bf16";
    case KvType::kInt8:
      return "int8";
  }
  return "";
}

const char* NameOf(ReferenceRounding rounding) {
  switch (rounding) {
    case ReferenceRounding::kPublished:
      return "published";
    case ReferenceRounding::kF32:
      return "f32";
    case ReferenceRounding::kBF16:
      return "bf16";
  }
  return "";
}

}  // namespace

StateIdentity IdentityOf(const LoadedModel& model, const ResolvedOptions& options) {
  StateIdentity identity;
  const auto add = [&](const char* name, std::string value) {
    identity.fields.emplace_back(name, std::move(value));
  };
  add("the model's digest", DigestOf(model.checkpoint.config, model.weights));
  add("the cache type of local layers", NameOf(options.kv.local));
  add("the cache type of global layers", NameOf(options.kv.global));
  add("compute", options.compute == Compute::kExact ? "f32" : "fast");
  add("the rounding of constants", NameOf(options.session.reference));
  // Results differ between targets by rounding.
  add("the SIMD target", std::string(SimdTargetName()));
  return identity;
}

}  // namespace gemma3
