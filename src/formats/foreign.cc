// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Tables. Where a row says nothing of its own, what to use instead is kUse.
#include "src/formats/foreign.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

#include "src/base/file_map.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr char kUse[] =
    "use the Hugging Face folder of the same model (safetensors files), or a GGUF file";
constexpr char kUnpack[] = "unpack it first";
constexpr char kLogIn[] =
    "a download that failed? Log in (hf auth login), accept the model's licence on its page, and "
    "download it again";

struct Form {
  const char* what;        // "a gemma.cpp .sbs file"
  const char* use = kUse;  // what to do instead
};

struct Magic {
  size_t offset;
  std::string_view bytes;
  Form form;
};
constexpr Magic kMagics[] = {
    {0, "LITERTLM"sv, {"a LiteRT-LM file, a compiled model"}},
    {4, "TFL3"sv, {"a LiteRT (TensorFlow Lite) file, a compiled model"}},
    {4, "ET12"sv, {"an ExecuTorch file, a compiled model"}},
    {0, "SBS\n"sv, {"a gemma.cpp .sbs file"}},
    {0, "\x89HDF\r\n\x1a\n"sv, {"an HDF5 file (Keras)"}},
    {0, "lmgg"sv, {"a GGML file, the form before GGUF"}},
    {0, "fmgg"sv, {"a GGML file, the form before GGUF"}},
    {0, "tjgg"sv, {"a GGML file, the form before GGUF"}},
    {0, "algg"sv, {"a GGML file, the form before GGUF"}},
    {0, "\x93NUMPY"sv, {"a NumPy file"}},
    {0, "\x1f\x8b"sv, {"a gzip archive", kUnpack}},
    {0, "\x28\xb5\x2f\xfd"sv, {"a zstd archive", kUnpack}},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     {"an xz archive", kUnpack}},
    {0, "BZh"sv, {"a bzip2 archive", kUnpack}},
    {0, "7z\xbc\xaf\x27\x1c"sv, {"a 7-Zip archive", kUnpack}},
    {0, "Rar!\x1a\x07"sv, {"a RAR archive", kUnpack}},
    {0, "\x04\x22\x4d\x18"sv, {"an LZ4 archive", kUnpack}},
    {257, "ustar"sv, {"a tar archive", kUnpack}},
    {0,
     "version https://git-lfs"sv,
     {"a Git LFS pointer, not the file itself",
      "run \"git lfs pull\" in its folder, or download with the Hugging Face client"}},
    {0,
     "# xet version"sv,
     {"an Xet pointer, not the file itself", "download with the Hugging Face client"}},
    {0, "MZ"sv, {"a program without a model in it"}},
    {0,
     "\x7f"
     "ELF"sv,
     {"a program without a model in it"}},
    {0, "\xcf\xfa\xed\xfe"sv, {"a program without a model in it"}},
};

// By the end of a name, in lower case: of files whose first bytes say little, and in folders. Those
// of folders come first where they say more.
struct Ending {
  std::string_view ending;
  Form form;
};
constexpr Form kPickle = {"a PyTorch file (a Python pickle, which can run code when opened)"};
constexpr Form kOnnx = {"an ONNX model, a compiled graph"};
constexpr Form kOpenVino = {"an OpenVINO model, a compiled graph"};
constexpr Form kMlc = {"an MLC model"};
constexpr Form kCoreMl = {"a Core ML model"};
constexpr Form kLiteRt = {"a LiteRT file, a compiled model"};
constexpr Form kDistributed = {"a distributed PyTorch checkpoint"};
constexpr Form kTensorRt = {"a TensorRT-LLM model, compiled for one GPU"};
constexpr Form kKeras = {"a Keras model"};
constexpr Form kOrbax = {"an Orbax (JAX) checkpoint"};
constexpr Form kUnfinished = {"an unfinished download", "let it finish, or start it again"};
constexpr Ending kEndings[] = {
    {".onnx", kOnnx},
    {".onnx_data", kOnnx},
    {".onnx.data", kOnnx},
    {".sbs", {"a gemma.cpp .sbs file"}},
    {".litertlm", kLiteRt},
    {".tflite", kLiteRt},
    {".task", kLiteRt},
    {".pte", {"an ExecuTorch file, a compiled model"}},
    {".mlmodel", kCoreMl},
    {".mlpackage", kCoreMl},
    {".mlmodelc", kCoreMl},
    {".nemo", {"a NeMo model"}},
    {".distcp", kDistributed},
    {".engine", kTensorRt},
    {".keras", kKeras},
    {".h5", kKeras},
    {".npz", {"a NumPy archive, the form of MLX's first models"}},
    {".incomplete", kUnfinished},
    {".part", kUnfinished},
    {".partial", kUnfinished},
    {".crdownload", kUnfinished},
    {".download", kUnfinished},
    {".aria2", kUnfinished},
    {".ckpt", kPickle},
    {".pth", kPickle},
    {".pt", kPickle},
    {".pkl", kPickle},
};

// Whole names of files and folders inside a folder. The first that is there decides.
constexpr Ending kFolderNames[] = {
    {"manifest.ocdbt", kOrbax},
    {"_metadata", kOrbax},
    {"_checkpoint_metadata", kOrbax},
    {"ocdbt.process_0", kOrbax},
    {"model.weights.h5", kKeras},
    {"model.weights.json", kKeras},
    {"mlc-chat-config.json", kMlc},
    {"params_shard_0.bin", kMlc},
    {"ndarray-cache.json", kMlc},
    {"openvino_model.xml", kOpenVino},
    {"openvino_language_model.xml", kOpenVino},
    {"openvino_model.bin", kOpenVino},
    {"genai_config.json", kOnnx},
    {"onnx", kOnnx},
    {"rank0.engine", kTensorRt},
    {"rank0.safetensors", kTensorRt},
    {".metadata", kDistributed},
    {"coremldata.bin", kCoreMl},
};

// Parts of names of an archive's members.
constexpr Ending kMembers[] = {
    {"tf_lite_prefill_decode", {"a LiteRT .task file (MediaPipe), a compiled model"}},
    {".tflite", {"a LiteRT .task file (MediaPipe), a compiled model"}},
    {"data.pkl", kPickle},
    {".weights.h5", kKeras},
    {".npy", {"a NumPy archive, the form of MLX's first models"}},
    {"com.apple.coreml", kCoreMl},
    {".safetensors", {"a zip archive of safetensors files", "unpack it and give its folder"}},
};

struct Architecture {
  std::string_view name;
  std::string_view what;
};
constexpr char kGemma4[] =
    "Gemma 4, a different architecture (its vocabulary is as large as Gemma 3's, and not the same)";
constexpr char kT5Gemma[] = "T5Gemma, an encoder-decoder; this program runs decoder-only models";
// The first row whose name is the model's, or its beginning before "_" or "-".
constexpr Architecture kArchitectures[] = {
    {"gemma-embedding", ""},  // is read, and no Gemma 1
    {"embedding_gemma2", "EmbeddingGemma 2, an embedding model of another architecture"},
    {"gemma", "Gemma 1, an older architecture"},
    {"gemma2", "a Gemma 2 (TxGemma and DataGemma are that too), an older architecture"},
    {"gemma3n", "Gemma 3n, a different architecture"},
    {"gemma4", kGemma4},
    {"paligemma", "PaliGemma, which is built on Gemma 1 or 2"},
    {"paligemma2", "PaliGemma, which is built on Gemma 1 or 2"},
    {"recurrent_gemma", "RecurrentGemma, a different architecture"},
    {"vaultgemma", "VaultGemma, a relative of Gemma 2"},
    {"t5gemma", kT5Gemma},
    {"t5gemma2", kT5Gemma},
    {"t5_gemma", kT5Gemma},
};

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

Error Refusal(const std::string& path, const Form& form) {
  return Fail(ErrorCode::kUnsupported, path, " is ", form.what, "; ", form.use).error();
}

// What went wrong on the way here is not that the form is not supported.
bool IsDownload(const Form& form) {
  return form.use == kLogIn ||
         std::string_view(form.what).find("pointer") != std::string_view::npos ||
         form.use == kUnfinished.use;
}

Error RefusalOf(const std::string& path, const Form& form) {
  Error error = Refusal(path, form);
  if (IsDownload(form)) error.code = ErrorCode::kBadModel;
  return error;
}

// A pickle begins with the number of its protocol.
bool IsPickle(std::string_view head) {
  return head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
}

// Bytes that a person can read, as far as they are there.
bool IsText(std::string_view head) {
  return !head.empty() && std::ranges::none_of(head, [](unsigned char c) {
    return (c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 127;
  });
}

// A page, a message or a configuration in place of a model.
Form FormOfText(std::string_view head, const std::string& name) {
  std::string text = Lower(head);
  text.erase(0, text.starts_with("\xef\xbb\xbf") ? 3 : 0);
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (name.ends_with(".jinja") || name.ends_with(".md") || name.starts_with("modelfile")) {
    return {"a text that belongs to a model", "give the folder, the file or the name of the model"};
  }
  if (text.starts_with("<?xml") && text.find("<net") != std::string::npos) return kOpenVino;
  if (text.starts_with("<")) return {"an HTML or XML page in place of a model", kLogIn};
  if (text.starts_with("{")) {
    if (text.find("\"error\"") != std::string::npos) {
      return {"an error message in place of a model", kLogIn};
    }
    if (text.find("\"schemaversion\"") != std::string::npos) {
      return {"an Ollama manifest, which only lists a model's files", "give the model's name"};
    }
    return {"a JSON file, a part of a model at most", "give the folder that it is in"};
  }
  return {"a text in place of a model", kLogIn};
}

template <size_t kCount>
const Form* ByEnding(const Ending (&table)[kCount], std::string_view name) {
  for (const auto& [ending, form] : table) {
    if (name.ends_with(ending)) return &form;
  }
  return nullptr;
}

std::string_view Head(std::span<const std::byte> bytes, size_t count) {
  return {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), count)};
}

// Digits from `at` on; where they end.
size_t SkipDigits(std::string_view text, size_t at) {
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  return at;
}

}  // namespace

std::string HowToJoin(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  const std::string lower = Lower(name);
  // Digits follow (".part1of2", ".cat0"), or as many letters, as split(1) counts.
  struct Mark {
    std::string_view text;
    size_t fewest_letters, most_letters;
  };
  constexpr Mark kMarks[] = {{".part", 2, 2}, {".cat", 1, 0}, {".split-", 1, 2}, {"-split-", 1, 2}};
  for (const auto& [text, fewest, most] : kMarks) {
    const size_t at = lower.rfind(text);
    if (at == std::string::npos || at == 0) continue;
    const std::string_view rest = std::string_view(lower).substr(at + text.size());
    size_t end = SkipDigits(rest, 0);
    if (end != 0 && rest.substr(end, 2) == "of") end = SkipDigits(rest, end + 2);
    const bool digits = end != 0 && end == rest.size();
    const bool letters = rest.size() >= fewest && rest.size() <= most &&
                         std::ranges::all_of(rest, [](char c) { return c >= 'a' && c <= 'z'; });
    if (!digits && !letters) continue;
    const std::string stem = name.substr(0, at);
    return path +
           " is a piece of a file that was cut for uploading; join all pieces with \"cat\", in the "
           "order of their numbers, into " +
           (Lower(stem).find(".gguf") == std::string::npos ? stem + ".gguf" : stem);
  }
  return "";
}

Error RefuseFile(const std::string& path, std::span<const std::byte> bytes) {
  const std::string name = Lower(fs::path(path).filename().string());
  if (bytes.empty()) {
    return Fail(ErrorCode::kBadModel, path, " is empty; download it again").error();
  }
  for (const Magic& magic : kMagics) {
    if (Head(bytes, 512)
            .substr(std::min<size_t>(magic.offset, Head(bytes, 512).size()))
            .starts_with(magic.bytes)) {
      // NeMo's files are tar archives, compressed or not.
      const Form* const by_name = ByEnding(kEndings, name);
      if (name.ends_with(".nemo")) return RefusalOf(path, *by_name);
      return RefusalOf(path, magic.form);
    }
  }
  const std::string_view head = Head(bytes, 4096);
  if (IsPickle(head)) return RefusalOf(path, kPickle);
  if (const std::string join = HowToJoin(path); !join.empty()) {
    return Fail(ErrorCode::kBadModel, join).error();
  }
  if (IsText(head)) {
    Error error = RefusalOf(path, FormOfText(head, name));
    if (error.code == ErrorCode::kBadModel) {  // it may say why
      error.message += ". It begins: " + Shown(head.substr(0, head.find('\n')), 100);
    }
    return error;
  }
  if (const Form* form = ByEnding(kEndings, name)) return RefusalOf(path, *form);
  for (const auto& [whole, form] : kFolderNames) {
    if (name == whole) return RefusalOf(path, form);
  }
  if (head.size() > 9 && head[8] == '{' && head.substr(6, 2) == "\0\0"sv) {
    return Fail(ErrorCode::kUnsupported, path,
                " is a safetensors file; give the folder of the model, where config.json and the "
                "tokenizer are beside it")
        .error();
  }
  if (name == "tokenizer.model" || name.ends_with(".spm")) {
    return Fail(ErrorCode::kUnsupported, path,
                " is only a tokenizer; give the folder of the model that it is in")
        .error();
  }
  return Fail(ErrorCode::kUnsupported, path,
              " is no model file that this library knows; expected a Hugging Face folder with "
              "safetensors files, or a GGUF file")
      .error();
}

Error RefuseArchive(const std::string& path, const std::vector<ZipMember>& members) {
  for (const auto& [part, form] : kMembers) {
    for (const ZipMember& member : members) {
      if (Lower(member.name).find(part) != std::string::npos) return RefusalOf(path, form);
    }
  }
  if (const Form* form = ByEnding(kEndings, Lower(path))) return RefusalOf(path, *form);
  return Fail(ErrorCode::kUnsupported, path,
              " is a zip archive without a GGUF file; if it holds a ", "model of another form, ",
              kUnpack)
      .error();
}

std::optional<Error> RefuseFolder(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  // A tokenizer and a config.json may lie beside anything; safetensors decide.
  for (const std::string& name : names) {
    if (name.ends_with(".safetensors") && !name.starts_with("rank")) return std::nullopt;
    if (name.ends_with(".safetensors.index.json")) return std::nullopt;
  }
  // KerasHub's folders have a config.json and a tokenizer.json as well, which mean other things.
  if (std::ranges::find(names, "metadata.json") != names.end()) {
    const auto text = ReadFile((fs::path(folder) / "metadata.json").string(), 1 << 20);
    if (text && text->find("keras") != std::string::npos) return RefusalOf(folder, kKeras);
  }
  for (const auto& [whole, form] : kFolderNames) {
    for (const std::string& name : names) {
      if (Lower(name) == whole) return RefusalOf(folder, form);
    }
  }
  const std::string self = Lower(fs::path(folder).lexically_normal().string());
  if (const Form* form =
          ByEnding(kEndings, self.ends_with('/') ? self.substr(0, self.size() - 1) : self)) {
    return RefusalOf(folder, *form);
  }
  for (const std::string& name : names) {
    const std::string lower = Lower(name);
    if (lower.ends_with(".llamafile")) {
      return Fail(ErrorCode::kBadModel, folder, " holds no safetensors files; give the path of ",
                  Shown(name), " in it")
          .error();
    }
    if (const std::string join = HowToJoin((fs::path(folder) / name).string()); !join.empty()) {
      return Fail(ErrorCode::kBadModel, join).error();
    }
    // Adapters and unfinished downloads have words of their own (hf_folder.cc).
    const Form* form = ByEnding(kEndings, lower);
    if (form != nullptr && form->what != kPickle.what && form->what != kUnfinished.what) {
      return Fail(ErrorCode::kUnsupported, folder, " holds ", form->what, " (", Shown(name), "); ",
                  form->use)
          .error();
    }
  }
  return std::nullopt;
}

std::string_view ForeignArchitecture(std::string_view name) {
  for (const auto& [begin, what] : kArchitectures) {
    const std::string_view rest = name.starts_with(begin) ? name.substr(begin.size()) : "?";
    if (rest.empty() || rest[0] == '_' || rest[0] == '-') return what;
  }
  return "";
}

}  // namespace gemma3
