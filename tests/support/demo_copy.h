// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The demo model with other small files beside its weights.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "gemma3/model.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {

class DemoCopy {
 public:
  DemoCopy() {
    for (const auto& entry : std::filesystem::directory_iterator(GEMMA3_DEMO_DIR)) {
      std::filesystem::create_symlink(std::filesystem::absolute(entry.path()),
                                      Path(entry.path().filename().string()));
    }
  }

  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  const std::string& folder() const { return folder_.path(); }

  void Remove(const std::string& name) { std::filesystem::remove(Path(name)); }
  // Replaces a file.
  void Write(const std::string& name, const std::string& text) {
    Remove(name);
    folder_.Write(name, text);
  }
  void Edit(const std::string& name, const std::function<void(nlohmann::json&)>& edit) {
    std::ifstream in(Path(name));
    nlohmann::json json = nlohmann::json::parse(in);
    edit(json);
    Write(name, json.dump());
  }

  Model Load() const {
    auto model = Model::Load(folder());
    if (!model) {
      ADD_FAILURE() << model.error().message;
      std::exit(1);
    }
    return *std::move(model);
  }

 private:
  TempFolder folder_;
};

}  // namespace gemma3::testing
