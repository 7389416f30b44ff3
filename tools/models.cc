// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/models.h"

#include <chrono>
#include <filesystem>
#include <system_error>
#include <vector>

#include "src/base/home.h"
#include "src/base/status.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/terminal.h"

#ifndef GEMMA3_DEMO_DIR
#define GEMMA3_DEMO_DIR ""
#endif

namespace gemma3::cli {
namespace {

namespace fs = std::filesystem;

Result<std::string> FindDemo() {
  std::vector<fs::path> places;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) places.push_back(program.parent_path().parent_path() / "share/gemma3/demo");
  if (*GEMMA3_DEMO_DIR != '\0') places.emplace_back(GEMMA3_DEMO_DIR);
  std::string looked;
  for (const fs::path& place : places) {
    if (fs::exists(place / "config.json", error)) return place.string();
    looked += (looked.empty() ? "" : " and ") + place.string();
  }
  return Fail(ErrorCode::kIo, "the demo model is not installed; looked in ", looked);
}

// Names other than the demo's are for the library to find: it also finds the vision part that a
// store keeps beside a model.
Result<std::string> PathOf(const std::string& name) {
  return name == "demo" ? FindDemo() : Result<std::string>(name);
}

void ShowWarnings(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    WriteStderr("warning: " + SanitizeForTerminal(warning) + "\n");
  }
}

}  // namespace

Result<std::string> ResolveModel(const std::string& name) {
  if (name == "demo") return FindDemo();
  return FindModel(name);
}

std::string DefaultCacheFolder() {
  const std::string folder = UserCacheFolder();
  return folder.empty() ? folder : folder + "/gemma3";
}

Result<ModelInfo> InspectModel(const std::string& name, const Settings& settings) {
  GEMMA3_TRY(const std::string path, PathOf(name));
  GEMMA3_TRY(ModelInfo info, Model::Inspect(path, settings.load));
  ShowWarnings(info.warnings());
  return info;
}

Result<OpenedModel> LoadModel(const std::string& name, const Settings& settings, bool keep,
                              const CancelFlag& stop) {
  const auto start = std::chrono::steady_clock::now();
  GEMMA3_TRY(const std::string path, PathOf(name));
  if (settings.session.max_memory_bytes != 0) {
    GEMMA3_TRY(const ModelInfo info, Model::Inspect(path, settings.load));
    GEMMA3_CHECK_OK(info.Plan(settings.session));
  }
  LoadOptions options = settings.load;
  if (settings.cache) options.cache_folder = DefaultCacheFolder();
  ProgressLine progress;
  options.on_progress = [&](const Progress& p) {
    progress.Update(p);
    return !stop.cancelled();
  };
  GEMMA3_TRY(Model model, Model::Load(path, options));
  progress.Erase();
  ShowWarnings(model.warnings());
  // Never destroyed: at the end of the process the system takes the memory back at once, while
  // destructors would walk through the vocabulary, a tenth of the time of a short answer.
  static auto* const kept = new std::vector<Model>;
  if (keep) kept->push_back(model);
  std::optional<Model> draft;
  if (!settings.draft.empty()) {
    GEMMA3_TRY(const std::string draft_path, PathOf(settings.draft));
    GEMMA3_TRY(draft, Model::Load(draft_path, options));
    progress.Erase();
    ShowWarnings(draft->warnings());
    if (keep) kept->push_back(*draft);
  }
  std::vector<AdapterUse> adapters;
  for (const AdapterPath& lora : settings.lora) {
    GEMMA3_TRY(Adapter adapter, Adapter::Load(model, lora.path));
    ShowWarnings(adapter.warnings());
    adapters.push_back({std::move(adapter), lora.scale});
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return OpenedModel{std::move(model), took.count(), std::move(draft), std::move(adapters)};
}

void WarnAboutChat(const Model& model, bool translates) {
  const char* warning = nullptr;
  switch (model.config().chat_template.kind) {
    case ChatTemplateKind::kNone:
      warning =
          "the model's files hold no chat template. A pretrained model continues text: gemma3 run "
          "--raw; here it is asked in Gemma's turns all the same";
      break;
    case ChatTemplateKind::kShieldGemma2:
      warning = "this is ShieldGemma 2, which judges pictures: gemma3 classify";
      break;
    case ChatTemplateKind::kTranslateGemma:
      break;
    case ChatTemplateKind::kGemma3:
    case ChatTemplateKind::kFunctionGemma:
    case ChatTemplateKind::kOther:
      if (translates) {
        warning =
            "the model's chat template is not TranslateGemma's; it is asked in TranslateGemma's "
            "words all the same";
      }
      break;
  }
  if (warning != nullptr) WriteStderr(std::string("warning: ") + warning + "\n");
}

}  // namespace gemma3::cli
