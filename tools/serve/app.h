// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The server: which request is for whom, who may ask, and how answers are computed and told.
#pragma once

#include <atomic>
#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "gemma3/error.h"
#include "tools/serve/admission.h"
#include "tools/serve/ask.h"
#include "tools/serve/guard.h"
#include "tools/serve/http.h"
#include "tools/serve/http_server.h"
#include "tools/serve/json_in.h"
#include "tools/serve/model_store.h"
#include "tools/serve/request_log.h"

namespace gemma3::serve {

struct AppOptions {
  AskDefaults defaults;
  AdmissionLimits admission;
  LogForm log = LogForm::kText;
  bool page = true;
  std::chrono::seconds ping{15};            // of streams in which nothing comes
  std::chrono::seconds answer_time{0};      // the longest that an answer may take; 0: any
  std::string predict_route, health_route;  // Vertex AI's names for two of ours; may be empty
  size_t body_bytes = 32 << 20;             // the most of a request's body
  size_t at_a_time = 4;                     // of one request's prompts
};

class App {
 public:
  App(AppOptions options, ModelStore& store, Guard guard);
  ~App();

  // For HttpHandlers.
  std::expected<size_t, HttpResponse> Check(const HttpRequest& head);
  void Handle(std::shared_ptr<Exchange> exchange);
  HttpResponse Fault(const HttpRequest& head, int status, const std::string& message);

  // The models can be used.
  void SetReady() { ready_ = true; }
  // New requests are refused from now on.
  void Drain() { draining_ = true; }
  // Waits for what is being worked on.
  void Join() { workers_.Join(); }
  void SetServer(HttpServer* server) { server_ = server; }

 private:
  struct Route;
  struct Work;
  using Handler = void (App::*)(Work&);

  static const Route* FindRoute(std::string_view method, std::string_view path, bool* known_path);
  const Route* RouteOf(const HttpRequest& request, bool* known_path) const;
  std::vector<HttpHeader> CommonHeaders(const HttpRequest& request) const;
  std::expected<size_t, HttpResponse> CheckInside(const HttpRequest& head);
  void Finish(HttpResponse& response, const HttpRequest& request) const;
  void Run(Work& work);    // on any thread
  void Ended(Work& work);  // counts it, and writes it down
  void Reply(Work& work, HttpResponse response);
  void ReplyError(Work& work, const ApiError& error);
  void ReplyJson(Work& work, const std::string& json);

  using Reader = std::function<Api<Ask>(const JsonIn&, const ModelView&, const AskDefaults&)>;
  // Answers what a request asks of the model that it names, here or in its body.
  void Answer(Work& work, const Reader& read);
  void Answer(Work& work, const std::string& name, const Reader& read);
  void AnswerAsk(Work& work, size_t index, ServedModel& model, Ask ask);
  // The model, once it is this request's turn, and the body. Null: the request is over.
  std::shared_ptr<ServedModel> Begin(Work& work, const std::string& name, size_t* index,
                                     std::optional<JsonIn>* body);
  Api<void> ChooseAdapters(const JsonIn& body, const ServedModel& model,
                           GenerationOptions& options) const;
  GenerationOptions OptionsOf(const Work& work, GenerationOptions options) const;

  void Health(Work& work);
  void Live(Work& work);
  void Metrics(Work& work);
  void Models(Work& work);
  void OneModel(Work& work);
  void Chat(Work& work);
  void Completions(Work& work);
  void Responses(Work& work);
  void Embed(Work& work);
  void Predict(Work& work);
  void Root(Work& work);
  void Version(Work& work);
  void Tags(Work& work);
  void Running(Work& work);
  void Show(Work& work);
  void OllamaAnswer(Work& work);
  void LoadOrUnload(Work& work, const std::string& name, bool chat, bool unload);
  void NotStored(Work& work);
  void Pull(Work& work);
  void GoogleList(Work& work);
  void GoogleOne(Work& work);
  void GoogleAnswer(Work& work);
  void Page(Work& work);

  const AppOptions options_;
  ModelStore& store_;
  const Guard guard_;
  RequestLog log_;
  Admission admission_;
  HttpServer* server_ = nullptr;
  std::atomic<bool> ready_ = false, draining_ = false;
  const int64_t started_ = Now();

  mutable std::mutex mutex_;
  std::map<int, uint64_t> responses_;
  uint64_t refused_ = 0;

  Workers workers_;  // the last: its threads use all of the above
};

}  // namespace gemma3::serve
