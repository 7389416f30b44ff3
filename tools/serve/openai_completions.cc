// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/openai_completions.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tools/serve/json_out.h"
#include "tools/serve/openai_chat.h"
#include "tools/serve/openai_fields.h"

namespace gemma3::serve {
namespace {

constexpr int64_t kDefaultTokens = 16;  // OpenAI's

// One prompt: what is asked for, and its text for `echo`.
struct TextPrompt {
  std::string text;
  Prompt prompt;
};

Api<TextPrompt> ReadPrompt(const JsonIn& value, const ModelView& model) {
  TextPrompt out;
  if (value.IsString()) {
    GEMMA3_TRY(out.text, value.String());
    out.prompt = Prompt::Raw(out.text);
    return out;
  }
  if (!value.IsArray()) return value.Wrong("expected a string or a list of token ids");
  GEMMA3_TRY(out.prompt.ids, ReadTokens(value));
  if (model.decode) out.text = model.decode(out.prompt.ids);
  return out;
}

size_t Characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

class CompletionTelling : public Telling {
 public:
  struct Form {
    size_t n = 1;
    bool echo = false, drop_answer = false, usage = false;
    std::optional<size_t> logprobs;
  };
  CompletionTelling(std::string model, std::vector<std::string> prompts, const Form& form)
      : id_(NewId("cmpl-")),
        created_(Now()),
        model_(std::move(model)),
        prompts_(std::move(prompts)),
        form_(form),
        offsets_(prompts_.size() * form.n) {
    for (size_t i = 0; form.echo && i < offsets_.size(); ++i) {
      offsets_[i] = Characters(prompts_[i / form.n]);
    }
  }

  std::string Whole(std::span<const GenerationResult> results) override {
    Json choices = Json::array();
    for (size_t i = 0; i < results.size(); ++i) {
      const GenerationResult& result = results[i];
      std::string text = form_.echo ? prompts_[i / form_.n] : "";
      if (!form_.drop_answer) text += result.text;
      Json logprobs;
      if (form_.logprobs) {
        Lists lists;
        size_t offset = 0;
        if (form_.echo) {
          for (size_t t = 1; t < result.prompt_logprobs.size(); ++t) {
            lists.Add(result.prompt_logprobs[t], /*guessed=*/t > 1, &offset);
          }
        }
        if (!form_.drop_answer) {
          for (const TokenLogprobs& token : SpelledLogprobs(result)) {
            lists.Add(token, true, &offset);
          }
        }
        logprobs = std::move(lists).Finish();
      }
      choices.push_back(Choice(i, std::move(text), std::move(logprobs), Reason(result)));
    }
    Json json = Frame();
    json["choices"] = std::move(choices);
    json["usage"] = Usage(results);
    return Dump(json);
  }

  std::string Begin() override {
    if (!form_.echo) return {};
    std::string chunks;
    for (size_t i = 0; i < offsets_.size(); ++i) {
      chunks += Chunk(Choice(i, prompts_[i / form_.n], {}, nullptr));
    }
    return chunks;
  }
  std::string Step(size_t answer, const AnswerStep& step) override {
    if (form_.drop_answer) return {};
    Json logprobs;
    if (form_.logprobs) {
      Lists lists;
      for (const TokenLogprobs& token : step.logprobs) lists.Add(token, true, &offsets_[answer]);
      logprobs = std::move(lists).Finish();
    }
    return Chunk(Choice(answer, std::string(step.text), std::move(logprobs), nullptr));
  }
  std::string Done(size_t answer, const GenerationResult& result) override {
    return Chunk(Choice(answer, "", {}, Reason(result)));
  }
  std::string End(std::span<const GenerationResult> results) override {
    std::string chunks;
    if (form_.usage) {
      Json json = Frame();
      json["choices"] = Json::array();
      json["usage"] = Usage(results);
      chunks = Event(Dump(json));
    }
    return chunks + "data: [DONE]\n\n";
  }
  std::string Failed(const ApiError& error) override {
    return Event(ErrorBody(error, Wording::kOpenAi));
  }

 private:
  // The four lists of OpenAI's older form.
  class Lists {
   public:
    // guessed: something stands before it, so that it has a probability.
    void Add(const TokenLogprobs& token, bool guessed, size_t* offset) {
      tokens_.push_back(token.chosen.bytes);
      logprobs_.push_back(guessed ? Json(token.chosen.logprob) : Json());
      Json top = guessed ? Json::object() : Json();
      if (guessed) {
        // Tokens that are spelled alike: the likeliest comes first and stands for them.
        for (const auto& other : token.likeliest) {
          top.emplace(Valid(other.bytes), other.logprob);
        }
      }
      top_.push_back(std::move(top));
      offsets_.push_back(*offset);
      *offset += Characters(token.chosen.bytes);
    }
    Json Finish() && {
      return {{"tokens", std::move(tokens_)},
              {"token_logprobs", std::move(logprobs_)},
              {"top_logprobs", std::move(top_)},
              {"text_offset", std::move(offsets_)}};
    }

   private:
    // Keys are not repaired when they are written.
    static std::string Valid(const std::string& bytes) {
      const std::string quoted = Dump(Json(bytes));
      return Json::parse(quoted).get<std::string>();
    }
    Json tokens_ = Json::array(), logprobs_ = Json::array(), top_ = Json::array(),
         offsets_ = Json::array();
  };

  const char* Reason(const GenerationResult& result) const {
    return form_.drop_answer ? "length" : FinishReason(result);
  }
  Json Usage(std::span<const GenerationResult> results) const {
    Json usage = UsageOf(results, form_.n);
    if (form_.drop_answer) {
      usage["completion_tokens"] = 0;
      usage["total_tokens"] = usage["prompt_tokens"];
    }
    return usage;
  }
  Json Frame() const {
    return {{"id", id_},
            {"object", "text_completion"},
            {"created", created_},
            {"model", model_},
            {"system_fingerprint", "fp_gemma3cpp"}};
  }
  static Json Choice(size_t index, std::string text, Json logprobs, const char* reason) {
    Json choice = {{"text", std::move(text)}, {"index", index}};
    choice["logprobs"] = std::move(logprobs);
    choice["finish_reason"] = reason == nullptr ? Json() : Json(reason);
    return choice;
  }
  std::string Chunk(Json choice) const {
    Json json = Frame();
    json["choices"] = Json::array();
    json["choices"].push_back(std::move(choice));
    if (form_.usage) json["usage"] = nullptr;
    return Event(Dump(json));
  }

  const std::string id_;
  const int64_t created_;
  const std::string model_;
  const std::vector<std::string> prompts_;
  const Form form_;
  std::vector<size_t> offsets_;  // of the next piece of each answer, in characters
};

}  // namespace

Api<Ask> ReadCompletion(const JsonIn& body, const ModelView& model, const AskDefaults& defaults) {
  Ask ask;
  ask.options = defaults.options;
  CompletionTelling::Form form;
  GEMMA3_CHECK_OK(ReadSampling(body, model, ask.options));
  GEMMA3_TRY(const auto tokens, body.FindInteger("max_tokens", -1, JsonIn::kMost));
  form.drop_answer = tokens == 0;
  LimitTokens(form.drop_answer ? 1 : tokens.value_or(kDefaultTokens), defaults, ask.options);
  GEMMA3_TRY(const auto n, body.FindInteger("n", 1, static_cast<int64_t>(defaults.max_n)));
  ask.n = form.n = static_cast<size_t>(n.value_or(1));
  GEMMA3_TRY(const auto best_of, body.FindInteger("best_of", 1, JsonIn::kMost));
  if (best_of && *best_of != static_cast<int64_t>(ask.n)) {
    return Refuse(400, "best_of other than n is not supported", "best_of", "unsupported_value");
  }
  GEMMA3_TRY(const auto suffix, body.FindString("suffix"));
  if (suffix && !suffix->empty()) {
    return Refuse(400, "suffix is not supported: Gemma 3 does not fill in", "suffix",
                  "unsupported_value");
  }
  GEMMA3_TRY(form.echo, body.FindBool("echo", false));
  GEMMA3_TRY(ask.stream, body.FindBool("stream", false));
  GEMMA3_TRY(const auto logprobs, body.FindInteger("logprobs", 0, 20));
  if (logprobs) form.logprobs = static_cast<size_t>(*logprobs);
  if (form.logprobs) ask.options.logprobs = form.logprobs;
  if (form.logprobs && form.echo) {
    if (ask.stream) {
      return Refuse(400, "echo with logprobs is not streamed", "stream", "unsupported_value");
    }
    ask.options.prompt_logprobs = form.logprobs;
  }
  if (const auto stream_options = body.Find("stream_options")) {
    if (!stream_options->IsObject()) return stream_options->Wrong("expected an object");
    GEMMA3_TRY(form.usage, stream_options->FindBool("include_usage", false));
  }
  if (const auto format = body.Find("response_format")) {  // vLLM takes it here, too
    std::string ignored;
    if (!format->IsObject()) return format->Wrong("expected an object");
    GEMMA3_CHECK_OK(ReadResponseFormat(*format, false, ask.options, &ignored));
  }

  GEMMA3_TRY(const JsonIn prompt, body.Need("prompt"));
  std::vector<std::string> texts;
  const auto add = [&](const JsonIn& value) -> Api<void> {
    GEMMA3_TRY(TextPrompt one, ReadPrompt(value, model));
    texts.push_back(std::move(one.text));
    ask.prompts.push_back(std::move(one.prompt));
    return {};
  };
  if (prompt.IsString() || AreTokens(prompt)) {
    GEMMA3_CHECK_OK(add(prompt));
  } else {
    if (prompt.IsArray() && prompt.size() == 0) return prompt.Wrong("it is empty");
    if (!prompt.IsArray()) {
      return prompt.Wrong("expected a string, a list of strings, or lists of token ids");
    }
    if (prompt.size() > defaults.max_prompts) {
      return prompt.Wrong("at most " + std::to_string(defaults.max_prompts) + " prompts");
    }
    for (size_t i = 0; i < prompt.size(); ++i) GEMMA3_CHECK_OK(add(prompt.At(i)));
  }
  ask.telling = std::make_unique<CompletionTelling>(model.id, std::move(texts), form);
  return ask;
}

}  // namespace gemma3::serve
