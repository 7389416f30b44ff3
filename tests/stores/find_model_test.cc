// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/stores/find_model.h"

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
  EXPECT_EQ(LocateModel("gemma-3-1b-it", Places())->name, "google/gemma-3-1b-it");
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
  refused(Layer("tensor", "sha256:" + hex_, 4), "single tensors");
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

// As model pages print it: what follows the colon is the quantisation.
TEST_F(FindModelTest, ATagChoosesAmongTheFilesOfARepository) {
  const std::string base = "hub/models--unsloth--gemma-3-4b-it-GGUF/snapshots/x/";
  for (const char* file :
       {"gemma-3-4b-it-Q4_K_M.gguf", "gemma-3-4b-it-Q8_0.gguf", "gemma-3-4b-it-UD-Q4_K_XL.gguf",
        "gemma-3-4b-it-Q4_K_XL.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf",
        "BF16/gemma-3-4b-it-BF16-00001-of-00002.gguf",
        "BF16/gemma-3-4b-it-BF16-00002-of-00002.gguf"}) {
    folder_.Write(base + file, "x");
  }
  const struct {
    const char *tag, *file;
  } kCases[] = {
      {"Q4_K_M", "gemma-3-4b-it-Q4_K_M.gguf"},
      {"q4_k_m", "gemma-3-4b-it-Q4_K_M.gguf"},
      {"Q8_0", "gemma-3-4b-it-Q8_0.gguf"},
      {"Q4_K_XL", "gemma-3-4b-it-Q4_K_XL.gguf"},
      {"UD-Q4_K_XL", "gemma-3-4b-it-UD-Q4_K_XL.gguf"},
      {"BF16", "BF16/gemma-3-4b-it-BF16-00001-of-00002.gguf"},
      {"gemma-3-4b-it-Q8_0.gguf", "gemma-3-4b-it-Q8_0.gguf"},
      {"gemma-3-4b-it-Q8_0", "gemma-3-4b-it-Q8_0.gguf"},
  };
  for (const auto& [tag, file] : kCases) {
    for (const char* name :
         {"unsloth/gemma-3-4b-it-GGUF", "gemma-3-4b-it-GGUF", "hf.co/unsloth/gemma-3-4b-it-GGUF",
          "https://huggingface.co/unsloth/gemma-3-4b-it-GGUF", "Unsloth/Gemma-3-4B-it-gguf"}) {
      EXPECT_EQ(Find(std::string(name) + ":" + tag), At(base + file)) << name;
    }
    // The same with the folder's path.
    EXPECT_EQ(Find(At(base.substr(0, base.size() - 1)) + ":" + tag), At(base + file));
  }
  for (const char* name : {"unsloth/gemma-3-4b-it-GGUF", "hf.co/unsloth/gemma-3-4b-it-GGUF"}) {
    ExpectError(name, "any of 5 files");
    ExpectError(name, "unsloth/gemma-3-4b-it-GGUF:UD-Q4_K_XL");
  }
  ExpectError(At(base), ":Q8_0");
  ExpectError("unsloth/gemma-3-4b-it-GGUF:Q3_K_M", "holds no Q3_K_M; there is Q4_K_M");
  ExpectError("unsloth/gemma-3-4b-it-GGUF:K_M", "holds no K_M");
  EXPECT_EQ(Find("unsloth/gemma-3-4b-it-GGUF/gemma-3-4b-it-Q8_0.gguf"),
            At(base + "gemma-3-4b-it-Q8_0.gguf"));
}

TEST_F(FindModelTest, AFolderOfOneGgufModelIsThatModel) {
  folder_.Write("one/Model A-00001-of-00002.gguf", "x");
  folder_.Write("one/Model A-00002-of-00002.gguf", "x");
  folder_.Write("one/mmproj-Model A.gguf", "x");
  EXPECT_EQ(Find(At("one")), At("one/Model A-00001-of-00002.gguf"));
  // Nothing in it: whoever opens it says more. Safetensors come first, but for a tag.
  folder_.Write("none/readme", "x");
  EXPECT_EQ(Find(At("none")), At("none"));
  folder_.Write("both/model.safetensors", "x");
  folder_.Write("both/m-Q8_0.gguf", "x");
  EXPECT_EQ(Find(At("both")), At("both"));
  EXPECT_EQ(Find(At("both:q8_0")), At("both/m-Q8_0.gguf"));
  // Without quantisations in their names, files are told apart by their names.
  folder_.Write("two/first.gguf", "x");
  folder_.Write("two/second.gguf", "x");
  ExpectError(At("two"), "two:second.gguf");
  EXPECT_EQ(Find(At("two:second")), At("two/second.gguf"));
}

TEST_F(FindModelTest, CapitalsSpacesAndLettersOfAnyScript) {
  folder_.Write("lmstudio/Größe & Co/Gemma Drei/Modell ä-Q4_0.gguf", "x");
  const std::string file = At("lmstudio/Größe & Co/Gemma Drei/Modell ä-Q4_0.gguf");
  EXPECT_EQ(Find("Größe & Co/Gemma Drei"), file);
  EXPECT_EQ(Find("gemma drei"), file);
  EXPECT_EQ(Find("gemma drei@q4_0"), file);
  EXPECT_EQ(Find(file), file);
  // Two spellings that differ in case only stay two; a third means neither.
  folder_.Write("hub/models--a--Model/snapshots/x/model.safetensors", "x");
  folder_.Write("hub/models--a--model/snapshots/y/model.safetensors", "x");
  EXPECT_EQ(Find("a/model"), At("hub/models--a--model/snapshots/y"));
  EXPECT_EQ(Find("a/Model"), At("hub/models--a--Model/snapshots/x"));
  ExpectError("a/MODEL", "2 publishers");
}

TEST_F(FindModelTest, OllamaTagsOfHuggingFace) {
  folder_.Write("ollama/blobs/sha256-" + hex_, "GGUF");
  const std::string blob = At("ollama/blobs/sha256-" + hex_);
  Manifest("hf.co/bartowski/Google_Gemma-GGUF/Q4_K_M", Layer("model", "sha256:" + hex_, 4));
  for (const char* name :
       {"hf.co/bartowski/Google_Gemma-GGUF:Q4_K_M", "hf.co/Bartowski/google_gemma-gguf:q4_k_m",
        "huggingface.co/bartowski/Google_Gemma-GGUF:Q4_K_M", "bartowski/Google_Gemma-GGUF:Q4_K_M",
        "bartowski/Google_Gemma-GGUF", "hf.co/bartowski/Google_Gemma-GGUF"}) {
    const auto found = LocateModel(name, Places());
    ASSERT_TRUE(found) << name << ": " << found.error().message;
    EXPECT_EQ(found->path, blob);
    EXPECT_EQ(found->name, "hf.co/bartowski/Google_Gemma-GGUF:Q4_K_M");
  }
  Manifest("hf.co/bartowski/Google_Gemma-GGUF/Q8_0", Layer("model", "sha256:" + hex_, 4));
  ExpectError("hf.co/bartowski/Google_Gemma-GGUF", "Google_Gemma-GGUF:Q8_0");
  // What the Hugging Face cache has without that tag is no reason to stop.
  folder_.Write("hub/models--bartowski--Google_Gemma-GGUF/snapshots/x/g-Q2_K.gguf", "x");
  EXPECT_EQ(Find("bartowski/Google_Gemma-GGUF:Q4_K_M"), blob);
  ExpectError("bartowski/Google_Gemma-GGUF:Q6_K", "holds no Q6_K; there is Q2_K");
}

TEST_F(FindModelTest, TagsInLmStudioAndLlamaCpp) {
  folder_.Write("lmstudio/pub/gem-GGUF/gem-Q4_0.gguf", "x");
  folder_.Write("lmstudio/pub/gem-GGUF/gem-Q8_0.gguf", "x");
  EXPECT_EQ(Find("pub/gem-gguf:q8_0"), At("lmstudio/pub/gem-GGUF/gem-Q8_0.gguf"));
  EXPECT_EQ(Find("gem-GGUF@q4_0"), At("lmstudio/pub/gem-GGUF/gem-Q4_0.gguf"));
  ExpectError("gem-GGUF", "gem-GGUF:Q8_0");
  folder_.Write("llama/ggml-org_gemma-3-1b-it-GGUF_gemma-3-1b-it-Q4_K_M.gguf", "x");
  folder_.Write("llama/ggml-org_gemma-3-1b-it-GGUF_gemma-3-1b-it-Q8_0.gguf", "x");
  folder_.Write("llama/manifest=ggml-org=gemma-3-1b-it-GGUF=latest.json", "x");
  const std::string q8 = At("llama/ggml-org_gemma-3-1b-it-GGUF_gemma-3-1b-it-Q8_0.gguf");
  EXPECT_EQ(Find("ggml-org/gemma-3-1b-it-GGUF:Q8_0"), q8);
  EXPECT_EQ(Find("hf.co/ggml-org/Gemma-3-1b-it-GGUF:q8_0"), q8);
  EXPECT_EQ(Find("ggml-org/gemma-3-1b-it-GGUF:gemma-3-1b-it-Q8_0.gguf"), q8);
  EXPECT_EQ(Find("ggml-org/gemma-3-1b-it-GGUF/gemma-3-1b-it-Q8_0.gguf"), q8);
  ExpectError("ggml-org/gemma-3-1b-it-GGUF", "ggml-org/gemma-3-1b-it-GGUF:Q4_K_M");
  ExpectError("ggml-org/gemma-3-1b-it-GGUF:Q2_K", "holds no Q2_K");
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
