// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The files that the program keeps to start faster: packed weights, and states behind prompts. All
// of them can be made again. They are known by their names, hashes of what they hold, together with
// their content, so that a model or a conversation that a user saved is never taken for one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "gemma3/error.h"

namespace gemma3::cli {

struct KeptFile {
  enum class Kind {
    kPacked,    // packed weights, without the rest of their model
    kPrompt,    // the state behind a prompt
    kSaved,     // a state that a user saved under a name: listed, and never cleared
    kLeftover,  // of a process that ended while it was writing
  };
  Kind kind;
  std::string path;
  std::string description;  // what is known of the content: the model and the form of its weights
  uint64_t bytes;           // on the disk
  time_t used;              // last
};

struct KeptKinds {
  bool packed = true;
  bool prompts = true;
};

// The files of these kinds in `folder` itself, the last used first. Symbolic links and what cannot
// be read are left out. Errors: kIo where the folder cannot be read.
Result<std::vector<KeptFile>> FindKeptFiles(const std::string& folder, KeptKinds kinds);

// "5 minutes ago".
std::string AgeText(time_t then, time_t now);

}  // namespace gemma3::cli
