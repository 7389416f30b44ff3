// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 inspect: what a model is made of, and the memory it will need.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/models.h"
#include "tools/output.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

struct TypeTotal {
  size_t tensors = 0;
  size_t bytes = 0;
};

std::map<std::string, TypeTotal> TotalsByType(const ModelInfo& model) {
  std::map<std::string, TypeTotal> totals;
  for (const TensorInfo& tensor : model.tensors()) {
    ++totals[tensor.type].tensors;
    totals[tensor.type].bytes += tensor.bytes;
  }
  return totals;
}

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::string text;
  for (const uint64_t size : shape) text += (text.empty() ? "[" : ", ") + std::to_string(size);
  return text.empty() ? "[]" : text + "]";
}

// Layers as runs: "5 local, 1 global, ..." would be long; what matters is how many of each.
size_t GlobalLayers(const TextConfig& config) {
  size_t count = 0;
  for (const LayerKind kind : config.layers) count += kind == LayerKind::kGlobal;
  return count;
}

nlohmann::ordered_json ToJson(const ModelInfo& model, size_t context, const MemoryPlan& plan,
                              bool with_tensors) {
  const ModelConfig& config = model.config();
  const TextConfig& text = config.text;
  nlohmann::ordered_json json;
  json["name"] = config.name;
  json["path"] = model.path();
  json["text"] = {{"layers", text.num_layers},
                  {"global_layers", GlobalLayers(text)},
                  {"hidden_size", text.hidden_size},
                  {"intermediate_size", text.intermediate_size},
                  {"heads", text.num_heads},
                  {"kv_heads", text.num_kv_heads},
                  {"head_dim", text.head_dim},
                  {"vocab_size", text.vocab_size},
                  {"sliding_window", text.sliding_window},
                  {"max_context", text.max_context},
                  {"attention_scale", text.attention_scale},
                  {"rms_norm_eps", text.rms_norm_eps},
                  {"rope_theta_global", text.rope_theta_global},
                  {"rope_theta_local", text.rope_theta_local},
                  {"rope_factor_global", text.rope_factor_global}};
  if (config.has_vision) {
    const VisionConfig& vision = config.vision;
    json["vision"] = {{"layers", vision.num_layers},
                      {"hidden_size", vision.hidden_size},
                      {"intermediate_size", vision.intermediate_size},
                      {"heads", vision.num_heads},
                      {"image_size", vision.image_size},
                      {"patch_size", vision.patch_size},
                      {"tokens_per_image", vision.tokens_per_image}};
  }
  json["generation"] = {{"temperature", config.generation.temperature},
                        {"top_k", config.generation.top_k},
                        {"top_p", config.generation.top_p},
                        {"min_p", config.generation.min_p},
                        {"repeat_penalty", config.generation.repeat_penalty},
                        {"stop_tokens", config.generation.stop_tokens}};
  json["generation"]["stop"] = config.generation.stop;
  json["chat_template"] = config.chat_template.name;
  json["languages"] = config.chat_template.languages.size();
  json["system"] = config.system;
  json["defaults_from"] = config.defaults_from;
  if (with_tensors) {
    json["tensors"] = nlohmann::ordered_json::array();
    for (const TensorInfo& tensor : model.tensors()) {
      json["tensors"].push_back({{"name", tensor.name},
                                 {"type", tensor.type},
                                 {"shape", tensor.shape},
                                 {"bytes", tensor.bytes},
                                 {"file", tensor.file}});
    }
  }
  for (const auto& [type, total] : TotalsByType(model)) {
    json["types"][type] = {{"tensors", total.tensors}, {"bytes", total.bytes}};
  }
  json["memory"] = {{"context", context},        {"weights", plan.weights},
                    {"kv_cache", plan.kv_cache}, {"activations", plan.activations},
                    {"vision", plan.vision},     {"tokenizer", plan.tokenizer},
                    {"program", plan.program},   {"total", plan.total()}};
  json["notes"] = model.notes();
  json["warnings"] = model.warnings();
  return json;
}

std::string ToText(const ModelInfo& model, size_t context, const MemoryPlan& plan,
                   bool with_tensors) {
  const ModelConfig& config = model.config();
  const TextConfig& t = config.text;
  std::string text = config.name + "\n  path        " + model.path() + "\n";
  text += Format("  text        %zu layers (%zu global), hidden %zu, mlp %zu\n", t.num_layers,
                 GlobalLayers(t), t.hidden_size, t.intermediate_size);
  text += Format("  attention   %zu heads, %zu for keys and values, size %zu, window %zu\n",
                 t.num_heads, t.num_kv_heads, t.head_dim, t.sliding_window);
  text += Format("  rope        global base %g, positions divided by %g; local base %g\n",
                 t.rope_theta_global, t.rope_factor_global, t.rope_theta_local);
  text +=
      Format("  vocabulary  %zu tokens\n  context     %zu tokens\n", t.vocab_size, t.max_context);
  if (config.has_vision) {
    const VisionConfig& v = config.vision;
    text += Format(
        "  vision      %zu layers, hidden %zu, mlp %zu, %zu heads; pictures of %zu x %zu in\n"
        "              patches of %zu, %zu tokens each\n",
        v.num_layers, v.hidden_size, v.intermediate_size, v.num_heads, v.image_size, v.image_size,
        v.patch_size, v.tokens_per_image);
  } else {
    text += "  vision      none\n";
  }
  text += Format("  sampling    temperature %g, top-k %d, top-p %g, min-p %g, repeat-penalty %g\n",
                 config.generation.temperature, config.generation.top_k, config.generation.top_p,
                 config.generation.min_p, config.generation.repeat_penalty);
  const ChatTemplate& chat = config.chat_template;
  text += "  chat        " + (chat.name.empty() ? "no template" : chat.name);
  if (!chat.languages.empty()) text += Format(", %zu languages", chat.languages.size());
  text += "\n";
  for (const std::string& stop : config.generation.stop) text += "  stop        " + stop + "\n";
  if (!config.system.empty()) text += "  system      " + config.system + "\n";
  if (!config.defaults_from.empty()) text += "  defaults    from " + config.defaults_from + "\n";

  if (with_tensors) {
    size_t name_width = 0, shape_width = 0;
    for (const TensorInfo& tensor : model.tensors()) {
      name_width = std::max(name_width, tensor.name.size());
      shape_width = std::max(shape_width, ShapeText(tensor.shape).size());
    }
    text += "\nTensors\n";
    for (const TensorInfo& tensor : model.tensors()) {
      const std::string file = std::filesystem::path(tensor.file).filename().string();
      text +=
          Format("  %-*s  %-5s  %-*s  %10s  %s\n", static_cast<int>(name_width),
                 tensor.name.c_str(), tensor.type.c_str(), static_cast<int>(shape_width),
                 ShapeText(tensor.shape).c_str(), BytesText(tensor.bytes).c_str(), file.c_str());
    }
  }
  text += "\nTypes\n";
  for (const auto& [type, total] : TotalsByType(model)) {
    text += Format("  %-5s  %5zu tensors  %10s\n", type.c_str(), total.tensors,
                   BytesText(total.bytes).c_str());
  }
  text += Format("\nMemory at a context of %zu tokens\n", context);
  const auto line = [&text](const char* name, size_t bytes) {
    text += Format("  %-12s  %10s\n", name, BytesText(bytes).c_str());
  };
  line("weights", plan.weights);
  line("kv cache", plan.kv_cache);
  line("activations", plan.activations);
  line("vision", plan.vision);
  line("tokenizer", plan.tokenizer);
  line("program", plan.program);
  line("total", plan.total());
  if (!model.warnings().empty()) text += "\nWarnings\n";
  for (const std::string& warning : model.warnings()) text += "  " + warning + "\n";
  if (!model.notes().empty()) text += "\nNotes\n";
  for (const std::string& note : model.notes()) text += "  " + note + "\n";
  return text;
}

}  // namespace

int InspectCommand(int argc, const char* const* argv) {
  Settings settings;
  bool json = false;
  bool no_tensors = false;
  Args args("inspect", "MODEL",
            "Prints the configuration, the tensors, and the memory that a session will need.");
  args.AddFlag("--json", &json, "print one JSON object");
  args.AddFlag("--no-tensors", &no_tensors, "leave the list of tensors out");
  args.AddSettings(
      &settings, {SettingGroup::kSession, SettingGroup::kModel},
      {"max-memory", "image-newlines", "draft", "lora", "prompt-cache", "prompt-cache-max"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() != 1) return args.UsageError("expects one MODEL");

  const auto opened = InspectModel(args.words()[0], settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  const ModelInfo& model = *opened;
  const auto session = model.Resolve(settings.session);
  if (!session) return Report(session.error());
  const auto plan = model.Plan(*session);
  if (!plan) return Report(plan.error());
  Output out;
  out.Write(json ? ToJson(model, session->context, *plan, !no_tensors)
                           .dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                       "\n"
                 : ToText(model, session->context, *plan, !no_tensors));
  return out.Finish(kExitOk);
}

}  // namespace gemma3::cli
