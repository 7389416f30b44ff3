// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_processor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "src/base/status.h"
#include "src/formats/hf_source.h"

namespace gemma3 {
namespace {

std::unexpected<Error> OtherPreparation(const JsonValue& value, const char* expected) {
  return Fail(ErrorCode::kUnsupported, value.Path(), " is ", value.Excerpt(), ", expected ",
              expected, ": pictures are prepared in the way of the published models alone");
}

// image_mean and image_std: 0.5 for each channel.
bool IsHalf(const JsonValue& value) {
  const auto half = [](const JsonValue& number) {
    const auto read = number.AsDouble();
    return read && *read == 0.5;
  };
  if (!value.IsArray()) return half(value);
  bool all = value.size() == 3;
  for (size_t i = 0; all && i < 3; ++i) all = half(value[i]);
  return all;
}

Status CheckNormalisation(const JsonValue& processor) {
  for (const char* key : {"image_mean", "image_std"}) {
    const auto value = processor.Find(key);
    if (value && !IsHalf(*value)) return OtherPreparation(*value, "[0.5, 0.5, 0.5]");
  }
  GEMMA3_TRY(const double factor, processor.Double("rescale_factor", 1.0 / 255));
  if (std::abs(factor * 255 - 1) > 1e-6) {
    return OtherPreparation(*processor.Find("rescale_factor"), "1/255");
  }
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"}) {
    GEMMA3_TRY(const bool on, processor.Bool(key, true));
    if (!on) return OtherPreparation(*processor.Find(key), "true");
  }
  for (const char* key : {"do_center_crop", "do_pad", "do_image_splitting"}) {
    GEMMA3_TRY(const bool on, processor.Bool(key, false));
    if (on) return OtherPreparation(*processor.Find(key), "false");
  }
  if (const auto resample = processor.Find("resample")) {
    constexpr uint64_t kPillowBilinear = 2;
    const auto number = resample->AsUint();
    const auto name = resample->AsString();
    if (!(number && *number == kPillowBilinear) && !(name && *name == "bilinear")) {
      return OtherPreparation(*resample, "2 (bilinear)");
    }
  }
  return {};
}

Status CheckSize(const JsonValue& processor, uint64_t image_size) {
  const auto size = processor.Find("size");
  if (!size) return {};
  const auto check = [&](const JsonValue& side) -> Status {
    GEMMA3_TRY(const uint64_t pixels, side.AsUint());
    if (pixels == image_size) return {};
    return Fail(ErrorCode::kBadModel, side.Path(), " is ", pixels,
                ", but vision_config.image_size is ", image_size);
  };
  if (!size->IsObject()) return check(*size);
  for (const auto& [key, side] : size->Members()) {
    if (side.IsNull()) continue;
    if (key != "height" && key != "width") return OtherPreparation(side, "height and width alone");
    GEMMA3_CHECK_OK(check(side));
  }
  return {};
}

}  // namespace

Status ReadHfProcessor(const JsonValue& processor, ModelConfig* config, Remarks* remarks) {
  const VisionConfig& vision = config->vision;
  PanAndScanConfig& pan = config->pan_and_scan;
  GEMMA3_CHECK_OK(CheckNormalisation(processor));
  GEMMA3_CHECK_OK(CheckSize(processor, vision.image_size));
  GEMMA3_TRY(pan.enabled, processor.Bool("do_pan_and_scan", pan.enabled));
  GEMMA3_TRY(pan.min_crop_size, processor.Uint("pan_and_scan_min_crop_size", pan.min_crop_size));
  GEMMA3_TRY(pan.max_num_crops, processor.Uint("pan_and_scan_max_num_crops", pan.max_num_crops));
  GEMMA3_TRY(pan.min_ratio_to_activate,
             FloatMember(processor, "pan_and_scan_min_ratio_to_activate",
                         static_cast<double>(pan.min_ratio_to_activate)));
  if (pan.min_crop_size < 1 || pan.min_crop_size > 1 << 20 || pan.max_num_crops < 1 ||
      pan.max_num_crops > 256 || !(pan.min_ratio_to_activate >= 0)) {
    return Fail(ErrorCode::kBadModel, processor.Path(),
                ": impossible pan_and_scan values: crops of ", pan.min_crop_size,
                " pixels, at most ", pan.max_num_crops, ", from a ratio of ",
                pan.min_ratio_to_activate);
  }
  GEMMA3_TRY(const uint64_t tokens, processor.Uint("image_seq_length", vision.tokens_per_image));
  if (tokens != vision.tokens_per_image) {
    remarks->notes.push_back(processor.Path() + ": image_seq_length is " + std::to_string(tokens) +
                             "; using mm_tokens_per_image of config.json, " +
                             std::to_string(vision.tokens_per_image));
  }
  return {};
}

}  // namespace gemma3
