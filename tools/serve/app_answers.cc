// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Routes that models answer: texts in the words of every API, and vectors.
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "src/base/stopwatch.h"
#include "tools/serve/app_work.h"
#include "tools/serve/embeddings.h"
#include "tools/serve/google.h"
#include "tools/serve/json_out.h"
#include "tools/serve/metrics.h"
#include "tools/serve/ollama.h"
#include "tools/serve/openai_chat.h"
#include "tools/serve/openai_completions.h"
#include "tools/serve/openai_responses.h"

namespace gemma3::serve {

using Clock = std::chrono::steady_clock;

namespace {

ApiError GeneratesNothing(const ServedModel& model) {
  return {400, model.view.id + " is an embedding model: it makes vectors of texts (/v1/embeddings)",
          "model", "model_not_supported"};
}

// What a request has its prompt in.
const char* PromptField(std::string_view path) {
  if (path == "/v1/responses") return "input";
  return path == "/v1/completions" ? "prompt" : "messages";
}

// One of Vertex AI's instances, with what all of them have from `parameters`.
Api<JsonIn> WithParameters(const JsonIn& instance, const JsonIn& parameters) {
  std::string text = instance.Text();
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (instance.Find(parameters.Key(i))) continue;
    const std::string name = Dump(Json(parameters.Key(i)));
    text = WithMember(std::move(text), std::string_view(name).substr(1, name.size() - 2),
                      parameters.At(i).Text());
  }
  return JsonIn::ParseObject(text);
}

}  // namespace

std::shared_ptr<ServedModel> App::Begin(Work& work, const std::string& name, size_t* index,
                                        std::optional<JsonIn>* body) {
  auto model = store_.Get(name, work.exchange->gone());
  if (!model) {
    ReplyError(work, model.error());
    return nullptr;
  }
  work.load_seconds = SecondsSince(work.begin);
  *index = *store_.Find(name);
  work.log.model = (*model)->view.id;
  // Bodies are parsed and pictures decoded by those whose turn it is, so that few are held at a
  // time.
  if (!work.seat->WaitForTurn(work.exchange->gone())) {
    store_.metrics(*index).CountEnd("abort");
    work.log.finish = "gone";
    return nullptr;
  }
  store_.metrics(*index).queued.Add(SecondsSince(work.begin));
  auto parsed = JsonIn::ParseObject(work.exchange->TakeBody());
  if (!parsed) {
    ReplyError(work, parsed.error());
    return nullptr;
  }
  if (const auto given = parsed->FindString("model"); !given) {
    ReplyError(work, given.error());
    return nullptr;
  }
  *body = *std::move(parsed);
  return *std::move(model);
}

GenerationOptions App::OptionsOf(const Work& work, GenerationOptions options) const {
  options.cancel = work.exchange->gone();
  if (work.key != 0 || !options.cache_salt.empty()) {
    options.cache_salt = "key " + std::to_string(work.key) + "\n" + options.cache_salt;
  }
  if (options_.answer_time.count() > 0) options.deadline = work.begin + options_.answer_time;
  return options;
}

void App::Answer(Work& work, const Reader& read) {
  Answer(work, JsonIn::ModelOf(work.request().body), read);
}

void App::Answer(Work& work, const std::string& name, const Reader& read) {
  size_t index = 0;
  std::optional<JsonIn> body;
  const auto model = Begin(work, name, &index, &body);
  if (!model) return;
  if (!model->engine) return ReplyError(work, GeneratesNothing(*model));
  ModelView view = model->view;
  const auto adapter = store_.FindAdapter(name);
  if (adapter) view.id = name;
  view.asked = name;
  view.load_seconds = work.load_seconds;
  auto ask = read(*body, view, options_.defaults);
  if (!ask) return ReplyError(work, ask.error());
  if (adapter) ask->options.adapters = {model->adapters[*adapter]};
  if (const auto chosen = ChooseAdapters(*body, *model, ask->options); !chosen) {
    return ReplyError(work, chosen.error());
  }
  body.reset();
  AnswerAsk(work, index, *model, *std::move(ask));
}

// "lora": [{"id": 0 or "name", "scale": 0.5}, ...]: these and no others, as llama-server has it.
Api<void> App::ChooseAdapters(const JsonIn& body, const ServedModel& model,
                              GenerationOptions& options) const {
  const auto lora = body.Find("lora");
  if (!lora) return {};
  if (!lora->IsArray()) return lora->Wrong("expected a list of {\"id\", \"scale\"}");
  std::vector<AdapterUse> uses;
  std::vector<bool> named(model.adapters.size());
  for (size_t i = 0; i < lora->size(); ++i) {
    const JsonIn one = lora->At(i);
    if (!one.IsObject()) return one.Wrong("expected {\"id\", \"scale\"}");
    GEMMA3_TRY(const JsonIn id, one.Need("id"));
    size_t place = model.adapters.size();
    if (id.IsString()) {
      GEMMA3_TRY(const std::string name, id.String());
      place = store_.FindAdapter(name).value_or(place);
    } else if (!model.adapters.empty()) {
      GEMMA3_TRY(place, id.Integer(0, static_cast<int64_t>(model.adapters.size()) - 1));
    }
    if (place >= model.adapters.size()) return id.Wrong("no adapter is called so (--lora)");
    if (named[place]) return id.Wrong("this adapter is named twice");
    named[place] = true;
    GEMMA3_TRY(const auto scale, one.FindNumber("scale", -1e6, 1e6));
    uses.push_back(model.adapters[place]);
    if (scale) uses.back().scale = static_cast<float>(*scale);
  }
  options.adapters = std::move(uses);
  return {};
}

void App::AnswerAsk(Work& work, size_t index, ServedModel& model, Ask ask) {
  Exchange& exchange = *work.exchange;
  ModelMetrics& metrics = store_.metrics(index);
  const GenerationOptions options = OptionsOf(work, std::move(ask.options));

  HttpResponse head{.content_type = ask.telling->stream_type(),
                    .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}};
  Finish(head, work.request());
  size_t tokens = 0;  // that have come of answers that are not over
  const auto fail = [&](const Error& error) {
    if (error.code == ErrorCode::kCancelled && exchange.gone().cancelled()) {
      metrics.CountEnd("abort");
      work.log.finish = "gone";
      work.log.tokens += tokens;
      return;
    }
    metrics.CountEnd("error");
    ApiError told = error;
    if (error.code == ErrorCode::kContextTooLong) {
      told.message = "This model's maximum context length is " +
                     std::to_string(model.view.context) + " tokens. However, " + error.message;
      told.param = PromptField(work.request().path);
    }
    HttpResponse response = ErrorResponse(told, WordingOf(work.request().path));
    Finish(response, work.request());
    if (exchange.Reply(std::move(response))) return;  // nothing was sent yet, a ping neither
    work.log.finish = "error";
    exchange.Write(ask.telling->Failed(told));
    exchange.End();
  };

  // A few prompts at a time, so that others' answers find their places between them.
  std::vector<Ticket> tickets;
  size_t submitted = 0;                             // prompts
  const auto submit = [&](size_t done) -> Status {  // done: answers that are over
    while (submitted < ask.prompts.size() &&
           (tickets.size() == done || tickets.size() - done + ask.n <= options_.at_a_time)) {
      GEMMA3_TRY(auto some,
                 model.engine->Submit(std::exchange(ask.prompts[submitted++], {}), options, ask.n));
      std::ranges::move(some, std::back_inserter(tickets));
    }
    return {};
  };
  const std::string ping = ask.telling->ping();
  if (ask.stream && !ping.empty()) exchange.KeepAlive(head, ping, options_.ping);

  bool told = false;  // how the stream begins
  const auto begin = [&] {
    if (std::exchange(told, true)) return true;
    return exchange.Begin(head) && exchange.Write(ask.telling->Begin());
  };
  const size_t count = ask.prompts.size() * ask.n;
  struct Progress {
    std::optional<Clock::time_point> last;
    size_t tokens = 0;
  };
  std::vector<Progress> progress(count);
  const auto on_step = [&](size_t i, const AnswerStep& step) {
    const auto now = Clock::now();
    auto& [last, known] = progress[i];
    if (work.log.first_seconds == 0) work.log.first_seconds = SecondsSince(work.begin);
    if (!last) {
      metrics.first_token.Add(SecondsSince(work.begin));
    } else if (step.tokens > known) {
      const double gap = std::chrono::duration<double>(now - *last).count();
      metrics.between_tokens.Add(gap / static_cast<double>(step.tokens - known));
    }
    last = now;
    tokens += step.tokens - known;
    known = step.tokens;
    if (!ask.stream) return true;
    return begin() && exchange.Write(ask.telling->Step(i, step));
  };
  std::vector<GenerationResult> results(count);
  for (size_t done = 0; done < count; ++done) {
    if (const Status more = submit(done); !more) return fail(more.error());
    auto [i, result] = Ticket::WaitAny(tickets, on_step);
    if (!result) return fail(result.error());
    if (exchange.gone().cancelled()) return fail({ErrorCode::kCancelled, "the client has gone"});
    if (i % ask.n == 0) {
      work.log.prompt_tokens += result->prompt_tokens;
      work.log.cached_tokens += result->cached_tokens;
    }
    tokens -= progress[i].tokens;
    work.log.tokens += result->tokens;
    work.log.finish = FinishReason(*result);
    metrics.CountEnd(work.log.finish);
    if (ask.stream && !(begin() && exchange.Write(ask.telling->Done(i, *result)))) {
      return fail({ErrorCode::kCancelled, "the client has gone"});
    }
    results[i] = *std::move(result);
  }
  metrics.whole.Add(SecondsSince(work.begin));
  if (!ask.stream) {
    return Reply(
        work, {.content_type = ask.telling->content_type(), .body = ask.telling->Whole(results)});
  }
  exchange.Write(ask.telling->End(results));
  exchange.End();
}

// ---- Routes

void App::Chat(Work& work) { Answer(work, ReadChat); }
void App::Completions(Work& work) { Answer(work, ReadCompletion); }
void App::Responses(Work& work) { Answer(work, ReadResponses); }

// Of all three routes for vectors.
void App::Embed(Work& work) {
  const bool openai = work.request().path == "/v1/embeddings";
  size_t index = 0;
  std::optional<JsonIn> body;
  const auto model = Begin(work, JsonIn::ModelOf(work.request().body), &index, &body);
  if (!model) return;
  if (!model->embedder) {
    return ReplyError(
        work, ApiError(400,
                       model->view.id + " generates text and makes no vectors; an embedding model "
                                        "does, such as embeddinggemma-300m",
                       "model", "model_not_supported"));
  }
  auto ask = openai ? ReadEmbeddings(*body, model->view)
                    : ReadOllamaEmbed(*body, work.request().path == "/api/embeddings");
  if (!ask) return ReplyError(work, ask.error());
  ask->options.cancel = work.exchange->gone();
  const auto embeddings = model->embedder->Embed(ask->texts, ask->options);
  ModelMetrics& metrics = store_.metrics(index);
  if (!embeddings) {
    const bool gone = work.exchange->gone().cancelled();
    metrics.CountEnd(gone ? "abort" : "error");
    if (gone) return;
    ApiError told = embeddings.error();
    if (openai) told.param = "input";
    return ReplyError(work, told);
  }
  for (const size_t tokens : embeddings->tokens) work.log.prompt_tokens += tokens;
  metrics.CountEnd("stop");
  metrics.whole.Add(SecondsSince(work.begin));
  ReplyJson(work,
            openai ? EmbeddingsJson(*ask, *embeddings, model->view.id)
                   : OllamaEmbedJson(*ask, *embeddings, model->view.id, SecondsSince(work.begin)));
}

// Vertex AI's frame: {"instances": [...], "parameters": {...}} with chats or prompts in it, or
// either of these alone.
void App::Predict(Work& work) {
  const auto reader_of = [](const JsonIn& one) -> Reader {
    return one.Find("messages") ? Reader(ReadChat) : Reader(ReadCompletion);
  };
  size_t index = 0;
  std::optional<JsonIn> body;
  const auto model = Begin(work, "", &index, &body);
  if (!model) return;
  if (!model->engine) return ReplyError(work, GeneratesNothing(*model));
  const auto instances = body->Find("instances");
  if (!instances) {
    auto ask = reader_of(*body)(*body, model->view, options_.defaults);
    if (!ask) return ReplyError(work, ask.error());
    return AnswerAsk(work, index, *model, *std::move(ask));
  }
  if (!instances->IsArray() || instances->size() == 0 ||
      instances->size() > options_.defaults.max_prompts) {
    return ReplyError(work, ApiError(400, "instances must be a list of some requests", "instances",
                                     "invalid_value"));
  }
  const auto parameters = body->Find("parameters");
  if (parameters && !parameters->IsObject()) {
    return ReplyError(work, parameters->Wrong("expected an object").error());
  }
  std::string predictions;
  for (size_t i = 0; i < instances->size(); ++i) {
    if (!instances->At(i).IsObject()) {
      return ReplyError(work, instances->At(i).Wrong("expected an object").error());
    }
    const auto with = parameters ? WithParameters(instances->At(i), *parameters) : instances->At(i);
    if (!with) return ReplyError(work, with.error());
    const JsonIn& one = *with;
    auto ask = reader_of(one)(one, model->view, options_.defaults);
    if (!ask) return ReplyError(work, ask.error());
    const GenerationOptions options = OptionsOf(work, std::move(ask->options));
    std::vector<GenerationResult> results;
    for (const Prompt& prompt : ask->prompts) {
      auto tickets = model->engine->Submit(prompt, options, ask->n);
      if (!tickets) return ReplyError(work, tickets.error());
      for (Ticket& ticket : *tickets) {
        auto result = ticket.Wait();
        if (!result) return ReplyError(work, result.error());
        results.push_back(*std::move(result));
      }
    }
    predictions += (i > 0 ? "," : "") + ask->telling->Whole(results);
  }
  ReplyJson(work, "{\"predictions\":[" + predictions + "]}");
}

void App::OllamaAnswer(Work& work) {
  const bool chat = work.request().path == "/api/chat";
  const std::string name = JsonIn::ModelOf(work.request().body);
  if (name.empty()) return ReplyError(work, ApiError(400, "model is required"));
  if (work.request().body.size() <= kSmallBody) {  // one that only loads or unloads says little
    const auto body = JsonIn::ParseObject(work.request().body);
    if (!body) return ReplyError(work, body.error());
    if (OnlyLoads(*body, chat)) return LoadOrUnload(work, name, chat, WantsUnload(*body));
  }
  bool unload = false;
  Answer(work, name, [&](const JsonIn& json, const ModelView& model, const AskDefaults& defaults) {
    unload = WantsUnload(json);
    return chat ? ReadOllamaChat(json, model, defaults) : ReadOllamaGenerate(json, model, defaults);
  });
  if (const auto index = store_.Find(name); unload && index) store_.Unload(*index);
}

void App::LoadOrUnload(Work& work, const std::string& name, bool chat, bool unload) {
  const auto index = store_.Find(name);
  if (!unload || !index) {
    const auto model = store_.Get(name, work.exchange->gone());
    if (!model) return ReplyError(work, model.error());
  } else {
    store_.Unload(*index);
  }
  ReplyJson(work, LoadedJson(name, chat, unload));
}

void App::GoogleAnswer(Work& work) {
  const std::string& path = work.request().path;
  std::string name = Unescaped(path.substr(path.find("/models/") + 8));
  const size_t colon = name.rfind(':');
  const std::string method = colon == std::string::npos ? "" : name.substr(colon + 1);
  if (method != "generateContent" && method != "streamGenerateContent") {
    return ReplyError(work, ApiError(404,
                                     "what may be asked of models here is generateContent and "
                                     "streamGenerateContent"));
  }
  name.resize(colon);
  GoogleForm form = GoogleForm::kWhole;
  if (method == "streamGenerateContent") {
    const bool events = ("&" + work.request().query + "&").find("&alt=sse&") != std::string::npos;
    form = events ? GoogleForm::kEvents : GoogleForm::kList;
  }
  Answer(work, name,
         [form](const JsonIn& json, const ModelView& model, const AskDefaults& defaults) {
           return ReadGoogle(json, model, defaults, form);
         });
}

}  // namespace gemma3::serve
