// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Loading with packed matrices that are kept: they are made once, belong to the very files that
// they were made from, and nothing else of a model comes from them.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/base/file_map.h"
#include "src/engine/loaded_model.h"
#include "src/weights/pack.h"
#include "src/weights/packed_file.h"
#include "tests/support/demo_model.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/text/tokenizers.h"

namespace gemma3::testing {
namespace {

namespace fs = std::filesystem;

// The bytes of every matrix, one after the other.
std::string MatrixBytesOf(const Model& model) {
  std::string bytes;
  const auto add = [&](const MatrixView& w) {
    bytes.append(static_cast<const char*>(w.data), FormBytes(w.type, w.rows, w.cols));
  };
  const ModelWeights& weights = model.impl().weights;
  add(weights.text.embedding);
  for (const LayerWeights& layer : weights.text.layers) {
    for (const MatrixView& w :
         {layer.q, layer.k, layer.v, layer.o, layer.gate, layer.up, layer.down}) {
      add(w);
    }
  }
  for (const VisionLayerWeights& layer : weights.vision.layers) {
    for (const MatrixView& w :
         {layer.q.w, layer.k.w, layer.v.w, layer.out.w, layer.fc1.w, layer.fc2.w}) {
      add(w);
    }
  }
  return bytes;
}

class KeptMatrices : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteHfFolder(Path("model"), TinyTextConfig()));
    folder_.Write("model/tokenizer.model", TestModel::Small().Serialize());
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }

  Result<Model> TryLoad(const std::string& cache, const std::string& name = "model") {
    return Model::Load(Path(name), {.weights = WeightFormat::kInt8, .cache_folder = cache});
  }
  Model Load(const std::string& cache, const std::string& name = "model") {
    auto model = TryLoad(cache, name);
    EXPECT_TRUE(model) << model.error().message;
    return *std::move(model);
  }
  // Loads twice, so that the second time matrices are those that are kept.
  Model LoadKept(const std::string& name = "model") {
    (void)Load(cache_, name);
    Model model = Load(cache_, name);
    EXPECT_EQ(model.impl().weights.owned_bytes, 0u);
    return model;
  }
  std::string Answer(const Model& model) {
    auto session = Session::Create(model, {.threads = 1});
    return session->Send(Message::User("abc"), Greedy(8))->text;
  }
  std::vector<std::string> Files() {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::directory_iterator it(cache_, error), end; !error && it != end; it.increment(error)) {
      files.push_back(it->path());
    }
    return files;
  }
  void EditJson(const std::string& name, const std::function<void(nlohmann::json&)>& edit) {
    auto json = nlohmann::json::parse(ReadTestFile(Path(name)));
    edit(json);
    folder_.Write(name, json.dump());
  }
  // Changes a byte in place, so that the file keeps its size, and sets its times back.
  void EditByte(const std::string& path, size_t at) {
    struct stat info = {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char old = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(old ^ 0x41));
    file.close();
    const timespec times[2] = {info.st_atim, info.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  const TempFolder folder_;
  const std::string cache_ = Path("cache/of/packed");
};

TEST_F(KeptMatrices, AreMadeOnceAndMappedFromThenOn) {
  const std::string plain = Answer(Load(""));
  const Model first = Load(cache_);
  ASSERT_EQ(Files().size(), 1u);
  const auto written = fs::last_write_time(Files()[0]);
  EXPECT_EQ(Answer(first), plain);
  const Model second = Load(cache_);
  EXPECT_EQ(second.impl().weights.owned_bytes, 0u);
  EXPECT_EQ(Answer(second), plain);
  // Sessions of the first, which has the same file mapped, do not mistake use for change.
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(fs::last_write_time(Files()[0]), written);
  EXPECT_EQ(Answer(first), plain);
}

TEST_F(KeptMatrices, EverythingElseIsTheModelsOwn) {
  ASSERT_EQ(LoadKept().config().generation.top_k, 64);
  EditJson("model/generation_config.json", [](auto& json) {
    json["top_k"] = 5;
    json["eos_token_id"] = {1, 107};
  });
  EXPECT_EQ(LoadKept().config().generation.top_k, 5);
  const std::vector<TokenId> stops = LoadKept().config().generation.stop_tokens;
  EXPECT_NE(std::ranges::find(stops, 107), stops.end());

  const float factor = LoadKept().config().text.rope_factor_global;
  EditJson("model/config.json", [&](auto& json) {
    json["rope_parameters"]["full_attention"]["factor"] = 2 * factor;
    json["max_position_embeddings"] = 256;
  });
  EXPECT_EQ(LoadKept().config().text.rope_factor_global, 2 * factor);
  EXPECT_EQ(LoadKept().config().text.max_context, 256u);

  TestModel other = TestModel::Small();
  std::swap(other.pieces[other.pieces.size() - 1].piece,
            other.pieces[other.pieces.size() - 2].piece);
  const auto last = static_cast<TokenId>(other.pieces.size() - 1);
  const Model before = LoadKept();
  folder_.Write("model/tokenizer.model", other.Serialize());
  const Model after = LoadKept();
  EXPECT_NE((*before.tokenizer())->Piece(last), (*after.tokenizer())->Piece(last));
  fs::remove(Path("model/tokenizer.model"));
  EXPECT_FALSE(LoadKept().tokenizer());

  fs::rename(Path("model"), Path("renamed"));
  const Model renamed = LoadKept("renamed");
  EXPECT_EQ(renamed.config().name, "renamed");
  EXPECT_EQ(renamed.path(), Path("renamed"));
  // What is listed is what the model's files hold, whether matrices are kept or not.
  const auto names = [](const Model& model) {
    std::set<std::string> out;
    for (const TensorInfo& info : model.tensors()) out.insert(info.type + " " + info.file);
    return out;
  };
  EXPECT_EQ(names(renamed), names(Load("", "renamed")));
  // And through all this they were packed once.
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(KeptMatrices, TheTokenizerMayArriveLater) {
  fs::remove(Path("model/tokenizer.model"));
  EXPECT_FALSE(LoadKept().tokenizer());
  folder_.Write("model/tokenizer.model", TestModel::Small().Serialize());
  EXPECT_TRUE(LoadKept().tokenizer());
}

TEST_F(KeptMatrices, AnEditAnywhereInAMatrixIsNoticed) {
  const std::string weights = Path("model/model.safetensors");
  const std::string before = MatrixBytesOf(LoadKept());
  const size_t size = fs::file_size(weights);
  for (const size_t at : {size / 4, size / 2 + 1, size - 2}) {
    EditByte(weights, at);
    const std::string fresh = MatrixBytesOf(Load(""));
    EXPECT_EQ(MatrixBytesOf(Load(cache_)), fresh) << at;
    EXPECT_EQ(MatrixBytesOf(LoadKept()), fresh) << at;
  }
  EXPECT_NE(MatrixBytesOf(LoadKept()), before);
}

TEST_F(KeptMatrices, ACopyThatWasChangedIsAnotherModel) {
  const std::string before = MatrixBytesOf(LoadKept());
  fs::create_directory(Path("copy"));
  for (const auto& entry : fs::directory_iterator(Path("model"))) {
    const std::string to = Path("copy") + "/" + entry.path().filename().string();
    fs::copy_file(entry.path(), to);
    fs::last_write_time(to, fs::last_write_time(entry.path()));  // as cp -p
  }
  EditByte(Path("copy/model.safetensors"), fs::file_size(Path("copy/model.safetensors")) / 2);
  EXPECT_EQ(MatrixBytesOf(LoadKept("copy")), MatrixBytesOf(Load("", "copy")));
  EXPECT_EQ(LoadKept("copy").config().name, "copy");
  EXPECT_EQ(MatrixBytesOf(LoadKept()), before);
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(KeptMatrices, LinksAreTheSameModel) {
  fs::create_directory(Path("linked"));
  for (const auto& entry : fs::directory_iterator(Path("model"))) {
    const fs::path to = fs::path(Path("linked")) / entry.path().filename();
    if (entry.path().extension() == ".safetensors") {
      fs::create_hard_link(entry.path(), to);
    } else {
      fs::create_symlink(entry.path(), to);
    }
  }
  fs::create_directory_symlink(Path("model"), Path("folder-link"));
  const std::string bytes = MatrixBytesOf(LoadKept());
  EXPECT_EQ(MatrixBytesOf(LoadKept("linked")), bytes);
  EXPECT_EQ(MatrixBytesOf(LoadKept("folder-link")), bytes);
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(KeptMatrices, EachFormIsItsOwn) {
  const auto load = [&](WeightFormat format) {
    return *Model::Load(Path("model"), {.weights = format, .cache_folder = cache_});
  };
  const std::string int8 = MatrixBytesOf(load(WeightFormat::kInt8));
  const std::string int4 = MatrixBytesOf(load(WeightFormat::kInt4));
  EXPECT_NE(int8, int4);
  EXPECT_EQ(MatrixBytesOf(load(WeightFormat::kInt8)), int8);
  EXPECT_EQ(MatrixBytesOf(load(WeightFormat::kInt4)), int4);
  EXPECT_EQ(Files().size(), 2u);
  (void)load(WeightFormat::kAsStored);  // read in place
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(KeptMatrices, ValuesOfAGgufFileAreReadAnew) {
  const auto write = [&](uint32_t stop) {
    GgufWriter writer = MakeGguf(TinyTextConfig(), 1, {.matrices = TensorType::kQ8_0});
    writer.Key("tokenizer.ggml.eot_token_id", stop);
    ASSERT_TRUE(WriteGguf(Path("model.gguf"), writer));
  };
  const auto stops = [&](TokenId id) {
    auto model = Model::Load(Path("model.gguf"), {.cache_folder = cache_});
    EXPECT_TRUE(model) << model.error().message;
    const auto& list = model->config().generation.stop_tokens;
    return std::ranges::find(list, id) != list.end();
  };
  write(40);
  EXPECT_TRUE(stops(40));
  EXPECT_TRUE(stops(40));
  EXPECT_EQ(Files().size(), 1u);
  write(41);  // over the old file
  EXPECT_TRUE(stops(41));
  EXPECT_FALSE(stops(40));
}

TEST_F(KeptMatrices, AFileThatDoesNotServeIsMadeAnew) {
  const std::string plain = Answer(Load(cache_));
  const std::string file = Files().at(0);
  const std::string good = ReadTestFile(file);
  std::vector<std::string> bad = {"", good.substr(0, 100), good.substr(0, good.size() - 1),
                                  good + "x", std::string(good.size(), '\0')};
  for (size_t i = 0; i < 400; i += 7) {  // the header
    bad.push_back(good);
    bad.back()[i] = static_cast<char>(bad.back()[i] ^ 0x15);
  }
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    const size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return bytes.replace(at, from.size(), to);
  };
  bad.push_back(replaced("\"version\":4", "\"version\":3"));
  bad.push_back(replaced("changed ", "chanced "));  // of another source
  bad.push_back(replaced("\"source\"", "\"soup__\""));
  bad.push_back(replaced("\"type\":\"int8\"", "\"type\":\"int4\""));
  for (const std::string& bytes : bad) {
    { std::ofstream(file, std::ios::binary) << bytes; }
    EXPECT_EQ(Answer(Load(cache_)), plain);
    EXPECT_EQ(ReadTestFile(file), good);
  }

  // Sound files that are not what is needed.
  const auto rewrite = [&](const std::function<void(PackedMatrices&)>& edit) {
    { std::ofstream(file, std::ios::binary) << good; }
    auto matrices = OpenPackedMatrices(file);
    ASSERT_TRUE(matrices) << matrices.error().message;
    edit(*matrices);
    ASSERT_TRUE(WritePackedMatrices(file, *matrices));
    EXPECT_EQ(Answer(Load(cache_)), plain);
    EXPECT_EQ(ReadTestFile(file), good);
  };
  const std::string gate = "layers.3.mlp.gate_proj.weight", down = "layers.3.mlp.down_proj.weight";
  rewrite([&](PackedMatrices& m) { m.tensors.erase(gate); });
  rewrite([&](PackedMatrices& m) { std::swap(m.tensors.at(gate), m.tensors.at(down)); });
  rewrite(
      [&](PackedMatrices& m) { m.tensors["layers.99.mlp.up_proj.weight"] = m.tensors.at(gate); });
  rewrite([&](PackedMatrices& m) {
    m.tensors["norm.weight"] = {
        .type = TensorType::kU8, .shape = {32}, .data = m.tensors.at(gate).data, .bytes = 32};
  });
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(KeptMatrices, AFolderThatCannotBeWrittenIsANote) {
  const std::string plain = Answer(Load(""));
  const size_t notes = Load("").notes().size();
  const Model model = Load(folder_.Write("file", "") + "/cache");
  EXPECT_EQ(Answer(model), plain);
  ASSERT_EQ(model.notes().size(), notes + 1);
  EXPECT_TRUE(std::ranges::any_of(model.notes(), [](const std::string& note) {
    return note.find("not kept: cannot write") != std::string::npos;
  }));
}

TEST_F(KeptMatrices, CancellingAtAnyTimeLeavesNothingBehind) {
  std::vector<Progress::Stage> stages;
  LoadOptions options = {.weights = WeightFormat::kInt8, .cache_folder = cache_};
  options.on_progress = [&](const Progress& progress) {
    stages.push_back(progress.stage);
    EXPECT_LE(progress.done, progress.total);
    return true;
  };
  ASSERT_TRUE(Model::Load(Path("model"), options));
  const size_t calls = stages.size();
  EXPECT_TRUE(std::ranges::is_sorted(stages));
  EXPECT_GT(std::ranges::count(stages, Progress::Stage::kWeights), 0);
  EXPECT_GT(std::ranges::count(stages, Progress::Stage::kWriting), 0);
  fs::remove(Files().at(0));

  stages.clear();
  ASSERT_TRUE(Convert(Path("model"), Path("out.gemma3"), options));
  EXPECT_GT(std::ranges::count(stages, Progress::Stage::kWriting), 0);
  const size_t convert_calls = stages.size();
  fs::remove(Path("out.gemma3"));
  const auto here = [&] {
    return std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator());
  };
  const auto files_before = here();

  for (size_t stop = 1; stop <= std::max(calls, convert_calls); ++stop) {
    size_t n = 0;
    options.on_progress = [&](const Progress&) { return ++n < stop; };
    if (stop <= calls) {
      const auto model = Model::Load(Path("model"), options);
      ASSERT_FALSE(model) << stop;
      EXPECT_EQ(model.error().code, ErrorCode::kCancelled);
    }
    EXPECT_TRUE(Files().empty());
    n = 0;
    if (stop <= convert_calls) {
      const Status status = Convert(Path("model"), Path("out.gemma3"), options);
      ASSERT_FALSE(status) << stop;
      EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
    }
    EXPECT_EQ(here(), files_before);
  }
}

TEST_F(KeptMatrices, SeveralMayPackAtOnce) {
  const std::string bytes = MatrixBytesOf(Load(""));
  std::vector<std::thread> threads;
  std::vector<std::string> got(4);
  for (std::string& result : got) {
    threads.emplace_back([&] {
      if (const auto model = TryLoad(cache_)) result = MatrixBytesOf(*model);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& result : got) EXPECT_TRUE(result == bytes);
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(MatrixBytesOf(LoadKept()), bytes);
}

TEST_F(KeptMatrices, ALimitIsObeyedBeforeAnythingIsPacked) {
  LoadOptions options = {.weights = WeightFormat::kInt8, .cache_folder = cache_};
  size_t calls = 0;
  options.on_progress = [&](const Progress&) { return ++calls > 0; };
  const auto info = Model::Inspect(Path("model"), options);
  ASSERT_TRUE(info) << info.error().message;
  const MemoryPlan plan = *info->Plan();
  const size_t need = plan.weights + plan.tokenizer + plan.program;
  options.max_memory_bytes = need - 1;
  const auto refused = Model::Load(Path("model"), options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOutOfMemory);
  EXPECT_NE(refused.error().message.find("weights"), std::string::npos);
  const Status status = Convert(Path("model"), Path("out.gemma3"), options);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kOutOfMemory);
  EXPECT_EQ(calls, 0u);
  EXPECT_FALSE(fs::exists(cache_));
  EXPECT_FALSE(fs::exists(Path("out.gemma3")));
  options.max_memory_bytes = need;
  EXPECT_TRUE(Model::Load(Path("model"), options));
  EXPECT_TRUE(Model::Load(Path("model"), options));
}

// The file stands alone: the model that it was made from may go.
TEST_F(KeptMatrices, AConvertedModelNeedsNothingElse) {
  EditJson("model/generation_config.json", [](auto& json) { json["top_k"] = 5; });
  const Model original = Load("");
  ASSERT_TRUE(Convert(Path("model"), Path("out.gemma3"), {.weights = WeightFormat::kInt8}));
  fs::remove_all(Path("model"));
  const Model converted = Load(cache_, "out.gemma3");
  EXPECT_TRUE(Files().empty());  // it needs no packing
  EXPECT_EQ(MatrixBytesOf(converted), MatrixBytesOf(original));
  EXPECT_EQ(Answer(converted), Answer(original));
  EXPECT_EQ(converted.config().name, "model");
  EXPECT_EQ(converted.config().generation.top_k, 5);
}

}  // namespace
}  // namespace gemma3::testing
