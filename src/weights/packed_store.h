// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A folder that keeps the packed matrices of models, so that the next start maps them instead of
// packing again. Everything else of a model, its configuration, tokenizer, norms and remarks, comes
// from its own files each time.
//
// An entry is one file of packed matrices (packed_file.h). What it was made from is written in it
// and compared on opening: the identity of the model's files (fingerprint.h), how each matrix is
// stored in them, and the wanted form. Its name is a hash of that. An entry that does not serve,
// for whatever reason, is made anew. Several processes may use one folder: files appear whole, two
// that pack one model write the same, and a mapped file outlives its name.
#pragma once

#include <cstddef>
#include <string>

#include "gemma3/error.h"
#include "gemma3/options.h"
#include "src/formats/checkpoint.h"
#include "src/weights/weights.h"

namespace gemma3 {

struct StoreEntry {
  std::string path;    // of its file, whether there is one or not
  std::string source;  // what it is made from
};

// The entry for this checkpoint and these options, in options.cache_folder. To be called before
// weights are read. Errors: those of FingerprintOf; then nothing should be kept.
Result<StoreEntry> EntryFor(const Checkpoint& checkpoint, const LoadOptions& options);

// The checkpoint with the entry's matrices in the places of its own, and notes that it was used.
// Errors: kIo; kBadModel where the entry is missing, damaged, of another version or source, or does
// not fit.
Result<Checkpoint> WithKeptMatrices(const Checkpoint& checkpoint, const StoreEntry& entry);

// Keeps what LoadWeights has rewritten of the checkpoint, making the folder if need be. Progress:
// Stage::kWriting. Errors: kIo; kCancelled; kBadModel if the checkpoint's files have changed since.
// Then nothing new is left in the folder.
Status KeepMatrices(const Checkpoint& checkpoint, const ModelWeights& weights,
                    const StoreEntry& entry, const ProgressCallback& on_progress);

// Removes what crashed processes have left, and the entries used longest ago until all take at most
// `max_bytes`. The file at `keep` stays.
void TrimPackedStore(const std::string& folder, size_t max_bytes, const std::string& keep);

}  // namespace gemma3
