// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The same measurement by another engine: llama.cpp's llama-bench, old or new, or ik_llama.cpp's,
// or any program with their options and output.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gemma3/error.h"

namespace gemma3::cli {

struct PeerRequest {
  std::vector<std::string> command;  // a path or a name to look up in PATH; options of its own
  std::string model;                 // a GGUF file
  size_t threads = 1;
  size_t repeat = 1;
  std::vector<size_t> prefill = {};  // prompt lengths
  std::vector<size_t> depths = {};   // tokens in the cache before decoding
  size_t decode = 0;                 // tokens to decode at each depth; 0: none
};

struct PeerResult {
  bool prefill = false;          // else decode
  size_t tokens = 0;             // of the prompt, or in the cache
  double tokens_per_second = 0;  // of the fastest run
};

// Runs the program and waits for it; what it writes to standard error is dropped. Errors:
// kInvalidArgument if it cannot be started or fails, kCancelled if a signal ended it, kUnsupported
// for output that is not llama-bench's.
Result<std::vector<PeerResult>> RunPeer(const PeerRequest& request);

}  // namespace gemma3::cli
