// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// GGUF files for tests.
#include "tests/support/gguf_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <utility>

#include "src/base/half.h"
#include "src/base/status.h"
#include "src/formats/shape_table.h"
#include "tests/support/model_writer.h"

namespace gemma3::testing {
namespace {

void PutHalf(float value, std::byte* p) {
  const uint16_t half = HalfFromFloat(value);
  std::memcpy(p, &half, sizeof half);
}

std::vector<std::byte> FloatBytes(TensorType type, const std::vector<float>& values) {
  TensorBank bank;
  bank.Add("x", type, {values.size()}, values);
  const TensorView& view = bank.views().at("x");
  return {view.data, view.data + view.bytes};
}

std::string Replace(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// GgufName in Ollama's form, where the tower differs.
std::string OllamaName(const std::string& canonical) {
  if (canonical.find("mlp.fc") != std::string::npos ||
      canonical.find("layer_norm") != std::string::npos) {
    return Replace(canonical, "vision.encoder.layers.", "v.blk.");
  }
  std::string name = GgufName(canonical);
  for (const auto& [from, to] : {std::pair("patch_embd", "patch_embedding"),
                                 {"position_embd", "position_embedding"},
                                 {"attn_out.", "attn_output."},
                                 {"v.post_ln", "v.post_layernorm"},
                                 {"mm.input", "mm.mm_input"},
                                 {"mm.soft", "mm.mm_soft"}}) {
    name = Replace(std::move(name), from, to);
  }
  return name;
}

// Text and projector norms are stored as the whole factor.
bool StoresWholeFactor(const std::string& canonical) {
  return canonical.ends_with("norm.weight") && !canonical.starts_with("vision.");
}

void AddTensors(const ShapeTable& table, uint32_t seed, TensorType matrices, bool ollama,
                bool swap_mlp, GgufWriter* writer) {
  const TensorBank bank = RandomTensors(table, TensorType::kF32, seed);
  for (const auto& [name, view] : bank.views()) {
    std::vector<float> values(view.bytes / sizeof(float));
    std::memcpy(values.data(), view.data, view.bytes);
    if (StoresWholeFactor(name)) {
      for (float& value : values) value += 1;
    }
    std::string stored = ollama ? OllamaName(name) : GgufName(name);
    if (swap_mlp && name.find("mlp.fc") != std::string::npos) {
      const bool up = stored.find("ffn_up") != std::string::npos;
      stored = Replace(stored, up ? "ffn_up" : "ffn_down", up ? "ffn_down" : "ffn_up");
    }
    const TensorTypeInfo& info = InfoOf(matrices);
    if (view.shape.size() != 2 || view.shape[1] % info.block_elems != 0) {
      writer->Tensor(stored, TensorType::kF32, view.shape, FloatBytes(TensorType::kF32, values));
    } else if (info.block_elems == 1) {
      writer->Tensor(stored, matrices, view.shape, FloatBytes(matrices, values));
    } else {
      std::vector<std::byte> blocks = QuantizeBlocks(matrices, values);
      if (blocks.empty()) blocks = RandomBlocks(matrices, values.size(), seed + 1);
      writer->Tensor(stored, matrices, view.shape, std::move(blocks));
    }
  }
}

void AddVisionKeys(const VisionConfig& vision, const std::string& prefix, GgufWriter* writer) {
  const auto put = [&](const char* key, size_t value) {
    writer->Key(prefix + key, static_cast<uint32_t>(value));
  };
  put("image_size", vision.image_size);
  put("patch_size", vision.patch_size);
  put("embedding_length", vision.hidden_size);
  put("feed_forward_length", vision.intermediate_size);
  put("block_count", vision.num_layers);
  put("attention.head_count", vision.num_heads);
  writer->Key(prefix + "attention.layer_norm_epsilon", vision.layer_norm_eps);
}

}  // namespace

std::vector<std::byte> QuantizeBlocks(TensorType type, const std::vector<float>& values) {
  const TensorTypeInfo& info = InfoOf(type);
  const bool five = type == TensorType::kQ5_0 || type == TensorType::kQ5_1;
  const bool with_min = type == TensorType::kQ4_1 || type == TensorType::kQ5_1;
  const bool byte_codes = type == TensorType::kQ8_0;
  if (!five && !with_min && !byte_codes && type != TensorType::kQ4_0) return {};

  std::vector<std::byte> bytes(values.size() / 32 * info.block_bytes);
  for (size_t block = 0; block < values.size() / 32; ++block) {
    const float* x = values.data() + 32 * block;
    std::byte* out = bytes.data() + info.block_bytes * block;
    float extreme = 0, low = x[0], high = x[0];
    for (int i = 0; i < 32; ++i) {
      if (std::abs(x[i]) > std::abs(extreme)) extreme = x[i];
      low = std::min(low, x[i]);
      high = std::max(high, x[i]);
    }
    if (byte_codes) {
      const float d = std::abs(extreme) / 127;
      const float inverse = d != 0 ? 1 / d : 0;
      PutHalf(d, out);
      for (int i = 0; i < 32; ++i) {
        out[2 + i] = static_cast<std::byte>(static_cast<int>(std::round(x[i] * inverse)));
      }
      continue;
    }
    const int levels = five ? 32 : 16;
    const float d = with_min ? (high - low) / static_cast<float>(levels - 1)
                             : extreme / static_cast<float>(-levels / 2);
    const float inverse = d != 0 ? 1 / d : 0;
    PutHalf(d, out);
    if (with_min) PutHalf(low, out + 2);
    std::byte* fifth = out + (with_min ? 4 : 2);
    std::byte* codes = fifth + (five ? 4 : 0);
    for (int i = 0; i < 32; ++i) {
      const float shifted = with_min ? (x[i] - low) * inverse + 0.5f
                                     : x[i] * inverse + static_cast<float>(levels / 2) + 0.5f;
      const int code = std::min(levels - 1, static_cast<int>(shifted));
      codes[i % 16] |= static_cast<std::byte>((code & 15) << (i < 16 ? 0 : 4));
      if (five) fifth[i / 8] |= static_cast<std::byte>((code >> 4) << (i % 8));
    }
  }
  return bytes;
}

std::vector<std::byte> RandomBlocks(TensorType type, size_t elements, uint32_t seed) {
  const TensorTypeInfo& info = InfoOf(type);
  std::vector<std::byte> bytes(elements / info.block_elems * info.block_bytes);
  uint32_t state = seed * 747796405u + 2891336453u;
  const auto next = [&] {
    state = state * 1664525u + 1013904223u;
    return state >> 16;
  };
  for (std::byte& b : bytes) b = static_cast<std::byte>(next());
  // Where the halves are, and the largest code times scale that they multiply.
  size_t d_at = 0;
  int m_at = -1;
  float largest = 128;
  switch (type) {
    case TensorType::kQ4_0:
      largest = 8;
      break;
    case TensorType::kQ4_1:
      largest = 16, m_at = 2;
      break;
    case TensorType::kQ5_0:
      largest = 16;
      break;
    case TensorType::kQ5_1:
      largest = 32, m_at = 2;
      break;
    case TensorType::kQ2_K:
      largest = 45, d_at = 80, m_at = 82;
      break;
    case TensorType::kQ3_K:
      largest = 128, d_at = 108;
      break;
    case TensorType::kQ4_K:
      largest = 945, m_at = 2;
      break;
    case TensorType::kQ5_K:
      largest = 1953, m_at = 2;
      break;
    case TensorType::kQ6_K:
      largest = 4096, d_at = 208;
      break;
    case TensorType::kIQ4_XS:
      largest = 4064;
      break;
    case TensorType::kIQ1_S:
    case TensorType::kIQ1_M:
      largest = 17;
      break;
    case TensorType::kIQ2_XXS:
    case TensorType::kIQ2_XS:
    case TensorType::kIQ2_S:
      largest = 167;
      break;
    case TensorType::kIQ3_XXS:
    case TensorType::kIQ3_S:
      largest = 481;
      break;
    default:
      break;
  }
  for (size_t b = 0; b < bytes.size(); b += info.block_bytes) {
    const float scale = (0.5f + static_cast<float>(next() % 1000) / 2000) / largest;
    if (type == TensorType::kMXFP4) {
      bytes[b] = static_cast<std::byte>(127 - 4 - next() % 8);
      continue;
    }
    if (type == TensorType::kIQ1_M) {  // four bits each in the top of four words
      std::byte half[2];
      PutHalf(scale, half);
      for (size_t i = 0; i < 4; ++i) {
        const int four = std::to_integer<int>(half[i / 2]) >> 4 * (i % 2) & 15;
        std::byte& top = bytes[b + 49 + 2 * i];
        top = (top & std::byte{0x0f}) | static_cast<std::byte>(four << 4);
      }
      continue;
    }
    PutHalf(scale, bytes.data() + b + d_at);
    if (m_at >= 0) {
      // The minimum is subtracted times its own 6- or 4-bit factor in the K types, added in others.
      const bool k = type == TensorType::kQ4_K || type == TensorType::kQ5_K;
      const float min = k ? 0.5f / 63 : type == TensorType::kQ2_K ? 0.5f / 15 : -0.5f;
      PutHalf(min, bytes.data() + b + static_cast<size_t>(m_at));
    }
  }
  return bytes;
}

uint32_t GgufTypeId(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return 0;
    case TensorType::kF16:
      return 1;
    case TensorType::kQ4_0:
      return 2;
    case TensorType::kQ4_1:
      return 3;
    case TensorType::kQ5_0:
      return 6;
    case TensorType::kQ5_1:
      return 7;
    case TensorType::kQ8_0:
      return 8;
    case TensorType::kQ2_K:
      return 10;
    case TensorType::kQ3_K:
      return 11;
    case TensorType::kQ4_K:
      return 12;
    case TensorType::kQ5_K:
      return 13;
    case TensorType::kQ6_K:
      return 14;
    case TensorType::kIQ4_NL:
      return 20;
    case TensorType::kIQ4_XS:
      return 23;
    case TensorType::kIQ2_XXS:
      return 16;
    case TensorType::kIQ2_XS:
      return 17;
    case TensorType::kIQ3_XXS:
      return 18;
    case TensorType::kIQ1_S:
      return 19;
    case TensorType::kIQ3_S:
      return 21;
    case TensorType::kIQ2_S:
      return 22;
    case TensorType::kIQ1_M:
      return 29;
    case TensorType::kMXFP4:
      return 39;
    case TensorType::kI8:
      return 24;
    case TensorType::kI16:
      return 25;
    case TensorType::kI32:
      return 26;
    case TensorType::kI64:
      return 27;
    case TensorType::kF64:
      return 28;
    case TensorType::kBF16:
      return 30;
    default:
      return 1000;
  }
}

void GgufWriter::PutString(std::string_view value, std::string& out) {
  PutRaw(uint64_t{value.size()}, out);
  out.append(value);
}

void GgufWriter::StartKey(const std::string& key) {
  ++key_count_;
  PutString(key, keys_);
}

void GgufWriter::KeyBool(const std::string& key, bool value) {
  KeyRaw(key, 7, std::string(1, value ? 1 : 0));
}

void GgufWriter::KeyString(const std::string& key, std::string_view value) {
  StartKey(key);
  PutRaw(uint32_t{8}, keys_);
  PutString(value, keys_);
}

void GgufWriter::KeyStrings(const std::string& key, const std::vector<std::string>& values) {
  StartKey(key);
  PutRaw(uint32_t{9}, keys_);
  PutRaw(uint32_t{8}, keys_);
  PutRaw(uint64_t{values.size()}, keys_);
  for (const std::string& value : values) PutString(value, keys_);
}

void GgufWriter::KeyFloats(const std::string& key, const std::vector<float>& values) {
  StartKey(key);
  PutRaw(uint32_t{9}, keys_);
  PutRaw(uint32_t{6}, keys_);
  PutRaw(uint64_t{values.size()}, keys_);
  for (const float value : values) PutRaw(value, keys_);
}

void GgufWriter::KeyInts(const std::string& key, const std::vector<int32_t>& values) {
  StartKey(key);
  PutRaw(uint32_t{9}, keys_);
  PutRaw(uint32_t{5}, keys_);
  PutRaw(uint64_t{values.size()}, keys_);
  for (const int32_t value : values) PutRaw(value, keys_);
}

void GgufWriter::KeyBools(const std::string& key, const std::vector<bool>& values) {
  StartKey(key);
  PutRaw(uint32_t{9}, keys_);
  PutRaw(uint32_t{7}, keys_);
  PutRaw(uint64_t{values.size()}, keys_);
  for (const bool value : values) keys_.push_back(value ? 1 : 0);
}

void GgufWriter::KeyRaw(const std::string& key, uint32_t type, std::string_view bytes) {
  StartKey(key);
  PutRaw(type, keys_);
  keys_.append(bytes);
}

void GgufWriter::Tensor(const std::string& name, TensorType type,
                        const std::vector<uint64_t>& shape, std::vector<std::byte> bytes) {
  const std::vector<int64_t> ne(shape.rbegin(), shape.rend());
  const size_t at = data_.size();
  TensorRaw(name, ne, static_cast<int32_t>(GgufTypeId(type)), at, bytes.size());
  if (!bytes.empty()) std::memcpy(data_.data() + at, bytes.data(), bytes.size());
}

void GgufWriter::TensorRaw(std::string_view name, const std::vector<int64_t>& ne, int32_t type,
                           uint64_t offset, size_t bytes) {
  ++tensor_count_;
  PutString(name, infos_);
  PutRaw(static_cast<uint32_t>(ne.size()), infos_);
  for (const int64_t n : ne) PutRaw(n, infos_);
  PutRaw(type, infos_);
  PutRaw(offset, infos_);
  data_.resize((data_.size() + bytes + alignment - 1) / alignment * alignment);
}

std::string GgufWriter::Finish() const {
  std::string file;
  PutRaw(magic, file);
  PutRaw(version, file);
  PutRaw(tensor_count_ + extra_tensors, file);
  PutRaw(key_count_ + extra_keys + (alignment == 32 ? 0 : 1), file);
  if (alignment != 32) {
    PutString("general.alignment", file);
    PutRaw(uint32_t{4}, file);
    PutRaw(alignment, file);
  }
  file += keys_;
  file += infos_;
  if (tensor_count_ > 0) file.resize((file.size() + alignment - 1) / alignment * alignment);
  return file + data_;
}

SpmVocabulary TinyVocabulary(const ModelConfig& config) {
  SpmVocabulary v;
  v.pieces = {{"<pad>", 0, PieceType::kControl},
              {"<eos>", 0, PieceType::kControl},
              {"<bos>", 0, PieceType::kControl},
              {"<unk>", 0, PieceType::kUnknown},
              {"<mask>", 0, PieceType::kUserDefined}};
  const char* digits = "0123456789ABCDEF";
  for (int b = 0; b < 256; ++b) {
    v.pieces.push_back(
        {std::string("<0x") + digits[b / 16] + digits[b % 16] + ">", 0, PieceType::kByte});
  }
  v.pieces.push_back({"\u2581\u2581", 0, PieceType::kUserDefined});
  float score = 0;
  for (const char* text : {"ab", "abc", "\u2581a", "a", "b", "c", "\u2581"}) {
    v.pieces.push_back({text, score--, PieceType::kNormal});
  }
  while (v.pieces.size() < config.text.vocab_size) {
    v.pieces.push_back(
        {"<unused" + std::to_string(v.pieces.size()) + ">", 0, PieceType::kUserDefined});
  }
  const auto name = [&](TokenId id, const char* text) {
    if (static_cast<size_t>(id) < v.pieces.size()) v.pieces[static_cast<size_t>(id)].text = text;
  };
  name(269, "<start_of_turn>");
  name(270, "<end_of_turn>");
  if (config.has_vision) {
    name(config.tokens.start_of_image, "<start_of_image>");
    name(config.tokens.end_of_image, "<end_of_image>");
    name(config.tokens.image_soft_token, "<image_soft_token>");
  }
  return v;
}

std::string GgufName(const std::string& canonical) {
  static const std::pair<const char*, const char*> kRenames[] = {
      {"vision.encoder.layers.", "v.blk."},
      {"vision.embeddings.patch_embedding", "v.patch_embd"},
      {"vision.embeddings.position_embedding", "v.position_embd"},
      {"vision.post_layernorm", "v.post_ln"},
      {"projector.mm_input_projection_weight", "mm.input_projection.weight"},
      {"projector.mm_soft_emb_norm", "mm.soft_emb_norm"},
      {"layers.", "blk."},
      {"embed_tokens", "token_embd"},
      {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "post_attention_norm"},
      {"pre_feedforward_layernorm", "ffn_norm"},
      {"post_feedforward_layernorm", "post_ffw_norm"},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"},
      {"self_attn.out_proj", "attn_out"},
      {"self_attn.q_norm", "attn_q_norm"},
      {"self_attn.k_norm", "attn_k_norm"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},
      {"mlp.fc1", "ffn_up"},
      {"mlp.fc2", "ffn_down"},
      {"layer_norm", "ln"},
  };
  if (canonical == "norm.weight") return "output_norm.weight";
  std::string name = canonical;
  for (const auto& [from, to] : kRenames) name = Replace(std::move(name), from, to);
  return name;
}

void AddTextKeys(const TextConfig& text, const std::string& architecture, size_t window,
                 GgufWriter* writer) {
  writer->KeyString("general.architecture", architecture);
  const auto put = [&](const char* key, size_t value) {
    writer->Key(architecture + "." + key, static_cast<uint32_t>(value));
  };
  put("context_length", text.max_context);
  put("embedding_length", text.hidden_size);
  put("block_count", text.num_layers);
  put("feed_forward_length", text.intermediate_size);
  put("attention.head_count", text.num_heads);
  put("attention.head_count_kv", text.num_kv_heads);
  put("attention.key_length", text.head_dim);
  put("attention.value_length", text.head_dim);
  put("attention.sliding_window", window);
  if (text.rope_factor_global != 1) {
    writer->KeyString(architecture + ".rope.scaling.type", "linear");
    writer->Key(architecture + ".rope.scaling.factor", text.rope_factor_global);
  }
}

void AddVocabulary(const SpmVocabulary& vocabulary, GgufWriter* writer) {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  // As llama.cpp's converter does: marks are control, special pieces score -1000, and user-defined
  // pieces hold plain spaces.
  for (const VocabularyPiece& piece : vocabulary.pieces) {
    std::string text = piece.text;
    int32_t type = static_cast<int32_t>(piece.type);
    float score = piece.score;
    const bool mark =
        piece.type == PieceType::kUnknown || piece.type == PieceType::kControl ||
        (piece.type == PieceType::kUserDefined &&
         (text == "<mask>" || text.starts_with("<unused") || text.starts_with("<start_of_") ||
          text.starts_with("<end_of_") || text == "<image_soft_token>"));
    if (mark) {
      type = 3;
      score = -1000;
    } else if (piece.type == PieceType::kUserDefined) {
      score = -1000;
      for (size_t at; (at = text.find("\u2581")) != std::string::npos;) text.replace(at, 3, " ");
    }
    tokens.push_back(text);
    scores.push_back(score);
    types.push_back(type);
  }
  writer->KeyString("tokenizer.ggml.model", "llama");
  writer->KeyString("tokenizer.ggml.pre", "default");
  writer->KeyStrings("tokenizer.ggml.tokens", tokens);
  writer->KeyFloats("tokenizer.ggml.scores", scores);
  writer->KeyInts("tokenizer.ggml.token_type", types);
  writer->Key("tokenizer.ggml.bos_token_id", uint32_t{2});
  writer->Key("tokenizer.ggml.eos_token_id", uint32_t{1});
  writer->Key("tokenizer.ggml.unknown_token_id", uint32_t{3});
  writer->Key("tokenizer.ggml.padding_token_id", uint32_t{0});
  writer->KeyBool("tokenizer.ggml.add_bos_token", true);
}

GgufWriter MakeGguf(const ModelConfig& config, uint32_t seed, const GgufModelOptions& options) {
  const TextConfig& text = config.text;
  GgufWriter writer;
  AddTextKeys(text, "gemma3", text.sliding_window, &writer);
  writer.Key("gemma3.attention.layer_norm_rms_epsilon", text.rms_norm_eps);
  writer.Key("gemma3.rope.freq_base", text.rope_theta_global);
  ShapeTable table = TextShapes(text);
  if (!options.embedding) table.erase("embed_tokens.weight");
  const bool ollama = options.vision == GgufVision::kOllama;
  if (ollama) {
    AddVisionKeys(config.vision, "gemma3.vision.", &writer);
    writer.Key("gemma3.mm.tokens_per_image", static_cast<uint32_t>(config.vision.tokens_per_image));
    table.merge(VisionShapes(config.vision, text));
  }
  if (options.vocabulary) AddVocabulary(TinyVocabulary(config), &writer);
  AddTensors(table, seed, options.matrices, ollama, false, &writer);
  return writer;
}

GgufWriter MakeMmproj(const ModelConfig& config, uint32_t seed, bool swap_mlp) {
  GgufWriter writer;
  writer.KeyString("general.architecture", "clip");
  writer.KeyBool("clip.has_vision_encoder", true);
  writer.KeyString("clip.projector_type", "gemma3");
  AddVisionKeys(config.vision, "clip.vision.", &writer);
  writer.Key("clip.vision.projection_dim", static_cast<uint32_t>(config.text.hidden_size));
  writer.KeyFloats("clip.vision.image_mean", {0.5f, 0.5f, 0.5f});
  writer.KeyFloats("clip.vision.image_std", {0.5f, 0.5f, 0.5f});
  const double side = std::sqrt(static_cast<double>(config.vision.tokens_per_image));
  writer.Key("clip.vision.projector.scale_factor",
             static_cast<uint32_t>(static_cast<double>(config.vision.patches_per_side()) / side));
  AddTensors(VisionShapes(config.vision, config.text), seed, TensorType::kF16, false, swap_mlp,
             &writer);
  return writer;
}

Status WriteGguf(const std::string& path, const GgufWriter& writer) {
  std::ofstream out(path, std::ios::binary);
  out << writer.Finish();
  out.close();
  if (!out) return Fail(ErrorCode::kIo, "cannot write ", path);
  return {};
}

}  // namespace gemma3::testing
