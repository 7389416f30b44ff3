// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What keys and values of a saved state depend on: whoever has the same can go on from them.
#pragma once

#include "src/engine/loaded_model.h"
#include "src/engine/resolve.h"
#include "src/model/state_file.h"

namespace gemma3 {

// The model is named by a digest: its shape, all its norms, and samples from all over each matrix
// in the form that it has in memory. Not by its files, as packed matrices are: a state should
// follow a model that was moved or copied. Training and quantising change nearly every number of a
// matrix that they touch, so samples tell models apart; numbers that somebody changed by hand they
// do not.
StateIdentity IdentityOf(const LoadedModel& model, const ResolvedOptions& options);

}  // namespace gemma3
