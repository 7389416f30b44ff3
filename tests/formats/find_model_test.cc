// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/find_model.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "gemma3/model.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

class FindModelTest : public ::testing::Test {
 protected:
  ModelPlaces Places() const {
    return {.hugging_face = folder_.path() + "/hub",
            .ollama = {folder_.path() + "/ollama"},
            .lm_studio = {folder_.path() + "/lmstudio"},
            .llama_cpp = folder_.path() + "/llama"};
  }
  std::string Find(const std::string& name) const {
    const auto found = LocateModel(name, Places());
    return found ? found->path : "error: " + found.error().message;
  }
  void ExpectError(const std::string& name, const std::string& part) const {
    const std::string found = Find(name);
    EXPECT_TRUE(found.starts_with("error: ")) << name << " found " << found;
    EXPECT_NE(found.find(part), std::string::npos) << found;
  }
  std::string At(const std::string& name) const { return folder_.path() + "/" + name; }
  void Manifest(const std::string& name, const std::string& layers) const {
    folder_.Write("ollama/manifests/" + name, "{\"schemaVersion\":2,\"layers\":[" + layers + "]}");
  }
  static std::string Layer(const std::string& kind, const std::string& digest, int size) {
    return "{\"mediaType\":\"application/vnd.ollama.image." + kind + "\",\"digest\":\"" + digest +
           "\",\"size\":" + std::to_string(size) + "}";
  }

  testing::TempFolder folder_;
  const std::string hex_ = std::string(64, 'a');
};

TEST_F(FindModelTest, AnExistingPathIsTakenAsItIs) {
  const std::string path = folder_.Write("some/file", "x");
  EXPECT_EQ(Find(path), path);
  EXPECT_EQ(Find(At("some")), At("some"));
}

TEST_F(FindModelTest, HuggingFaceCacheByReferenceElseNewestWhole) {
  const std::string base = "hub/models--google--gemma-3-1b-it/";
  folder_.Write(base + "snapshots/aaa/model.safetensors", "x");
  folder_.Write(base + "snapshots/bbb/model.safetensors", "x");
  folder_.Write(base + "snapshots/ccc/config.json", "{}");  // a download without weights
  fs::last_write_time(At(base + "snapshots/aaa"), fs::file_time_type::clock::now());
  fs::last_write_time(At(base + "snapshots/bbb"),
                      fs::file_time_type::clock::now() - std::chrono::hours(1));
  const std::string a = At(base + "snapshots/aaa"), b = At(base + "snapshots/bbb");
  EXPECT_EQ(Find("google/gemma-3-1b-it"), a);  // no reference: the newest with weights
  folder_.Write(base + "refs/main", "bbb\n");
  EXPECT_EQ(Find("google/gemma-3-1b-it"), b);
  EXPECT_EQ(Find("gemma-3-1b-it"), b);
  for (const char* ref : {"nowhere", "../../../../etc", "", "ccc"}) {
    folder_.Write(base + "refs/main", ref);
    EXPECT_EQ(Find("gemma-3-1b-it"), a) << ref;
  }
  // Another publisher's model of that name does not change what Google's name means.
  folder_.Write("hub/models--other--gemma-3-1b-it/snapshots/x/model.safetensors", "x");
  EXPECT_EQ(Find("gemma-3-1b-it"), a);
  folder_.Write("hub/models--third--fine/snapshots/x/model.gguf", "x");
  folder_.Write("hub/models--fourth--fine/snapshots/x/model.gguf", "x");
  ExpectError("fine", "2 publishers");
  EXPECT_EQ(Find("third/fine"), At("hub/models--third--fine/snapshots/x/model.gguf"));
}

TEST_F(FindModelTest, HuggingFaceCacheWithoutWeightsSaysSo) {
  folder_.Write("hub/models--a--b/blobs/x.incomplete", "x");
  ExpectError("a/b", "no complete download");
  fs::create_directories(At("hub/models--a--loop/snapshots"));
  fs::create_symlink("loop", At("hub/models--a--loop/snapshots/loop"));
  ExpectError("a/loop", "no complete download");
}

TEST_F(FindModelTest, OllamaNamesWithDefaults) {
  folder_.Write("ollama/blobs/sha256-" + hex_, "GGUF");
  const std::string blob = At("ollama/blobs/sha256-" + hex_);
  Manifest("registry.ollama.ai/library/gemma3/4b", Layer("model", "sha256:" + hex_, 4) + "," +
                                                       Layer("license", "sha256:" + hex_, 4) + "," +
                                                       Layer("something.new", "sha256-" + hex_, 4));
  Manifest("registry.ollama.ai/library/gemma3/latest", Layer("model", "sha256:" + hex_, 4));
  Manifest("hf.co/google/g-gguf/latest", Layer("model", "sha256:" + hex_, 4));
  EXPECT_EQ(Find("gemma3:4b"), blob);
  EXPECT_EQ(Find("gemma3"), blob);
  EXPECT_EQ(Find("library/gemma3:4b"), blob);
  EXPECT_EQ(Find("hf.co/google/g-gguf"), blob);
  ExpectError("gemma3:12b", "no model of that name");
  ExpectError("../gemma3:4b", "no model of that name");
  ExpectError("gemma3:../4b", "no model of that name");
}

TEST_F(FindModelTest, OllamaProjectors) {
  const std::string other(64, 'b');
  folder_.Write("ollama/blobs/sha256-" + hex_, "GGUF");
  folder_.Write("ollama/blobs/sha256-" + other, "GGUFv");
  Manifest("registry.ollama.ai/library/m/latest",
           Layer("model", "sha256:" + hex_, 4) + "," + Layer("projector", "sha256:" + other, 5));
  const auto found = LocateModel("m", Places());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, At("ollama/blobs/sha256-" + hex_));
  EXPECT_EQ(found->mmproj, At("ollama/blobs/sha256-" + other));
  // A whole model under the projector's label.
  Manifest("registry.ollama.ai/library/n/latest", Layer("projector", "sha256:" + hex_, 4));
  EXPECT_EQ(Find("n"), At("ollama/blobs/sha256-" + hex_));
}

TEST_F(FindModelTest, OllamaManifestsAreNotTrusted) {
  folder_.Write("ollama/blobs/sha256-" + hex_, "GGUF");
  const auto refused = [&](const std::string& layers, const std::string& part) {
    Manifest("registry.ollama.ai/library/m/latest", layers);
    ExpectError("m", part);
  };
  for (const std::string& digest :
       {std::string("sha256:../../../etc/passwd"), "sha256:" + hex_ + "/",
        "sha256:" + hex_.substr(1), hex_, "md5:" + hex_, "sha256:" + std::string(64, 'g'),
        std::string()}) {
    refused(Layer("model", digest, 4), "digest");
  }
  refused(Layer("model", "sha256:" + hex_, 5), "is 4 bytes");
  refused(Layer("model", "sha256:" + std::string(64, 'c'), 4), "pull the model again");
  refused("", "0 model layers");
  refused(Layer("license", "sha256:" + hex_, 4), "0 model layers");
  refused(Layer("model", "sha256:" + hex_, 4) + "," + Layer("model", "sha256:" + hex_, 4),
          "2 model layers");
  refused(Layer("adapter", "sha256:" + hex_, 4), "LoRA");
  refused("1", "digest");
  // Upper-case digits name the same blob.
  Manifest("registry.ollama.ai/library/m/latest",
           Layer("model", "sha256:" + std::string(64, 'A'), 4));
  EXPECT_EQ(Find("m"), At("ollama/blobs/sha256-" + hex_));
  folder_.Write("ollama/manifests/registry.ollama.ai/library/m/latest", "{");
  ExpectError("m", "JSON");
  folder_.Write("ollama/manifests/registry.ollama.ai/library/m/latest",
                std::string((1 << 20) + 1, ' '));
  ExpectError("m", "at most");
}

TEST_F(FindModelTest, LmStudioAndLlamaCpp) {
  folder_.Write("lmstudio/pub/gem-gguf/gem-Q4_0.gguf", "x");
  folder_.Write("lmstudio/pub/gem-gguf/mmproj-gem.gguf", "x");
  folder_.Write("lmstudio/pub/many/a.gguf", "x");
  folder_.Write("lmstudio/pub/many/b.gguf", "x");
  folder_.Write("lmstudio/pub/split/a-00001-of-00002.gguf", "x");
  folder_.Write("lmstudio/pub/split/a-00002-of-00002.gguf", "x");
  EXPECT_EQ(Find("pub/gem-gguf"), At("lmstudio/pub/gem-gguf/gem-Q4_0.gguf"));
  EXPECT_EQ(Find("gem-gguf"), At("lmstudio/pub/gem-gguf/gem-Q4_0.gguf"));
  EXPECT_EQ(Find("split"), At("lmstudio/pub/split/a-00001-of-00002.gguf"));
  ExpectError("pub/many", "b.gguf");
  folder_.Write("llama/ggml-org_gemma-3-1b_file-Q8_0.gguf", "x");
  folder_.Write("llama/ggml-org_gemma-3-1b_file-Q8_0.gguf.etag", "x");
  EXPECT_EQ(Find("ggml-org/gemma-3-1b"), At("llama/ggml-org_gemma-3-1b_file-Q8_0.gguf"));
  EXPECT_EQ(Find("gemma-3-1b"), At("llama/ggml-org_gemma-3-1b_file-Q8_0.gguf"));
}

TEST_F(FindModelTest, NotFoundListsThePlacesAndHowToDownload) {
  const auto found = LocateModel("google/gemma-3-1b-it", Places());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kIo);
  for (const std::string& part : {At("hub"), At("ollama"), At("lmstudio"), At("llama"),
                                  std::string("hf download google/gemma-3-1b-it")}) {
    EXPECT_NE(found.error().message.find(part), std::string::npos) << found.error().message;
  }
  EXPECT_FALSE(LocateModel("", Places()));
  EXPECT_FALSE(LocateModel(std::string("a\0b", 3), Places()));
  EXPECT_FALSE(LocateModel(std::string(100000, 'a'), Places()));
}

TEST_F(FindModelTest, TheEnvironmentNamesThePlaces) {
  const auto set = [](const char* name, const std::string& value) {
    value.empty() ? unsetenv(name) : setenv(name, value.c_str(), 1);
  };
  std::vector<std::pair<const char*, std::string>> saved;
  for (const char* name :
       {"HF_HUB_CACHE", "HF_HOME", "OLLAMA_MODELS", "LLAMA_CACHE", "XDG_CACHE_HOME", "HOME"}) {
    const char* value = getenv(name);
    saved.emplace_back(name, value ? value : "");
    unsetenv(name);
  }
  EXPECT_EQ(ModelPlacesFromEnvironment().hugging_face, "");
  set("HOME", "/h");
  EXPECT_EQ(ModelPlacesFromEnvironment().hugging_face, "/h/.cache/huggingface/hub");
  EXPECT_EQ(ModelPlacesFromEnvironment().ollama.front(), "/h/.ollama/models");
  set("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(ModelPlacesFromEnvironment().hugging_face, "/x/huggingface/hub");
  set("HF_HOME", "/y");
  EXPECT_EQ(ModelPlacesFromEnvironment().hugging_face, "/y/hub");
  set("HF_HUB_CACHE", folder_.path() + "/hub");
  set("OLLAMA_MODELS", "/o");
  set("LLAMA_CACHE", "/l");
  const ModelPlaces places = ModelPlacesFromEnvironment();
  EXPECT_EQ(places.ollama, std::vector<std::string>{"/o"});
  EXPECT_EQ(places.llama_cpp, "/l");
  folder_.Write("hub/models--a--b/snapshots/x/model.safetensors", "x");
  EXPECT_EQ(FindModel("a/b"), At("hub/models--a--b/snapshots/x"));
  for (const auto& [name, value] : saved) set(name, value);
}

}  // namespace
}  // namespace gemma3
