// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One small file or folder of each kind that is no model here: recognised, and refused with the
// words that help.
#include "src/formats/foreign.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "src/formats/checkpoint.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/support/zip_writer.h"

namespace gemma3 {
namespace {

using namespace std::string_literals;

struct Case {
  std::string name, content;  // of a file; or files of a folder, below
  std::string words;          // a part of the message
  ErrorCode code = ErrorCode::kUnsupported;
};

void ExpectRefused(const std::string& path, const Case& c) {
  SCOPED_TRACE(c.name);
  const auto checkpoint = OpenCheckpoint(path);
  ASSERT_FALSE(checkpoint);
  const std::string& message = checkpoint.error().message;
  EXPECT_EQ(checkpoint.error().code, c.code) << message;
  EXPECT_NE(message.find(c.words), std::string::npos) << message;
  EXPECT_NE(message.find(path), std::string::npos) << message;
}

std::string Zip(const std::vector<std::string>& names, uint16_t method = 0) {
  testing::ZipWriter zip;
  zip.method = method;
  for (const std::string& name : names) zip.Add(name, "content");
  return zip.Finish();
}

TEST(Foreign, Files) {
  const testing::TempFolder folder;
  constexpr ErrorCode kBad = ErrorCode::kBadModel;
  const std::string binary("\x01\x02\x00\x05 some weights \xff\xfe", 20);
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  for (const Case& c : {
           // By first bytes.
           Case{"m.litertlm", "LITERTLM\1\0\0\0"s, "LiteRT"},
           Case{"m.tflite", "\x20\0\0\0TFL3\0\0"s, "LiteRT"},
           Case{"m.bin", "\x20\0\0\0TFL3\0\0"s, "LiteRT"},
           Case{"m.pte", "\x20\0\0\0ET12\0\0"s, "ExecuTorch"},
           Case{"m.sbs", "SBS\n\1\0\0\0"s, "gemma.cpp"},
           Case{"m", "\x89HDF\r\n\x1a\n\0\0"s, "HDF5"},
           Case{"m.ggml", "lmgg\1\0"s, "before GGUF"},
           Case{"m.ggjt", "tjgg\3\0"s, "before GGUF"},
           Case{"m.npy", "\x93NUMPY\1\0"s, "NumPy"},
           Case{"m.tar.gz", "\x1f\x8b\x08\0"s, "a gzip archive; unpack it first"},
           Case{"m.zst", "\x28\xb5\x2f\xfd\0"s, "a zstd archive; unpack"},
           Case{"m.xz", "\xfd"s + "7zXZ\0\0"s, "an xz archive; unpack"},
           Case{"m.bz2", "BZh9\x31"s, "a bzip2 archive; unpack"},
           Case{"m.7z", "7z\xbc\xaf\x27\x1c"s, "a 7-Zip archive; unpack"},
           Case{"m.tar", tar, "a tar archive; unpack"},
           Case{"m.nemo", tar, "NeMo"},
           Case{"m.pt", "\x80\x02}q\0."s, "pickle"},
           Case{"old.bin", "\x80\x05\x95"s, "pickle"},
           Case{"m.exe", "MZ\x90\0\3\0"s, "a program without a model"},
           Case{"prog", "\x7f"s + "ELF\2\1\1\0"s, "a program without a model"},
           // Downloads that went wrong.
           Case{"m.gguf", "", "is empty", kBad},
           Case{"p.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
                "git lfs pull", kBad},
           Case{"x.gguf", "# xet version 0\nfilesize = 10\n", "Xet pointer", kBad},
           Case{"h.gguf", "<!DOCTYPE html>\n<html lang=\"en\">", "accept the model's licence",
                kBad},
           Case{"h2.gguf", "\n  <HTML><head>", "HTML", kBad},
           Case{"h3.gguf", "\xef\xbb\xbf<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>",
                "page in place of a model", kBad},
           Case{"j.gguf", "{\"error\":\"Access to model google/gemma-3-1b-it is restricted.\"}",
                "hf auth login", kBad},
           Case{"t.gguf", "Access to model google/gemma-3-4b-it is restricted. Please log in.",
                "It begins: Access to model google/gemma-3-4b-it is restricted", kBad},
           Case{"e.gguf", "Entry not found", "It begins: Entry not found", kBad},
           Case{"u.gguf.incomplete", binary, "unfinished download", kBad},
           Case{"u.gguf.crdownload", binary, "unfinished download", kBad},
           Case{"u.part", binary, "unfinished download", kBad},
           // Pieces.
           Case{"g.gguf.part2of2", binary, "join all pieces", kBad},
           Case{"g.gguf.part10of12", binary, "into g.gguf", kBad},
           Case{"g.gguf.cat1", binary, "join all pieces", kBad},
           Case{"g.gguf-split-b", binary, "join all pieces", kBad},
           Case{"g.i1-Q4_K_M.gguf.partab", binary, "into g.i1-Q4_K_M.gguf", kBad},
           // Parts of models, which are files of a folder.
           Case{"config.json", "{\"model_type\": \"gemma3\"}", "give the folder"},
           Case{"chat_template.jinja", "{{ bos_token }}", "belongs to a model"},
           Case{"manifest", "{\"schemaVersion\":2,\"layers\":[]}", "Ollama manifest"},
           Case{"tokenizer.model", "\n\x0e\n\5<pad>\x15\0\0\0\0\x18\3"s, "only a tokenizer"},
           Case{"blob", "\x40\0\0\0\0\0\0\0{\"a\":{}}"s, "a safetensors file; give the folder"},
           // By name, where bytes say nothing.
           Case{"m.onnx", "\x08\x08\x12\x07pytorch"s, "ONNX"},
           Case{"model.onnx_data", binary, "ONNX"},
           Case{"openvino_model.xml", "<?xml version=\"1.0\"?>\n<net name=\"Model0\"", "OpenVINO"},
           Case{"openvino_model.bin", binary, "OpenVINO"},
           Case{"params_shard_0.bin", binary, "MLC"},
           Case{"__0_0.distcp", binary, "distributed"},
           Case{"m.mlmodel", binary, "Core ML"},
           Case{"rank0.engine", binary, "TensorRT"},
           Case{"weights.xyz", binary, "no model file that this library knows"},
           // Archives.
           Case{"gemma3-1b-it-int4.task", Zip({"TF_LITE_PREFILL_DECODE", "TOKENIZER_MODEL"}),
                "LiteRT .task"},
           Case{"pytorch_model.bin", Zip({"archive/data.pkl", "archive/data/0"}), "pickle"},
           Case{"model.ckpt", Zip({"model/data.pkl"}), "pickle"},
           Case{"m.keras", Zip({"config.json", "model.weights.h5"}), "Keras"},
           Case{"weights.npz", Zip({"layers.0.weight.npy"}), "NumPy archive"},
           Case{"m.mlpackage.zip", Zip({"m.mlpackage/Data/com.apple.CoreML/model.mlmodel"}),
                "Core ML"},
           Case{"hf.zip", Zip({"gemma/config.json", "gemma/model.safetensors"}),
                "unpack it and give its folder"},
           Case{"photos.zip", Zip({"a.jpg"}), "a zip archive without a GGUF file"},
       }) {
    ExpectRefused(folder.Write("f/" + c.name, c.content), c);
  }
}

TEST(Foreign, Folders) {
  struct Folder {
    std::vector<std::string> files;
    std::string words;
    ErrorCode code = ErrorCode::kUnsupported;
  };
  const testing::TempFolder folder;
  int number = 0;
  for (const Folder& c : std::vector<Folder>{
           {{"config.json", "tokenizer.json", "metadata.json", "model.weights.h5"}, "Keras"},
           {{"config.json", "metadata.json", "model.weights.json", "model_00000.weights.h5"},
            "Keras"},
           {{"config.json", "tokenizer.json", "metadata.json"}, "Keras"},  // nothing but its words
           {{"my.lora.h5"}, "Keras"},
           {{"_METADATA", "manifest.ocdbt", "d/abc"}, "Orbax"},
           {{"_CHECKPOINT_METADATA", "default/x"}, "Orbax"},
           {{"config.json", "openvino_model.xml", "openvino_model.bin"}, "OpenVINO"},
           {{"config.json", "openvino_language_model.xml"}, "OpenVINO"},
           {{"config.json", "onnx/model.onnx", "tokenizer.json"}, "ONNX"},
           {{"genai_config.json", "model.onnx", "model.onnx.data"}, "ONNX"},
           {{"m.onnx"}, "holds an ONNX model"},
           {{"mlc-chat-config.json", "params_shard_0.bin"}, "MLC"},
           {{"gemma3-1b-it-int4.task"}, "LiteRT"},
           {{"gemma3-1b-it.litertlm", "README.md"}, "LiteRT"},
           {{"4b-it-sfp.sbs", "tokenizer.spm"}, "gemma.cpp"},
           {{"model.pte", "tokenizer.model"}, "ExecuTorch"},
           {{"gemma.mlpackage/Manifest.json"}, "Core ML"},
           {{"model.mlmodelc/coremldata.bin"}, "Core ML"},
           {{"gemma3.nemo"}, "NeMo"},
           {{"__0_0.distcp", ".metadata"}, "distributed"},
           {{"config.json", "rank0.engine"}, "TensorRT"},
           {{"config.json", "rank0.safetensors"}, "TensorRT"},
           {{"weights.npz", "config.json"}, "NumPy"},
           {{"gemma.llamafile"}, "give the path of gemma.llamafile", ErrorCode::kBadModel},
           {{"g.gguf.part1of2", "g.gguf.part2of2"}, "join all pieces", ErrorCode::kBadModel},
           // These have words of their own elsewhere.
           {{"config.json", "pytorch_model.bin"}, "only PyTorch .bin files"},
           {{"adapter_config.json", "adapter_model.bin"}, "adapter (LoRA)"},
           {{"x.incomplete"}, "unfinished download", ErrorCode::kBadModel},
       }) {
    const std::string path = folder.path() + "/" + std::to_string(++number);
    for (const std::string& file : c.files) {
      folder.Write(std::to_string(number) + "/" + file,
                   file == "metadata.json" ? "{\"keras_version\": \"3.9\"}" : "\x01\x02");
    }
    ExpectRefused(path, {c.files.front(), "", c.words, c.code});
  }
}

TEST(Foreign, FoldersWithSafetensorsAreAsked) {
  const testing::TempFolder folder;
  folder.Write("onnx/model.onnx", "x");
  folder.Write("config.json", "{}");
  EXPECT_TRUE(RefuseFolder(folder.path()));
  folder.Write("model.safetensors", "x");
  EXPECT_FALSE(RefuseFolder(folder.path()));
}

TEST(Foreign, TheFirstPieceOfAFileBeginsLikeTheWhole) {
  const testing::TempFolder folder;
  const std::string whole = testing::MakeGguf(testing::TinyTextConfig(), 1).Finish();
  ExpectRefused(folder.Write("g.gguf.part1of2", whole.substr(0, whole.size() / 2)),
                {"part1of2", "", "join all pieces", ErrorCode::kBadModel});
  EXPECT_TRUE(OpenCheckpoint(folder.Write("all.gguf.part1of1", whole)));
  for (const char* name :
       {"a.partial", "part1", "a.part", "a.category", "split-a.gguf", "a.gguf"}) {
    EXPECT_EQ(HowToJoin(name), "") << name;
  }
}

TEST(Foreign, Architectures) {
  struct Name {
    const char *name, *words;
  };
  for (const auto& [name, words] : {
           Name{"gemma", "Gemma 1"},
           Name{"gemma2", "Gemma 2"},
           Name{"gemma3n", "Gemma 3n"},
           Name{"gemma3n_text", "Gemma 3n"},
           Name{"gemma4", "Gemma 4, a different architecture"},
           Name{"gemma4_text", "Gemma 4, a different architecture"},
           Name{"embedding_gemma2", "EmbeddingGemma 2"},
           Name{"paligemma", "PaliGemma"},
           Name{"vaultgemma", "VaultGemma"},
           Name{"t5gemma", "encoder-decoder"},
           Name{"t5gemma2", "encoder-decoder"},
           Name{"t5_gemma_module", "encoder-decoder"},
       }) {
    EXPECT_NE(ForeignArchitecture(name).find(words), std::string::npos) << name;
    testing::GgufWriter writer;
    writer.KeyString("general.architecture", name);
    const testing::TempFolder folder;
    ExpectRefused(folder.Write("m.gguf", writer.Finish()), {name, "", words});
  }
  for (const char* name : {"gemma3", "gemma3_text", "gemma3-x", "llama", "", "gemma-embedding"}) {
    EXPECT_EQ(ForeignArchitecture(name), "") << name;
  }
}

}  // namespace
}  // namespace gemma3
