// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What identifies the files of a model, for what is kept about them elsewhere.
//
// Reading gigabytes to tell whether they are those of last time would cost what keeping is to save,
// and reading samples misses edits between them. So it is not the content that counts but what the
// system says of each file (FileIdentity in base/file_map.h). That errs on one side only: a copy,
// a file that was moved to another disk, renamed, or given other rights, counts as another model
// and costs one more packing. A hard link or a symbolic one is the same file, as it should be.
#pragma once

#include <string>

#include "gemma3/error.h"
#include "src/formats/checkpoint.h"

namespace gemma3 {

// One line for all files of the checkpoint in their order, to be compared as a whole. Where a file
// was written so short ago that a further change might bear the same time, this first waits until
// one cannot, a fiftieth of a second at most; so whatever is read from the files after this call is
// content that the line stands for, or else a later line is another one.
// Errors: kBadModel if a file has changed since it was opened.
Result<std::string> FingerprintOf(const Checkpoint& checkpoint);

}  // namespace gemma3
