// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any settings and tensors as a LoRA adapter: an error, or one whose every factor fits the model.
// An input is the text of an adapter_config.json, a zero byte, and a safetensors file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "src/formats/adapter_file.h"
#include "src/formats/safetensors.h"
#include "src/weights/adapter.h"
#include "src/weights/weights.h"
#include "tests/support/model_writer.h"

namespace {

using namespace gemma3;

struct Base {
  Base() {
    checkpoint.config = testing::TinyVisionConfig();
    bank = testing::RandomTensors(ShapesOf(checkpoint.config), TensorType::kF32, 1);
    checkpoint.tensors = bank.views();
    auto loaded = LoadWeights(checkpoint, {}, pool);
    if (!loaded) std::abort();
    weights = *std::move(loaded);
  }
  ThreadPool pool{1};
  testing::TensorBank bank;
  Checkpoint checkpoint;
  ModelWeights weights;
};

void Check(const AdaptedMatrix& adapted, const MatrixView& base) {
  for (const LoraTerm& term : adapted.terms) {
    if (term.a.cols != base.cols || term.b.outputs != base.rows) std::abort();
    if (term.a.rows != term.b.rank || term.b.rank == 0) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Base* const base = new Base;
  static const std::string kName = "fuzz";
  const uint8_t* const zero = std::find(data, data + size, 0);
  const std::string config(reinterpret_cast<const char*>(data), static_cast<size_t>(zero - data));
  const uint8_t* const begin = zero == data + size ? zero : zero + 1;
  // At an address as in a mapped file.
  const std::vector<uint8_t> copy(begin, data + size);
  const auto tensors = ParseSafetensors(std::as_bytes(std::span(copy)), kName);
  if (!tensors) return 0;
  auto file = ReadAdapterTensors(config, "config", *tensors, kName);
  if (!file) return 0;
  const auto adapter =
      PlaceAdapter(*std::move(file), base->checkpoint.config, base->weights, base->pool);
  if (!adapter) return 0;
  const AdapterSet::Use use{*adapter, 0.5f};
  const auto set = AdapterSet::Create({&use, 1}, base->checkpoint.config);
  if (!set) return 0;
  const TextWeights& text = base->weights.text;
  for (size_t i = 0; i < text.layers.size(); ++i) {
    Check((*set)->layer(i, LayerMatrix::kQ), text.layers[i].q);
    Check((*set)->layer(i, LayerMatrix::kDown), text.layers[i].down);
  }
  Check((*set)->head(), text.head);
  std::vector<float> row(text.embedding.cols);
  for (size_t id = 0; id < text.embedding.rows; ++id) {
    (*set)->EmbeddingRow(text.embedding, id, row.data());
  }
  return 0;
}
