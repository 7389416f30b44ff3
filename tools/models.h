// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From what a user calls a model to the model.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gemma3/model.h"
#include "tools/options.h"

namespace gemma3::cli {

// "demo" is the model that comes with the program, from ../share/gemma3/demo beside the program or
// from the source tree it was built in; any other name is for FindModel. A folder called demo is
// reached as ./demo. Errors: kIo.
Result<std::string> ResolveModel(const std::string& name);

// Where packed weights are kept: gemma3 in $XDG_CACHE_HOME or ~/.cache. Empty without a home.
std::string DefaultCacheFolder();

struct OpenedModel {
  Model model;
  double seconds;                         // that loading took
  std::optional<Model> draft_model = {};  // that --draft names
  std::vector<AdapterUse> adapters = {};  // that --lora names

  // The settings of a session, with the adapters.
  SessionOptions Session(SessionOptions options) const {
    options.adapters = adapters;
    return options;
  }
  const Model* draft() const { return draft_model ? &*draft_model : nullptr; }
};

// Prints the model's warnings to standard error. Where a limit to memory is set, what model and
// session need together is compared with it before anything is packed. Errors: those of
// ResolveModel and Model::Load; During::kLoad is their exit code. keep: until the process ends,
// which then spends no time on it; else the memory goes with the last handle. stop: ends it, with
// kCancelled.
Result<OpenedModel> LoadModel(const std::string& name, const Settings& settings, bool keep = true,
                              const CancelFlag& stop = {});

// The same from the headers of its files.
Result<ModelInfo> InspectModel(const std::string& name, const Settings& settings);

// Says on standard error what a conversation with the model has to reckon with: no chat template in
// its files, or one of a model that is for something else. `translates`: with a request's
// languages.
void WarnAboutChat(const Model& model, bool translates);

}  // namespace gemma3::cli
