// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 schema: what of a schema or grammar is enforced, which texts it lets through, and what
// masks cost.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/constraint.h"
#include "gemma3/tokenizer.h"
#include "src/base/status.h"
#include "src/constrain/matcher.h"
#include "src/constrain/token_trie.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/models.h"
#include "tools/output.h"
#include "tools/prompt.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

using Clock = std::chrono::steady_clock;

double MicrosecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

// The tokenizer of --model, and what constraints know of it.
struct Vocabulary {
  explicit Vocabulary(Tokenizer loaded) : tokenizer(std::move(loaded)), tokens(tokenizer) {}
  const Tokenizer tokenizer;
  const ConstraintVocabulary tokens;
};

struct Costs {
  std::vector<double> masks;  // microseconds
  size_t tokens = 0, forced = 0, listed = 0;

  double Average() const {
    double sum = 0;
    for (const double mask : masks) sum += mask;
    return masks.empty() ? 0 : sum / static_cast<double>(masks.size());
  }
  double Percentile(size_t of_thousand) const {
    return masks.empty() ? 0 : masks[(masks.size() - 1) * of_thousand / 1000];
  }
  double ForcedShare() const {
    return tokens == 0 ? 0 : static_cast<double>(forced) / static_cast<double>(tokens);
  }
};

// Where `text` fails, or nothing.
Result<std::optional<size_t>> Check(const Constraint& constraint, const std::string& text) {
  ConstraintMatcher matcher(constraint, nullptr);
  GEMMA3_TRY(const size_t read, matcher.AcceptBytes(text));
  if (read < text.size() || !matcher.MayEnd()) return std::optional<size_t>(read);
  return std::optional<size_t>();
}

// Goes through the text token by token, as a generation would, up to where it fails.
Status Walk(const Constraint& constraint, const Vocabulary& vocabulary, const std::string& text,
            bool accepted, Costs& costs) {
  const auto ids = vocabulary.tokenizer.Encode(text);
  if (!ids) return {};  // not UTF-8: no text of the model
  ConstraintMatcher matcher(constraint, &vocabulary.tokens);
  std::vector<TokenId> forced;
  bool whole = true;
  for (size_t i = 0; i < ids->size();) {
    GEMMA3_CHECK_OK(matcher.Forced(&forced));
    const bool follows = !forced.empty() && forced.size() <= ids->size() - i &&
                         std::equal(forced.begin(), forced.end(), ids->begin() + i);
    if (follows) {
      for (const TokenId id : forced) {
        GEMMA3_TRY(const bool ok, matcher.Accept(id));
        whole &= ok;
      }
      costs.forced += forced.size();
      costs.tokens += forced.size();
      i += forced.size();
      continue;
    }
    const auto begin = Clock::now();
    GEMMA3_TRY(const TokenMask* mask, matcher.Allowed());
    costs.masks.push_back(MicrosecondsSince(begin));
    costs.listed += mask->is_list() ? 1 : 0;
    const bool in_mask = mask->Contains((*ids)[i]);
    GEMMA3_TRY(const bool ok, matcher.Accept((*ids)[i]));
    if (ok != in_mask) {
      return Fail(ErrorCode::kInternal, "a mask and the matcher disagree at token ", i);
    }
    if (!ok) {
      whole = false;
      break;
    }
    ++costs.tokens;
    ++i;
  }
  if ((whole && matcher.MayEnd()) != accepted) {
    return Fail(ErrorCode::kInternal, "tokens and bytes of one text are judged differently");
  }
  return {};
}

// A text that the constraint lets through, written byte by byte at random; nothing where it has not
// come to an end in time.
Result<std::optional<std::string>> RandomText(const Constraint& constraint,
                                              std::mt19937_64& random) {
  constexpr size_t kLong = 600, kTooLong = 20000;
  ConstraintMatcher matcher(constraint, nullptr);
  std::string text;
  std::vector<char> bytes(256);
  std::iota(bytes.begin(), bytes.end(), '\0');
  while (text.size() < kTooLong) {
    if (matcher.MayEnd() && (matcher.MustEnd() || text.size() > kLong || random() % 4 == 0)) {
      return std::optional(std::move(text));
    }
    // What ends something first, where the text is long and now and then; else mostly letters.
    std::ranges::shuffle(bytes, random);
    const bool close = text.size() > kLong || random() % 6 == 0;
    const bool plain = random() % 20 != 0;
    std::ranges::stable_partition(bytes, [&](char c) {
      if (close) return c == '"' || c == '}' || c == ']';
      return !plain || (c >= 0x20 && c < 0x7F && c != '\\');
    });
    bool went_on = false;
    for (const char byte : bytes) {
      GEMMA3_TRY(const size_t read, matcher.AcceptBytes({&byte, 1}));
      went_on = read == 1;
      if (went_on) {
        text += byte;
        break;
      }
    }
    if (!went_on) return Fail(ErrorCode::kInternal, "nothing may follow ", text);
  }
  return std::optional<std::string>();
}

std::string Describe(const Costs& costs, double first_ms, size_t store_bytes) {
  return Format(
      "first mask after %.2f ms; %zu masks: average %.1f us, p50 %.1f, p90 %.1f, p99 %.1f, max "
      "%.1f\n%zu tokens, %.1f %% of them forced; %.1f %% of the masks are lists; caches hold %.1f "
      "MB\n",
      first_ms, costs.masks.size(), costs.Average(), costs.Percentile(500), costs.Percentile(900),
      costs.Percentile(990), costs.Percentile(1000), costs.tokens, 100 * costs.ForcedShare(),
      costs.masks.empty()
          ? 0.0
          : 100 * static_cast<double>(costs.listed) / static_cast<double>(costs.masks.size()),
      static_cast<double>(store_bytes) / 1e6);
}

nlohmann::json ToJson(const Costs& costs, double compile_ms, double first_ms) {
  return {{"compile_ms", compile_ms},
          {"first_mask_ms", first_ms},
          {"masks", costs.masks.size()},
          {"mask_us",
           {{"average", costs.Average()},
            {"p50", costs.Percentile(500)},
            {"p90", costs.Percentile(900)},
            {"p99", costs.Percentile(990)},
            {"max", costs.Percentile(1000)}}},
          {"tokens", costs.tokens},
          {"forced_share", costs.ForcedShare()}};
}

}  // namespace

int SchemaCommand(int argc, const char* const* argv) {
  bool is_grammar = false, json = false;
  size_t random_texts = 0, seed = 1;
  std::string instances, model;
  JsonSchemaOptions options;
  Args args("schema", "FILE",
            "Compiles a JSON schema and says what of it is enforced; exit code 2, with the JSON\n"
            "pointer, where something cannot be. \"-\" reads standard input.");
  args.AddFlag("--grammar", &is_grammar, "FILE is a grammar in GBNF");
  args.AddText("--check", "INSTANCES.jsonl", &instances,
               "for each line, a JSON string: is this text accepted, else up to which byte");
  args.AddText("--model", "MODEL|tokenizer.model", &model,
               "go through the texts by tokens, too, and measure masks");
  args.AddFlag("--json", &json,
               "the remarks as a JSON object; with --check one a line instead, and with --model a\n"
               "last one with the figures");
  args.AddSize("--random", 0, &random_texts,
               "write N random texts that it lets through, as JSON strings, one a line");
  args.AddSize("--seed", 0, &seed, "of these texts");
  args.AddFlag("--spaced", &options.form.spaced, "one space behind , and : and none elsewhere");
  args.AddFlag("--compact", &options.form.compact, "no white space");
  args.AddFlag("--closed", &options.closed_objects,
               "objects are closed where the schema does not say otherwise");
  args.AddFlag("--infer-type", &options.infer_type,
               "a schema with the keywords of one type is of that type");
  args.AddFlag("--lenient", &options.lenient, "leave out what cannot be enforced, and name it");
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().size() != 1) return args.UsageError("which FILE?");

  const std::string& path = args.words()[0];
  const auto text = ReadAll(path);
  if (!text) return Report(text.error());
  const auto begin = Clock::now();
  const auto constraint = is_grammar ? Grammar::Parse(*text) : JsonSchema::Compile(*text, options);
  const double compile_ms = MicrosecondsSince(begin) / 1000;
  if (!constraint) {
    const bool needs_flag = !is_grammar && text->find("::=") != std::string::npos;
    PrintError(path + (is_grammar ? ":" : ": ") + constraint.error().message +
               (needs_flag ? "; is it a grammar? --grammar reads one" : ""));
    return kExitUsage;
  }
  Output out;
  if (random_texts > 0) {
    std::mt19937_64 random(seed);
    for (size_t i = 0; i < random_texts; ++i) {
      const auto text = RandomText(*constraint, random);
      if (!text) return Report(text.error());
      if (*text) out.Write(nlohmann::json(**text).dump() + "\n");
    }
    return out.Finish(kExitOk);
  }
  if (!json) {
    out.Write(Format("compiled in %.2f ms; %s\n", compile_ms,
                     constraint->relaxed() ? "with --lenient, not everything is enforced:"
                     : constraint->remarks().empty()
                         ? "everything is enforced"
                         : "every keyword is enforced, and there are remarks:"));
    for (const std::string& remark : constraint->remarks()) out.Write("  " + remark + "\n");
  }

  std::unique_ptr<const Vocabulary> vocabulary;
  double first_ms = 0;
  if (!model.empty()) {
    const auto found = ResolveModel(model);
    if (!found) return Report(found.error(), During::kLoad);
    auto tokenizer = Tokenizer::Load(*found);
    if (!tokenizer) return Report(tokenizer.error(), During::kLoad);
    vocabulary = std::make_unique<const Vocabulary>(*std::move(tokenizer));
    const auto first = Clock::now();
    ConstraintMatcher matcher(*constraint, &vocabulary->tokens);
    if (const auto mask = matcher.Allowed(); !mask) return Report(mask.error());
    first_ms = compile_ms + MicrosecondsSince(first) / 1000;
  }
  if (instances.empty()) {
    if (json) {
      const nlohmann::ordered_json found = {{"relaxed", constraint->relaxed()},
                                            {"remarks", constraint->remarks()},
                                            {"compile_ms", compile_ms}};
      out.Write(found.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    }
    return out.Finish(kExitOk);
  }

  const auto lines = ReadAll(instances);
  if (!lines) return Report(lines.error());
  Costs costs;
  size_t number = 0, accepted = 0, checked = 0;
  for (std::string_view rest = *lines; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    ++number;
    if (TrimSpace(line).empty()) continue;
    const nlohmann::json instance = nlohmann::json::parse(line, nullptr, false);
    if (!instance.is_string()) {
      PrintError(instances + ", line " + std::to_string(number) + ": not a JSON string");
      return out.Finish(kExitRuntime);
    }
    const auto& written = instance.get_ref<const std::string&>();
    const auto failed_at = Check(*constraint, written);
    if (!failed_at) return Report(failed_at.error());
    ++checked;
    accepted += *failed_at ? 0 : 1;
    if (json) {
      nlohmann::ordered_json result = {{"accepted", !*failed_at}};
      if (*failed_at) result["at"] = **failed_at;
      out.Write(result.dump() + "\n");
    } else if (*failed_at) {
      out.Write(Format("line %zu: refused at byte %zu\n", number, **failed_at));
    } else {
      out.Write(Format("line %zu: accepted\n", number));
    }
    if (vocabulary != nullptr) {
      if (const Status walked = Walk(*constraint, *vocabulary, written, !*failed_at, costs);
          !walked) {
        PrintError("line " + std::to_string(number) + ": " + walked.error().message);
        return out.Finish(kExitRuntime);
      }
    }
  }
  std::sort(costs.masks.begin(), costs.masks.end());
  if (!json) out.Write(Format("%zu of %zu texts accepted\n", accepted, checked));
  if (vocabulary != nullptr) {
    const ConstraintMatcher matcher(*constraint, &vocabulary->tokens);
    out.Write(json ? ToJson(costs, compile_ms, first_ms).dump() + "\n"
                   : Describe(costs, first_ms, matcher.store_bytes()));
  }
  return out.Finish(kExitOk);
}

}  // namespace gemma3::cli
