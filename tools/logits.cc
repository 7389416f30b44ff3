// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 logits: the model's raw output for given token ids, for comparing with other
// implementations. The one command that includes an internal header besides error helpers: its
// files are safetensors, which the library reads and writes but does not offer as an API.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/experimental/evaluator.h"
#include "gemma3/gemma3.h"
#include "src/base/status.h"
#include "src/base/tensor.h"
#include "src/formats/safetensors.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/interrupt.h"
#include "tools/models.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

// Elements of a view whose data may be unaligned.
template <class T>
std::vector<T> Copy(const TensorView& view, size_t first, size_t count) {
  std::vector<T> values(count);
  if (count > 0) std::memcpy(values.data(), view.data + first * sizeof(T), count * sizeof(T));
  return values;
}

// [T], or [1, T] as batched tools write it.
Result<std::vector<TokenId>> ReadIds(const TensorMap& tensors, const std::string& path) {
  const auto found = tensors.find("input_ids");
  if (found == tensors.end()) {
    return Fail(ErrorCode::kInvalidArgument, path, ": no tensor input_ids");
  }
  const TensorView& view = found->second;
  const bool one_row = view.shape.size() == 1 || (view.shape.size() == 2 && view.shape[0] == 1);
  if (!one_row || (view.type != TensorType::kI64 && view.type != TensorType::kI32)) {
    return Fail(ErrorCode::kInvalidArgument, path, ": input_ids is ", InfoOf(view.type).name, " ",
                ShapeString(view.shape), "; expected I64 or I32 of shape [tokens]");
  }
  const size_t count = view.shape.back();
  if (view.type == TensorType::kI32) return Copy<TokenId>(view, 0, count);
  std::vector<TokenId> ids;
  ids.reserve(count);
  for (const int64_t id : Copy<int64_t>(view, 0, count)) {
    if (id < 0 || id > std::numeric_limits<TokenId>::max()) {
      return Fail(ErrorCode::kInvalidArgument, path, ": input_ids holds ", id,
                  ", which is no token id");
    }
    ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

// [n, 3, S, S], split into pictures; none where the file has none.
Result<std::vector<std::vector<float>>> ReadPixels(const TensorMap& tensors, const Model& model,
                                                   const std::string& path) {
  std::vector<std::vector<float>> pictures;
  const auto found = tensors.find("pixel_values");
  if (found == tensors.end()) return pictures;
  const ModelConfig& config = model.config();
  if (!config.has_vision) {
    return Fail(ErrorCode::kUnsupported, path, ": has pixel_values, but ", config.name,
                " reads text only");
  }
  const TensorView& view = found->second;
  const size_t side = config.vision.image_size;
  const size_t channels = config.vision.num_channels;
  const std::vector<uint64_t>& shape = view.shape;
  if (view.type != TensorType::kF32 || shape.size() != 4 || shape[1] != channels ||
      shape[2] != side || shape[3] != side) {
    return Fail(ErrorCode::kInvalidArgument, path, ": pixel_values is ", InfoOf(view.type).name,
                " ", ShapeString(shape), "; expected F32 of shape [pictures, ", channels, ", ",
                side, ", ", side, "]");
  }
  const size_t size = channels * side * side;
  for (size_t i = 0; i < shape[0]; ++i) pictures.push_back(Copy<float>(view, i * size, size));
  return pictures;
}

TensorView ViewOf(const std::vector<float>& values, size_t rows, const std::string& file) {
  TensorView view;
  view.type = TensorType::kF32;
  view.shape = {rows, values.size() / rows};
  view.data = reinterpret_cast<const std::byte*>(values.data());
  view.bytes = values.size() * sizeof(float);
  view.file = &file;
  return view;
}

Status Compute(const Model& model, SessionOptions options, const std::string& input_path,
               const std::string& output_path, bool with_hidden) {
  GEMMA3_TRY(const SafetensorsSet file, OpenSafetensors(input_path));
  TokenInput input;
  GEMMA3_TRY(input.ids, ReadIds(file.tensors, input_path));
  GEMMA3_TRY(input.pixel_values, ReadPixels(file.tensors, model, input_path));
  const size_t rows = input.ids.size();
  if (rows == 0) {
    return Fail(ErrorCode::kInvalidArgument, input_path, ": input_ids is empty");
  }
  // Long inputs need no --context; one beyond the trained context is for the library to refuse.
  if (options.context == 0) options.context = std::min(rows, model.config().text.max_context);
  GEMMA3_TRY(Evaluator evaluator, Evaluator::Create(model, options));

  HiddenStates hidden;
  const auto compute = [&] {
    const CancelOnInterrupt scope(evaluator);
    return evaluator.Logits(input, with_hidden ? &hidden : nullptr);
  };
  GEMMA3_TRY(const std::vector<float> logits, compute());
  TensorMap tensors;
  tensors["logits"] = ViewOf(logits, rows, output_path);
  if (with_hidden) {
    tensors["hidden_first"] = ViewOf(hidden.first, rows, output_path);
    tensors["hidden_final"] = ViewOf(hidden.last, rows, output_path);
  }
  return WriteSafetensors(output_path, tensors);
}

}  // namespace

int LogitsCommand(int argc, const char* const* argv) {
  Settings settings;
  std::string input, output, reference = "f32";
  bool hidden = false;
  Args args(
      "logits", "MODEL --input IN.safetensors --output OUT.safetensors",
      "Reads input_ids (I64 [tokens]) and, for pictures, pixel_values (F32 [n, 3, S, S], in\n"
      "the order of the image blocks in input_ids). Writes logits (F32 [tokens, vocab]), as a\n"
      "model in float32 has them; to compare with one that was cast to bf16: --reference bf16.");
  args.AddText("--input", "FILE", &input, "safetensors file to read");
  args.AddText("--output", "FILE", &output, "safetensors file to write");
  args.AddText("--reference", "bf16|f32", &reference,
               "what the other implementation rounded: bf16, the embedding's scale and the rotary "
               "frequencies, with model.to(bfloat16); f32 (default), neither");
  args.AddFlag("--hidden", &hidden,
               "also write hidden_first (behind the first layer) and hidden_final (behind the last "
               "norm)");
  args.AddSettings(&settings, {SettingGroup::kSession, SettingGroup::kModel},
                   {"image-cache", "pan-and-scan", "image-newlines", "draft", "parallel",
                    "prompt-cache", "prompt-cache-max"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() != 1) return args.UsageError("expects one MODEL");
  if (input.empty() || output.empty()) return args.UsageError("needs --input and --output");
  if (reference != "f32" && reference != "bf16") {
    return args.UsageError("--reference takes bf16 or f32, not \"" + reference + "\"");
  }
  settings.session.reference =
      reference == "bf16" ? ReferenceRounding::kBF16 : ReferenceRounding::kF32;

  const auto opened = LoadModel(args.words()[0], settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  const Status status =
      Compute(opened->model, opened->Session(settings.session), input, output, hidden);
  if (status) return kExitOk;
  // A safetensors file that is damaged is here the user's input, not a model.
  if (status.error().code == ErrorCode::kBadModel) {
    PrintError(status.error().message);
    return kExitRuntime;
  }
  return Report(status.error());
}

}  // namespace gemma3::cli
