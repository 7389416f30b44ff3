// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Models in GGUF files that a test writes and opens.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "src/formats/gguf_model.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {

using testing::GgufWriter;

// The keys of a model with one of them left out or replaced; its tensors fit `config`.
inline GgufWriter Keys(const ModelConfig& config, const std::string& without,
                       const std::function<void(GgufWriter&)>& add = {}) {
  GgufWriter writer;
  const TextConfig& t = config.text;
  const auto put = [&](const std::string& key, size_t value) {
    if (key != without) writer.Key("gemma3." + key, static_cast<uint32_t>(value));
  };
  if (without != "general.architecture") writer.KeyString("general.architecture", "gemma3");
  put("context_length", t.max_context);
  put("embedding_length", t.hidden_size);
  put("block_count", t.num_layers);
  put("feed_forward_length", t.intermediate_size);
  put("attention.head_count", t.num_heads);
  put("attention.head_count_kv", t.num_kv_heads);
  put("attention.key_length", t.head_dim);
  put("attention.sliding_window", t.sliding_window);
  if (add) add(writer);
  return writer;
}

class GgufModel : public ::testing::Test {
 protected:
  Result<Checkpoint> Open(const GgufWriter& writer, const OpenOptions& options = {}) {
    path_ = folder_.path() + "/m.gguf";
    EXPECT_TRUE(testing::WriteGguf(path_, writer));
    return OpenCheckpoint(path_, options);
  }
  Checkpoint Good(const GgufWriter& writer, const OpenOptions& options = {}) {
    auto checkpoint = Open(writer, options);
    EXPECT_TRUE(checkpoint) << (checkpoint ? "" : checkpoint.error().message);
    return checkpoint ? *std::move(checkpoint) : Checkpoint();
  }
  void ExpectRefused(const GgufWriter& writer, const std::string& part,
                     ErrorCode code = ErrorCode::kBadModel, const OpenOptions& options = {}) {
    const auto checkpoint = Open(writer, options);
    ASSERT_FALSE(checkpoint) << part;
    EXPECT_EQ(checkpoint.error().code, code) << checkpoint.error().message;
    EXPECT_NE(checkpoint.error().message.find(part), std::string::npos)
        << checkpoint.error().message;
  }
  testing::TempFolder folder_;
  std::string path_;
};

}  // namespace gemma3
