// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 embed: vectors of texts, or texts by their nearness to a question.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/base/ascii.h"
#include "src/base/file_writer.h"
#include "src/base/status.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/input_lines.h"
#include "tools/interrupt.h"
#include "tools/models.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/text.h"
#include "tools/vector_json.h"

namespace gemma3::cli {
namespace {

constexpr size_t kTextsAtOnce = 1024;  // then their vectors are written

// The header of a .npy file (NumPy, format 1.0) in front of [rows, cols] floats.
std::string NpyHeader(size_t rows, size_t cols) {
  std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) +
                     ", " + std::to_string(cols) + "), }";
  constexpr size_t kPreamble = 10, kAlign = 64;
  dict.resize((kPreamble + dict.size() + 1 + kAlign - 1) / kAlign * kAlign - kPreamble - 1, ' ');
  dict += '\n';
  std::string header = "\x93NUMPY";
  header += '\1';
  header += '\0';
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

// Where vectors go: standard output or a file, as JSON arrays a line or as raw numbers.
class Sink {
 public:
  static Result<Sink> Open(const std::string& path, size_t texts, size_t dimensions) {
    Sink sink;
    if (path.empty()) return sink;
    GEMMA3_TRY(FileWriter file, FileWriter::Create(path));
    sink.file_.emplace(std::move(file));
    sink.raw_ = path.ends_with(".f32") || path.ends_with(".npy");
    if (path.ends_with(".npy")) GEMMA3_CHECK_OK(sink.Append(NpyHeader(texts, dimensions)));
    return sink;
  }

  Status Write(const Embeddings& embeddings) {
    static_assert(std::endian::native == std::endian::little);  // as both formats are
    if (raw_) return file_->Append(std::as_bytes(std::span(embeddings.values)));
    std::string lines;
    for (size_t i = 0; i < embeddings.size(); ++i) lines += VectorJson(embeddings.vector(i)) + "\n";
    if (file_) return Append(lines);
    out_.Write(lines);
    return {};
  }

  Status Commit() { return file_ ? file_->Commit() : Status(); }
  int Finish(int code) { return out_.Finish(code); }

 private:
  Status Append(std::string_view text) { return file_->Append(std::as_bytes(std::span(text))); }

  std::optional<FileWriter> file_;
  bool raw_ = false;
  Output out_;
};

// A line of --json-lines: a text, or an object with one.
Result<std::string> TextOf(const std::string& line, size_t number) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  const nlohmann::json* text = &json;
  if (json.is_object() && json.contains("text")) text = &json["text"];
  if (text->is_string()) return text->get<std::string>();
  return Fail(ErrorCode::kInvalidArgument, "line ", number,
              " is neither a JSON string nor an object with a \"text\"");
}

Result<std::vector<std::string>> ReadTexts(const std::string& path, bool json_lines) {
  GEMMA3_TRY(InputLines lines, InputLines::Open(path));
  std::vector<std::string> texts;
  std::string line;
  for (size_t number = 1;; ++number) {
    GEMMA3_TRY(const bool more, lines.Next(&line));
    if (!more) return texts;
    if (json_lines && TrimSpace(line).empty()) continue;
    if (json_lines) {
      GEMMA3_TRY(line, TextOf(line, number));
    } else if (line.ends_with('\r')) {
      line.pop_back();
    }
    texts.push_back(std::move(line));
  }
}

// Finds what would end a long run late, before it begins. Texts count from 1, as lines do.
Status CheckTexts(const Embedder& embedder, std::span<const std::string> texts,
                  const EmbedOptions& options) {
  GEMMA3_CHECK_OK(embedder.Tokens("", options));  // a prompt that there is not
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto tokens = embedder.Tokens(texts[i], options);
    if (!tokens) return Fail(tokens.error().code, "text ", i + 1, ": ", tokens.error().message);
    if (tokens->size() <= embedder.max_tokens() || options.truncate) continue;
    return Fail(ErrorCode::kContextTooLong, "text ", i + 1, " has ", tokens->size(),
                " tokens, with what stands around it; the model takes ", embedder.max_tokens(),
                ": cut it into pieces, or let --truncate cut it");
  }
  return {};
}

// Embeds all texts, a part at a time, under a line that shows how far it is.
// take(first, embeddings) gets each part.
template <class Take>
Status EmbedAll(const Embedder& embedder, std::span<const std::string> texts, EmbedOptions options,
                const Take& take) {
  GEMMA3_CHECK_OK(CheckTexts(embedder, texts, options));
  CancelFlag cancel;
  options.cancel = cancel;
  const CancelOnInterrupt scope(cancel);
  ProgressLine progress;
  for (size_t first = 0; first < texts.size(); first += kTextsAtOnce) {
    const auto part = texts.subspan(first, std::min(kTextsAtOnce, texts.size() - first));
    auto embeddings = embedder.Embed(part, options, [&](const Progress& p) {
      constexpr size_t kParts = 1000;  // of a text
      const size_t done = p.total == 0 ? 0 : part.size() * kParts * p.done / p.total;
      progress.Update({p.stage, first * kParts + done, texts.size() * kParts});
      return true;
    });
    if (!embeddings) {
      // Numbers in messages count from the begin of the part.
      if (first == 0) return std::unexpected(embeddings.error());
      return Fail(embeddings.error().code, "behind text ", first, ": ", embeddings.error().message);
    }
    progress.Erase();
    for (const size_t cut : embeddings->truncated) {
      WriteStderr("warning: text " + std::to_string(first + cut + 1) + " was cut to " +
                  std::to_string(embedder.max_tokens()) + " tokens\n");
    }
    GEMMA3_CHECK_OK(take(first, *embeddings));
  }
  return {};
}

// The name, where the model has such a prompt.
std::string PromptIfThere(const Embedder& embedder, const char* name) {
  for (const TaskPrompt& prompt : embedder.model().config().embedding->prompts) {
    if (EqualIgnoringCase(prompt.name, name)) return prompt.name;
  }
  return {};
}

int PrintSimilar(const Embedder& embedder, const std::string& query,
                 const std::vector<std::string>& texts, const EmbedOptions& options, size_t top) {
  EmbedOptions of_query = options, of_texts = options;
  if (options.prompt.empty() && !options.prefix) {
    of_query.prompt = PromptIfThere(embedder, "query");
    of_texts.prompt = PromptIfThere(embedder, "document");
  }
  const auto asked = embedder.Embed({&query, 1}, of_query);
  if (!asked) return Report(asked.error());
  std::vector<std::pair<float, size_t>> scores;
  const Status done = EmbedAll(
      embedder, texts, of_texts, [&](size_t first, const Embeddings& embeddings) -> Status {
        for (size_t i = 0; i < embeddings.size(); ++i) {
          scores.emplace_back(Cosine(asked->vector(0), embeddings.vector(i)), first + i);
        }
        return {};
      });
  if (!done) return Report(done.error());
  std::ranges::stable_sort(scores, std::ranges::greater(), &std::pair<float, size_t>::first);
  if (top != 0) scores.resize(std::min(scores.size(), top));
  Output out;
  for (const auto& [score, text] : scores) {
    out.Write(Format("%.4f\t", static_cast<double>(score)) + texts[text] + "\n");
  }
  return out.Finish(kExitOk);
}

}  // namespace

int EmbedCommand(int argc, const char* const* argv) {
  Settings settings;
  EmbedOptions options;
  std::string file, output, similar, prefix = "\n";
  bool json_lines = false, truncate = false;
  size_t top = 0;
  Args args("embed", "MODEL [TEXT...]",
            "Prints the vector of each TEXT, or of each line of FILE or standard input, as a JSON\n"
            "array a line. Vectors have length 1: the cosine of two is the sum of their products.\n"
            "For search, give questions --prompt query and texts --prompt document.");
  args.AddText("-f,--file", "FILE", &file, "a text a line; - is standard input");
  args.AddFlag("--json-lines", &json_lines, "lines are JSON: strings, or objects with a \"text\"");
  args.AddText("--prompt", "NAME", &options.prompt,
               "task prompt before each text: query, document, STS, ... (default: the model's, "
               "mostly none)");
  args.AddText("--prefix", "TEXT", &prefix, "the same in your own words");
  args.AddSize("--dimensions", 1, &options.dimensions, "numbers of a vector, e.g. 512, 256 or 128");
  args.AddFlag("--truncate", &truncate, "cut texts that are too long, which is an error else");
  args.AddText("--output", "FILE", &output,
               "write the vectors there: raw with the ending .f32, an array with .npy, else JSON");
  args.AddText("--similar", "QUERY", &similar,
               "print the texts by falling similarity to QUERY, with its cosine");
  args.AddSize("--top", 1, &top, "with --similar: only so many");
  args.AddSettings(
      &settings, {SettingGroup::kSession, SettingGroup::kModel},
      {"context", "parallel", "kv", "prefill-batch", "image-cache", "checkpoint-bytes",
       "prompt-cache", "prompt-cache-max", "pan-and-scan", "image-newlines", "draft", "mmproj"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().empty()) return args.UsageError("expects MODEL");
  std::vector<std::string> texts(args.words().begin() + 1, args.words().end());
  if (!texts.empty() && (!file.empty() || json_lines)) {
    return args.UsageError("takes TEXT or lines of a file, not both");
  }
  if (!similar.empty() && !output.empty()) {
    return args.UsageError("--similar prints texts; there are no vectors for --output");
  }
  if (top != 0 && similar.empty()) return args.UsageError("--top goes with --similar QUERY");
  if (prefix != "\n") {  // which no prompt is
    if (!options.prompt.empty()) return args.UsageError("--prompt or --prefix, not both");
    options.prefix = prefix;
  }
  options.truncate = truncate;
  if (texts.empty()) {
    auto read = ReadTexts(file.empty() ? "-" : file, json_lines);
    if (!read) return Report(read.error());
    texts = *std::move(read);
  }

  const auto opened = LoadModel(args.words()[0], settings);
  if (!opened) return Report(opened.error(), During::kLoad);
  const auto embedder =
      Embedder::Create(opened->model, {.threads = settings.session.threads,
                                       .compute = settings.session.compute,
                                       .max_memory_bytes = settings.session.max_memory_bytes,
                                       .adapters = opened->adapters});
  if (!embedder) return Report(embedder.error(), During::kLoad);
  if (!similar.empty()) return PrintSimilar(*embedder, similar, texts, options, top);

  const size_t dimensions = options.dimensions == 0 ? embedder->dimensions() : options.dimensions;
  auto sink = Sink::Open(output, texts.size(), dimensions);
  if (!sink) return Report(sink.error());
  Status status = EmbedAll(*embedder, texts, options, [&](size_t, const Embeddings& embeddings) {
    return sink->Write(embeddings);
  });
  if (status) status = sink->Commit();
  if (!status) return sink->Finish(Report(status.error()));
  return sink->Finish(kExitOk);
}

}  // namespace gemma3::cli
