// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// preprocessor_config.json and processor_config.json: how pictures are made fit for the tower.
//
// The image code resizes by its own rules (src/image/preprocess.h), those of the published files:
// bilinear to image_size x image_size, then (x / 255 - 0.5) / 0.5. Files that ask for anything else
// are refused.
#pragma once

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/json.h"
#include "src/base/remarks.h"

namespace gemma3 {

// Checks one processor object against config->vision and reads pan-and-scan. Errors: kBadModel;
// kUnsupported for another preparation of pictures.
Status ReadHfProcessor(const JsonValue& processor, ModelConfig* config, Remarks* remarks);

}  // namespace gemma3
