// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Routes that no model answers: what is said of the server and its models, and the page.
#include <span>
#include <utility>
#include <vector>

#include "gemma3/version.h"
#include "src/base/hash.h"
#include "tools/serve/app_work.h"
#include "tools/serve/google.h"
#include "tools/serve/json_out.h"
#include "tools/serve/metrics.h"
#include "tools/serve/ollama.h"
#include "tools/serve/page_files.h"
#include "tools/text.h"

namespace gemma3::serve {
namespace {

// What the page may do: load what lies beside it, and ask this server.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action "
    "'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

// What a file is known by: browsers ask each time whether theirs is still the one.
std::string TagOf(std::string_view bytes) {
  const Hash128 hash =
      SipHash128({1, 0}, std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  return cli::Format("\"%016llx%016llx\"", static_cast<unsigned long long>(hash.high),
                     static_cast<unsigned long long>(hash.low));
}

// Whether If-None-Match names the tag; that a proxy made it a weak one says nothing.
bool IsKnown(std::string_view if_none_match, std::string_view tag) {
  return if_none_match == "*" || if_none_match.find(tag) != std::string_view::npos;
}

// The model that a request of Ollama's is about, under either name of the field; empty: none.
Api<std::string> ModelNamed(const JsonIn& body) {
  std::string name;
  for (const char* key : {"name", "model"}) {
    GEMMA3_TRY(const auto given, body.FindString(key));
    if (given && !given->empty()) name = *given;
  }
  return name;
}

}  // namespace

void App::Root(Work& work) {
  Reply(work, {.content_type = "text/plain; charset=utf-8", .body = "Ollama is running"});
}

void App::Version(Work& work) { ReplyJson(work, Dump({{"version", kOllamaVersion}})); }
void App::Tags(Work& work) { ReplyJson(work, Dump(OllamaTags(store_.List()))); }
void App::Running(Work& work) { ReplyJson(work, Dump(OllamaRunning(store_.List()))); }

void App::Show(Work& work) {
  const auto body = JsonIn::ParseObject(work.exchange->TakeBody());
  if (!body) return ReplyError(work, body.error());
  const auto name = ModelNamed(*body);
  if (!name) return ReplyError(work, name.error());
  if (name->empty()) return ReplyError(work, ApiError(400, "model is required", "model"));
  const auto index = store_.Find(*name);
  if (!index) {
    return ReplyError(work, ApiError(404, "model '" + name->substr(0, 200) + "' not found"));
  }
  ReplyJson(work, Dump(OllamaShow(store_.List()[*index])));
}

HttpResponse NothingStored(const HttpRequest& request) {
  return ErrorResponse(
      ApiError(501, request.path.substr(0, 200) +
                        " is not supported: models are given when the server starts"),
      WordingOf(request.path));
}

// Check has refused it already, for the most part.
void App::NotStored(Work& work) { Reply(work, NothingStored(work.request())); }

// What is here is had already; nothing is fetched.
void App::Pull(Work& work) {
  const auto body = JsonIn::ParseObject(work.exchange->TakeBody());
  if (!body) return ReplyError(work, body.error());
  const auto name = ModelNamed(*body);
  if (!name) return ReplyError(work, name.error());
  const auto stream = body->FindBool("stream", true);
  if (!stream) return ReplyError(work, stream.error());
  if (name->empty() || !store_.Find(*name)) return NotStored(work);
  Reply(work, {.content_type = *stream ? "application/x-ndjson" : "application/json",
               .body = "{\"status\":\"success\"}\n"});
}

void App::GoogleOne(Work& work) {
  const std::string& path = work.request().path;
  const std::string name = Unescaped(path.substr(path.find("/models/") + 8));
  const auto index = store_.Find(name);
  if (!index) {
    return ReplyError(
        work, ApiError(404, "the model \"" + name.substr(0, 200) + "\" is not served here"));
  }
  ReplyJson(work, Dump(GoogleModel(store_.List()[*index])));
}

void App::GoogleList(Work& work) { ReplyJson(work, Dump(GoogleModels(store_.List()))); }

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

// Google's clients ask under /v1 as well, unless they are told otherwise.
void App::Models(Work& work) {
  if (!work.request().Header("x-goog-api-client").empty()) return GoogleList(work);
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
  if (!work.request().Header("x-goog-api-client").empty()) return GoogleOne(work);
  const std::string name = Unescaped(
      std::string_view(work.request().path).substr(std::string_view("/v1/models/").size()));
  const auto index = store_.Find(name);
  if (!index || name.empty()) {
    return ReplyError(
        work, ApiError(404, "the model \"" + name.substr(0, 200) + "\" is not served here", "model",
                       "model_not_found"));
  }
  Json model = OpenAiModel(store_.List()[*index], started_);
  if (store_.FindAdapter(name)) {
    model["parent"] = model["id"];
    model["id"] = name;
  }
  ReplyJson(work, Dump(model));
}

void App::Page(Work& work) {
  const std::string_view path =
      work.request().path == "/" ? "/index.html" : std::string_view(work.request().path);
  for (const PageFile& file : PageFiles()) {
    if (file.path != path) continue;
    const std::string tag = TagOf(file.bytes);
    const bool known = IsKnown(work.request().Header("if-none-match"), tag);
    return Reply(work, {.status = known ? 304 : 200,
                        .content_type = std::string(file.content_type),
                        .body = known ? "" : std::string(file.bytes),
                        .headers = {{"ETag", tag},
                                    {"Vary", "Accept"},
                                    {"Content-Security-Policy", kPagePolicy},
                                    {"Referrer-Policy", "no-referrer"},
                                    {"Cross-Origin-Opener-Policy", "same-origin"},
                                    {"Cross-Origin-Resource-Policy", "same-origin"},
                                    {"Cache-Control", "no-cache"}}});
  }
  ReplyError(work, ApiError(404, "there is no page here"));
}

}  // namespace gemma3::serve
