// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/app.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "gemma3/version.h"
#include "src/base/ascii.h"
#include "tools/serve/embeddings.h"
#include "tools/serve/google.h"
#include "tools/serve/json_out.h"
#include "tools/serve/metrics.h"
#include "tools/serve/ollama.h"
#include "tools/serve/openai_chat.h"
#include "tools/serve/openai_completions.h"
#include "tools/serve/openai_responses.h"
#include "tools/serve/page_files.h"

namespace gemma3::serve {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// What the page may do: load what lies beside it, and ask this server.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action "
    "'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

std::string Unescaped(std::string_view text) {
  std::string out;
  const auto digit = [](char c) {
    c = ToLower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

// One request that is being worked on.
struct App::Work {
  std::shared_ptr<Exchange> exchange;
  const Route* route = nullptr;
  size_t key = 0;
  std::unique_ptr<Admission::Seat> seat;  // of those that are not quick
  Clock::time_point begin = Clock::now();
  LogEntry log;

  const HttpRequest& request() const { return exchange->request(); }
};

struct App::Route {
  const char* method;
  std::string_view path;  // one that ends in '/' stands for all that begin so
  Handler handler;
  bool quick = true;  // is answered at once, on the connections' thread
  bool open = false;  // needs no key
};

const App::Route* App::FindRoute(std::string_view method, std::string_view path, bool* known_path) {
  static const Route kRoutes[] = {
      {"GET", "/health", &App::Health, true, true},
      {"GET", "/health/ready", &App::Health, true, true},
      {"GET", "/health/live", &App::Live, true, true},
      {"GET", "/v1/health", &App::Health, true, true},
      {"GET", "/metrics", &App::Metrics},
      {"GET", "/v1/models", &App::Models},
      {"GET", "/v1/models/", &App::OneModel},
      {"POST", "/v1/chat/completions", &App::Chat, false},
      {"POST", "/v1/completions", &App::Completions, false},
      {"POST", "/v1/responses", &App::Responses, false},
      {"POST", "/v1/embeddings", &App::Embed, false},
      {"GET", "/", &App::Root},
      {"GET", "/api/version", &App::Version},
      {"GET", "/api/tags", &App::Tags},
      {"GET", "/api/ps", &App::Running},
      {"POST", "/api/show", &App::Show},
      {"POST", "/api/chat", &App::OllamaAnswer, false},
      {"POST", "/api/generate", &App::OllamaAnswer, false},
      {"POST", "/api/embed", &App::Embed, false},
      {"POST", "/api/embeddings", &App::Embed, false},
      {"POST", "/api/pull", &App::NotStored},
      {"POST", "/api/push", &App::NotStored},
      {"POST", "/api/create", &App::NotStored},
      {"POST", "/api/copy", &App::NotStored},
      {"DELETE", "/api/delete", &App::NotStored},
      {"POST", "/api/blobs/", &App::NotStored},
      {"GET", "/v1beta/models", &App::GoogleList},
      {"POST", "/v1beta/models/", &App::GoogleAnswer, false},
      {"POST", "/v1/models/", &App::GoogleAnswer, false},  // newer clients say v1
  };
  *known_path = false;
  for (const Route& route : kRoutes) {
    const bool family = route.path.size() > 1 && route.path.ends_with('/');
    if (family ? !path.starts_with(route.path) || path.size() == route.path.size()
               : path != route.path) {
      continue;
    }
    *known_path = true;
    if (method == route.method) return &route;
  }
  return nullptr;
}

App::App(AppOptions options, ModelStore& store, Guard guard)
    : options_(std::move(options)),
      store_(store),
      guard_(std::move(guard)),
      log_(options_.log),
      admission_(options_.admission) {}

App::~App() { workers_.Join(); }

const App::Route* App::RouteOf(const HttpRequest& request, bool* known_path) const {
  std::string_view method = request.method;
  if (method == "HEAD") method = "GET";
  std::string_view path = request.path;
  if (!options_.predict_route.empty() && path == options_.predict_route) {
    static const Route kPredict = {"POST", "/predict", &App::Predict, false, false};
    *known_path = true;
    return method == "POST" ? &kPredict : nullptr;
  }
  if (!options_.health_route.empty() && path == options_.health_route) {
    path = "/health";
  }
  if (options_.page && method == "GET") {
    static const Route kPage = {"GET", "/", &App::Page, true, true};
    for (const PageFile& file : PageFiles()) {
      // To programs "/" says that Ollama's API is spoken here.
      const bool root = path == "/" && file.path == "/index.html" &&
                        request.Header("accept").find("text/html") != std::string_view::npos;
      if (!root && path != file.path) continue;
      *known_path = true;
      return &kPage;
    }
  }
  return FindRoute(method, path, known_path);
}

// ---- Who may ask

std::vector<HttpHeader> App::CommonHeaders(const HttpRequest& request) const {
  std::vector<HttpHeader> headers = {{"X-Content-Type-Options", "nosniff"}};
  const std::string_view origin = request.Header("origin");
  if (origin.empty()) return headers;
  headers.push_back({"Vary", "Origin"});
  if (guard_.OriginAllowed(origin, request.Header("host"))) {
    headers.push_back({"Access-Control-Allow-Origin", std::string(origin)});
    headers.push_back({"Access-Control-Expose-Headers", "X-Request-Id"});
  }
  return headers;
}

void App::Finish(HttpResponse& response, const HttpRequest& request) const {
  for (HttpHeader& header : CommonHeaders(request)) response.headers.push_back(std::move(header));
}

std::optional<HttpResponse> App::CheckInside(const HttpRequest& head) {
  const Wording wording = WordingOf(head.path);
  const auto error = [&](int status, std::string message, std::string code = {}) {
    return ErrorResponse(ApiError(status, std::move(message), "", std::move(code)), wording);
  };
  const std::string_view host = head.Header("host"), origin = head.Header("origin");
  if (!guard_.HostAllowed(host)) {
    return error(403, "the Host header names another machine (--allow-host lets it)");
  }
  if (!origin.empty() && !guard_.OriginAllowed(origin, host)) {
    const bool harmless = head.method == "GET" || head.method == "HEAD";
    if (!harmless) {
      return error(403, "pages of that origin may not ask here (--allow-origin lets them)");
    }
  }
  if (head.method == "OPTIONS") {
    HttpResponse response{.status = 204, .content_type = ""};
    const std::string_view asked = head.Header("access-control-request-headers");
    const bool plain = std::ranges::all_of(asked, [](char c) {
      return (ToLower(c) >= 'a' && ToLower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
             c == ',' || c == ' ' || c == '_';
    });
    response.headers = {
        {"Access-Control-Allow-Methods", "GET, POST, OPTIONS, DELETE, HEAD"},
        {"Access-Control-Allow-Headers", !asked.empty() && plain && asked.size() <= 1024
                                             ? std::string(asked)
                                             : "Authorization, Content-Type, x-api-key"},
        {"Access-Control-Max-Age", "600"}};
    if (!origin.empty() && !head.Header("access-control-request-private-network").empty()) {
      response.headers.push_back({"Access-Control-Allow-Private-Network", "true"});
    }
    return response;
  }
  bool known_path = false;
  const Route* const route = RouteOf(head, &known_path);
  if (!(route != nullptr && route->open) && !guard_.KeyOf(head)) {
    return error(401, "a key is needed: Authorization: Bearer KEY", "invalid_api_key");
  }
  if (route == nullptr && !known_path) {
    return error(404, "there is no " + head.method + " " + head.path.substr(0, 200) + " here",
                 "not_found");
  }
  if (route == nullptr) {
    HttpResponse response = error(405, head.method + " is not for " + head.path.substr(0, 200));
    std::string allow;
    for (const char* method : {"GET", "POST", "DELETE"}) {
      bool ignored = false;
      if (FindRoute(method, head.path, &ignored) == nullptr) continue;
      allow += (allow.empty() ? "" : ", ") + std::string(method);
      if (allow.ends_with("GET")) allow += ", HEAD";
    }
    response.headers.push_back({"Allow", allow + ", OPTIONS"});
    return response;
  }
  if (route->quick) return std::nullopt;
  if (draining_) {
    ApiError leaving(503, "the server is shutting down");
    leaving.retry_after = 1;
    HttpResponse response = ErrorResponse(leaving, wording);
    response.close = true;
    return response;
  }
  const std::string coding = AsciiLower(head.Header("content-encoding"));
  if (!coding.empty() && coding != "identity") {
    return error(415, "bodies are taken without Content-Encoding");
  }
  // What a page can send without asking first has another type.
  if (!origin.empty() && !AsciiLower(head.Header("content-type")).starts_with("application/json")) {
    return error(415, "from a page, bodies must be application/json");
  }
  if (admission_.full()) {
    ApiError full(429, "too many requests are waiting; try again soon", "", "rate_limit_exceeded");
    full.retry_after = 1;
    const std::scoped_lock lock(mutex_);
    ++refused_;
    return ErrorResponse(full, wording);
  }
  return std::nullopt;
}

std::optional<HttpResponse> App::Check(const HttpRequest& head) {
  auto response = CheckInside(head);
  if (!response) return response;
  Finish(*response, head);
  {
    const std::scoped_lock lock(mutex_);
    ++responses_[response->status];
  }
  log_.Write({.id = head.id,
              .peer = head.peer,
              .method = head.method,
              .path = head.path,
              .status = response->status});
  return response;
}

HttpResponse App::Fault(const HttpRequest& head, int status, const std::string& message) {
  HttpResponse response = ErrorResponse(ApiError(status, message), WordingOf(head.path));
  if (status != 500) Finish(response, head);
  const std::scoped_lock lock(mutex_);
  ++responses_[status];
  return response;
}

// ---- Answers of any kind

void App::Reply(Work& work, HttpResponse response) {
  Finish(response, work.request());
  work.log.status = response.status;
  work.exchange->Reply(std::move(response));
}

void App::ReplyError(Work& work, const ApiError& error) {
  Reply(work, ErrorResponse(error, WordingOf(work.request().path)));
}

void App::ReplyJson(Work& work, const std::string& json) { Reply(work, {.body = json}); }

void App::Handle(std::shared_ptr<Exchange> exchange) {
  auto work = std::make_shared<Work>();
  work->exchange = std::move(exchange);
  const HttpRequest& request = work->request();
  bool ignored = false;
  work->route = RouteOf(request, &ignored);
  work->key = guard_.KeyOf(request).value_or(0);
  work->log = {.id = request.id,
               .peer = request.peer,
               .method = request.method,
               .path = request.path,
               .key = work->key};
  const auto run = [this, work] {
    try {
      (this->*work->route->handler)(*work);
    } catch (const std::bad_alloc&) {
      ReplyError(*work, ApiError(503, "out of memory"));
    } catch (const std::exception& e) {
      ReplyError(*work, ApiError(500, std::string("internal error: ") + e.what()));
    }
    if (work->log.status == 0) work->log.status = work->exchange->status();
    work->log.seconds = SecondsSince(work->begin);
    {
      const std::scoped_lock lock(mutex_);
      ++responses_[work->log.status];
    }
    log_.Write(work->log);
  };
  if (work->route->quick) return run();
  work->seat = admission_.TryEnter(work->key);
  if (!work->seat) {
    ApiError full(429, "too many requests are waiting; try again soon", "", "rate_limit_exceeded");
    full.retry_after = 1;
    {
      const std::scoped_lock lock(mutex_);
      ++refused_;
      ++responses_[429];
    }
    ReplyError(*work, full);
    log_.Write(work->log);
    return;
  }
  workers_.Run(run);
}

// ---- Answers of models

namespace {

ApiError GeneratesNothing(const ServedModel& model) {
  return {400, model.view.id + " is an embedding model: it makes vectors of texts (/v1/embeddings)",
          "model", "model_not_supported"};
}

}  // namespace

std::shared_ptr<ServedModel> App::Begin(Work& work, const std::string& name, size_t* index) {
  auto model = store_.Get(name, work.exchange->gone());
  if (!model) {
    ReplyError(work, model.error());
    return nullptr;
  }
  *index = *store_.Find(name);
  work.log.model = (*model)->view.id;
  // Pictures are decoded by those whose turn it is, so that few are held at a time.
  if (!work.seat->WaitForTurn(work.exchange->gone())) {
    store_.metrics(*index).CountEnd("abort");
    work.log.finish = "gone";
    return nullptr;
  }
  store_.metrics(*index).queued.Add(SecondsSince(work.begin));
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
  const auto body = JsonIn::ParseObject(work.request().body);
  if (!body) return ReplyError(work, body.error());
  const auto name = body->FindString("model");
  if (!name) return ReplyError(work, name.error());
  Answer(work, *body, name->value_or(""), read);
}

void App::Answer(Work& work, const JsonIn& body, const std::string& name, const Reader& read) {
  size_t index = 0;
  const auto model = Begin(work, name, &index);
  if (!model) return;
  if (!model->engine) return ReplyError(work, GeneratesNothing(*model));
  ModelView view = model->view;
  const auto adapter = store_.FindAdapter(name);
  if (adapter) view.id = store_.List()[index].adapters[*adapter];
  auto ask = read(body, view, options_.defaults);
  if (!ask) return ReplyError(work, ask.error());
  if (adapter) ask->options.adapters = {model->adapters[*adapter]};
  if (const auto chosen = ChooseAdapters(body, *model, ask->options); !chosen) {
    return ReplyError(work, chosen.error());
  }
  AnswerAsk(work, index, *model, *std::move(ask));
}

// "lora": [{"id": 0 or "name", "scale": 0.5}, ...]: these and no others, as llama-server has it.
Api<void> App::ChooseAdapters(const JsonIn& body, const ServedModel& model,
                              GenerationOptions& options) const {
  const auto lora = body.Find("lora");
  if (!lora) return {};
  if (!lora->IsArray()) return lora->Wrong("expected a list of {\"id\", \"scale\"}");
  std::vector<AdapterUse> uses;
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
  const auto fail = [&](const Error& error) {
    if (error.code == ErrorCode::kCancelled && exchange.gone().cancelled()) {
      metrics.CountEnd("abort");
      work.log.finish = "gone";
      return;
    }
    metrics.CountEnd("error");
    ApiError told = error;
    if (error.code == ErrorCode::kContextTooLong) {
      told.message = "This model's maximum context length is " +
                     std::to_string(model.view.context) + " tokens. However, " + error.message;
      told.param = "messages";
    }
    if (!exchange.begun()) return ReplyError(work, told);
    work.log.finish = "error";
    exchange.Write(ask.telling->Failed(told));
    exchange.End();
  };

  std::vector<Ticket> tickets;
  for (const Prompt& prompt : ask.prompts) {
    auto some = model.engine->Submit(prompt, options, ask.n);
    if (!some) return fail(some.error());
    std::ranges::move(*some, std::back_inserter(tickets));
  }
  ask.prompts.clear();
  const std::string ping = ask.telling->ping();
  if (ask.stream && !ping.empty()) exchange.KeepAlive(head, ping, options_.ping);

  bool told = false;  // how the stream begins
  const auto begin = [&] {
    if (std::exchange(told, true)) return true;
    return exchange.Begin(head) && exchange.Write(ask.telling->Begin());
  };
  std::vector<GenerationResult> results;
  std::optional<Clock::time_point> last;
  for (size_t i = 0; i < tickets.size(); ++i) {
    size_t tokens = 0;
    const auto on_step = [&](const AnswerStep& step) {
      const auto now = Clock::now();
      if (!last) {
        metrics.first_token.Add(std::chrono::duration<double>(now - work.begin).count());
        work.log.first_seconds = SecondsSince(work.begin);
      } else if (step.tokens > tokens) {
        const double gap = std::chrono::duration<double>(now - *last).count();
        metrics.between_tokens.Add(gap / static_cast<double>(step.tokens - tokens));
      }
      last = now;
      tokens = step.tokens;
      if (!ask.stream) return true;
      return begin() && exchange.Write(ask.telling->Step(i, step));
    };
    auto result = tickets[i].WaitSteps(on_step);
    if (!result) return fail(result.error());
    if (exchange.gone().cancelled()) return fail({ErrorCode::kCancelled, "the client has gone"});
    if (i % ask.n == 0) {
      work.log.prompt_tokens += result->prompt_tokens;
      work.log.cached_tokens += result->cached_tokens;
    }
    work.log.tokens += result->tokens;
    work.log.finish = FinishReason(*result);
    metrics.CountEnd(work.log.finish);
    if (ask.stream && !(begin() && exchange.Write(ask.telling->Done(i, *result)))) {
      return fail({ErrorCode::kCancelled, "the client has gone"});
    }
    results.push_back(*std::move(result));
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
  const auto body = JsonIn::ParseObject(work.request().body);
  if (!body) return ReplyError(work, body.error());
  const auto name = body->FindString("model");
  if (!name) return ReplyError(work, name.error());
  size_t index = 0;
  const auto model = Begin(work, name->value_or(""), &index);
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
  const auto body = JsonIn::ParseObject(work.request().body);
  if (!body) return ReplyError(work, body.error());
  const auto reader_of = [](const JsonIn& one) -> Reader {
    return one.Find("messages") ? Reader(ReadChat) : Reader(ReadCompletion);
  };
  const auto instances = body->Find("instances");
  if (!instances) return Answer(work, reader_of(*body));
  if (!instances->IsArray() || instances->size() == 0 ||
      instances->size() > options_.defaults.max_prompts) {
    return ReplyError(work, ApiError(400, "instances must be a list of some requests", "instances",
                                     "invalid_value"));
  }
  size_t index = 0;
  const auto model = Begin(work, "", &index);
  if (!model) return;
  if (!model->engine) return ReplyError(work, GeneratesNothing(*model));
  std::string predictions;
  for (size_t i = 0; i < instances->size(); ++i) {
    const JsonIn one = instances->At(i);
    if (!one.IsObject()) {
      return ReplyError(work, ApiError(400, one.path() + ": expected an object", one.path()));
    }
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

// ---- Ollama

void App::Root(Work& work) {
  Reply(work, {.content_type = "text/plain; charset=utf-8", .body = "Ollama is running"});
}

void App::Version(Work& work) { ReplyJson(work, Dump({{"version", kOllamaVersion}})); }
void App::Tags(Work& work) { ReplyJson(work, Dump(OllamaTags(store_.List()))); }
void App::Running(Work& work) { ReplyJson(work, Dump(OllamaRunning(store_.List()))); }

void App::Show(Work& work) {
  const auto body = JsonIn::ParseObject(work.request().body);
  if (!body) return ReplyError(work, body.error());
  std::string name;
  for (const char* key : {"name", "model"}) {
    const auto given = body->FindString(key);
    if (!given) return ReplyError(work, given.error());
    if (*given && !(*given)->empty()) name = **given;
  }
  if (name.empty()) return ReplyError(work, ApiError(400, "model is required", "model"));
  const auto index = store_.Find(name);
  if (!index) {
    return ReplyError(work, ApiError(404, "model '" + name.substr(0, 200) + "' not found"));
  }
  ReplyJson(work, Dump(OllamaShow(store_.List()[*index])));
}

void App::OllamaAnswer(Work& work) {
  const bool chat = work.request().path == "/api/chat";
  const auto body = JsonIn::ParseObject(work.request().body);
  if (!body) return ReplyError(work, body.error());
  const auto name = body->FindString("model");
  if (!name) return ReplyError(work, name.error());
  if (name->value_or("").empty()) return ReplyError(work, ApiError(400, "model is required"));
  const bool unload = WantsUnload(*body);
  if (!OnlyLoads(*body, chat)) {
    Answer(work, *body, **name, chat ? ReadOllamaChat : ReadOllamaGenerate);
    if (const auto index = store_.Find(**name); unload && index) store_.Unload(*index);
    return;
  }
  const auto index = store_.Find(**name);
  if (!unload || !index) {
    const auto model = store_.Get(**name, work.exchange->gone());
    if (!model) return ReplyError(work, model.error());
  } else {
    store_.Unload(*index);
  }
  ReplyJson(work, LoadedJson(**name, chat, unload));
}

void App::NotStored(Work& work) {
  ReplyError(work, ApiError(501, work.request().path +
                                     " is not supported: models are given when the server starts"));
}

// ---- Google

void App::GoogleList(Work& work) { ReplyJson(work, Dump(GoogleModels(store_.List()))); }

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
  const auto body = JsonIn::ParseObject(work.request().body);
  if (!body) return ReplyError(work, body.error());
  Answer(work, *body, name,
         [form](const JsonIn& json, const ModelView& model, const AskDefaults& defaults) {
           return ReadGoogle(json, model, defaults, form);
         });
}

// ---- What all have

void App::Health(Work& work) {
  if (ready_ && !draining_) return ReplyJson(work, R"({"status":"ok"})");
  HttpResponse response{.status = 503};
  response.body = Dump({{"error",
                         {{"code", 503},
                          {"message", draining_ ? "Shutting down" : "Loading model"},
                          {"type", "unavailable_error"}}}});
  Reply(work, std::move(response));
}

void App::Live(Work& work) { ReplyJson(work, R"({"status":"ok"})"); }

void App::Metrics(Work& work) {
  std::vector<ModelFigures> models = store_.Figures();
  if (!models.empty()) models.front().waiting = admission_.waiting();
  ServerFigures server;
  if (server_ != nullptr) server.connections = server_->connections();
  {
    const std::scoped_lock lock(mutex_);
    server.responses = responses_;
    server.refused = refused_;
  }
  Reply(work, {.content_type = "text/plain; version=0.0.4; charset=utf-8",
               .body = MetricsText(models, server)});
}

namespace {

Json OpenAiModel(const ListedModel& model, int64_t started) {
  Json inputs = Json::array({"text"});
  if (model.config.has_vision) inputs.push_back("image");
  return {
      {"id", model.id},
      {"object", "model"},
      {"created", model.modified != 0 ? model.modified : started},
      {"owned_by", "gemma3.cpp"},
      {"max_model_len", model.context},
      {"meta",
       {{"n_vocab", model.config.text.vocab_size},
        {"n_ctx", model.context},
        {"n_ctx_train", model.config.text.max_context},
        {"n_embd", model.config.text.hidden_size},
        {"n_params", model.parameters},
        {"size", model.file_bytes}}},
      {"architecture",
       {{"input_modalities", std::move(inputs)}, {"output_modalities", Json::array({"text"})}}}};
}

}  // namespace

void App::Models(Work& work) {
  Json list = Json::array();
  for (const ListedModel& model : store_.List()) {
    list.push_back(OpenAiModel(model, started_));
    for (const std::string& adapter : model.adapters) {
      list.push_back(OpenAiModel(model, started_));
      list.back()["id"] = adapter;
      list.back()["parent"] = model.id;
    }
  }
  ReplyJson(work, Dump({{"object", "list"}, {"data", std::move(list)}}));
}

void App::OneModel(Work& work) {
  const std::string name = Unescaped(
      std::string_view(work.request().path).substr(std::string_view("/v1/models/").size()));
  const auto index = store_.Find(name);
  if (!index || name.empty()) {
    return ReplyError(
        work, ApiError(404, "the model \"" + name.substr(0, 200) + "\" is not served here", "model",
                       "model_not_found"));
  }
  ReplyJson(work, Dump(OpenAiModel(store_.List()[*index], started_)));
}

void App::Page(Work& work) {
  const std::string_view path =
      work.request().path == "/" ? "/index.html" : std::string_view(work.request().path);
  for (const PageFile& file : PageFiles()) {
    if (file.path != path) continue;
    return Reply(work, {.content_type = std::string(file.content_type),
                        .body = std::string(file.bytes),
                        .headers = {{"Content-Security-Policy", kPagePolicy},
                                    {"Referrer-Policy", "no-referrer"},
                                    {"Cross-Origin-Opener-Policy", "same-origin"},
                                    {"Cross-Origin-Resource-Policy", "same-origin"},
                                    {"Cache-Control", "no-cache"}}});
  }
  ReplyError(work, ApiError(404, "there is no page here"));
}

}  // namespace gemma3::serve
