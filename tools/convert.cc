// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 convert: a model as one file that starts at once.

#include <string>

#include "gemma3/gemma3.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/models.h"
#include "tools/progress.h"

namespace gemma3::cli {

int ConvertCommand(int argc, const char* const* argv) {
  Settings settings;
  Args args("convert", "MODEL OUT.gemma3 --weights int8|int4|bf16",
            "Writes MODEL to one file with its weights packed for the kernels. The file holds the\n"
            "tokenizer and the vision part too, and is mapped into memory as it is. --lora merges\n"
            "adapters into the weights.");
  args.AddSettings(&settings, {SettingGroup::kModel}, {"cache", "draft"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() != 2) return args.UsageError("expects MODEL and OUT.gemma3");

  const std::string& name = args.words()[0];
  const auto model = InspectModel(name, settings);  // shows its warnings
  if (!model) return Report(model.error(), During::kLoad);
  ProgressLine progress;
  settings.load.on_progress = [&](const Progress& p) {
    progress.Update(p);
    return true;
  };
  const Status status = ConvertMerged(name == "demo" ? model->path() : name, settings.lora,
                                      args.words()[1], settings.load);
  progress.Erase();
  return status ? kExitOk : Report(status.error(), During::kLoad);
}

}  // namespace gemma3::cli
