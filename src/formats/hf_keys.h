// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Keys of config.json that nothing here reads. Related architectures share Gemma 3's keys and add
// their own; a file that uses one of those describes another computation, and must not be taken for
// a Gemma 3 because its tensors happen to fit.
#pragma once

#include "gemma3/error.h"
#include "src/base/json.h"
#include "src/base/remarks.h"

namespace gemma3 {

enum class HfPart { kRoot, kText, kVision };

// Looks at every key of one object. Errors: kUnsupported, naming the key, for a setting of another
// architecture that is switched on. Keys that are neither read nor known to mean nothing for an
// answer are listed in one note.
Status CheckHfKeys(const JsonValue& object, HfPart part, Remarks* remarks);

}  // namespace gemma3
