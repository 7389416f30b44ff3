// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The shape of a model, as read from its files. Plain data: every size of Gemma 3 is a value of
// these structs, and no compute code branches on a size by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gemma3 {

using TokenId = int32_t;

enum class LayerKind : uint8_t { kLocal, kGlobal };

// Token ids with a meaning to the model. They enter a prompt only through the chat template and
// image expansion, never by encoding text. -1: the model has none.
struct SpecialTokens {
  TokenId pad = 0;
  TokenId eos = 1;
  TokenId bos = 2;
  TokenId start_of_turn = 105;
  TokenId end_of_turn = 106;
  TokenId start_of_image = 255999;
  TokenId end_of_image = 256000;
  TokenId image_soft_token = 262144;
};

struct TextConfig {
  size_t vocab_size = 0;  // rows of the embedding table, padding rows included
  size_t hidden_size = 0;
  size_t intermediate_size = 0;
  size_t num_layers = 0;
  size_t num_heads = 0;
  size_t num_kv_heads = 0;
  size_t head_dim = 0;        // never hidden_size / num_heads: they differ in most sizes
  float attention_scale = 0;  // query_pre_attn_scalar ^ -0.5
  float rms_norm_eps = 1e-6f;
  // Local layers see this many keys, the query's own included; where attention is bidirectional, as
  // many on either side.
  size_t sliding_window = 0;
  size_t max_context = 0;  // trained context in tokens
  float rope_theta_global = 1e6f;
  float rope_theta_local = 1e4f;
  float rope_factor_global = 1;     // positions are divided by this in global layers only
  std::vector<LayerKind> layers;    // [num_layers]
  bool tie_word_embeddings = true;  // the embedding table is the output head, too
  bool bidirectional = false;       // tokens see those behind them: embedding models alone
};

// A text that is put before another one to say what its vector is for.
struct TaskPrompt {
  std::string name;  // "query"
  std::string text;  // "task: search result | query: "
  bool operator==(const TaskPrompt&) const = default;
};

enum class DenseActivation : uint8_t { kNone, kTanh };

// A linear layer behind the mean.
struct DenseConfig {
  size_t inputs = 0;
  size_t outputs = 0;
  bool bias = false;
  DenseActivation activation = DenseActivation::kNone;
};

// How an embedding model makes a vector of a text: the mean of its states, then these layers.
struct EmbeddingConfig {
  std::vector<DenseConfig> dense;
  bool normalize = true;  // to length 1, last
  bool add_bos = true;    // what stands around a text
  bool add_eos = true;
  size_t max_tokens = 0;  // of a text, with its prompt and what stands around it
  std::vector<TaskPrompt> prompts;
  std::string default_prompt = {};  // the name of that which is used where nobody names one
};

// SigLIP tower and the projector behind it.
struct VisionConfig {
  size_t hidden_size = 0;
  size_t intermediate_size = 0;
  size_t num_layers = 0;
  size_t num_heads = 0;
  size_t image_size = 0;  // pixels; images are resized to image_size x image_size
  size_t patch_size = 0;
  size_t num_channels = 3;
  float layer_norm_eps = 1e-6f;
  size_t tokens_per_image = 0;  // soft tokens after pooling; a square number

  size_t patches_per_side() const { return image_size / patch_size; }
  size_t num_patches() const { return patches_per_side() * patches_per_side(); }
  size_t head_dim() const { return hidden_size / num_heads; }
};

// Published pan-and-scan parameters.
struct PanAndScanConfig {
  bool enabled = false;  // do_pan_and_scan of the model's files
  size_t min_crop_size = 256;
  size_t max_num_crops = 4;
  float min_ratio_to_activate = 1.2f;
};

// What generation_config.json recommends; Gemma's published values where it is silent. Of a file
// that says do_sample false, the temperature is 0.
struct GenerationDefaults {
  float temperature = 1.0f;
  int top_k = 64;
  float top_p = 0.95f;
  float min_p = 0;
  float repeat_penalty = 1;
  // Of raw text. Chats also end where the vocabulary's marks say that the turn is over.
  std::vector<TokenId> stop_tokens = {1, 106};
  std::optional<size_t> repeat_last_n = {};  // where a store says it
  std::vector<std::string> stop = {};        // where a store says some
};

// A language as TranslateGemma's prompt names it.
struct Language {
  std::string code;  // "pt-BR"
  std::string name;  // "Portuguese"
  bool operator==(const Language&) const = default;
};

// Which chat template the model's files hold, seen by its content. Gemma 3's turns and those of the
// kin below are built in; a template is never run.
enum class ChatTemplateKind : uint8_t {
  kNone,            // none, as in pretrained models; some chat models have lost theirs
  kGemma3,          // MedGemma's too
  kTranslateGemma,  // takes requests with languages only: see Message::Translate
  kShieldGemma2,    // judges pictures: see Classifier
  kFunctionGemma,   // has marks for function calls of its own
  kOther,           // not Gemma's; chats are laid out in Gemma's turns all the same
};
struct ChatTemplate {
  ChatTemplateKind kind = ChatTemplateKind::kNone;
  std::string name = {};                 // for people: "Gemma 3", "ChatML"; empty with kNone
  std::vector<Language> languages = {};  // those of TranslateGemma, by rising code
};

struct ModelConfig {
  std::string name;  // folder or file name, or a store's name, for people
  TextConfig text;
  bool has_vision = false;
  VisionConfig vision;
  PanAndScanConfig pan_and_scan;
  SpecialTokens tokens;
  GenerationDefaults generation;
  ChatTemplate chat_template = {};
  std::optional<EmbeddingConfig> embedding = {};  // of a model that makes vectors and no text
  // What a store such as Ollama's wants where the user says nothing.
  std::string system = {};         // the system message
  size_t default_context = 0;      // 0: the library's own default
  std::string defaults_from = {};  // which store set which defaults, for people
};

}  // namespace gemma3
