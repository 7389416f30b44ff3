// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The table of routes, the checks before a body is read, and the way of a request to its handler.
#include "tools/serve/app.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "src/base/ascii.h"
#include "src/base/stopwatch.h"
#include "tools/serve/app_work.h"
#include "tools/serve/page_files.h"

namespace gemma3::serve {

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

namespace {

// What proxies write into their logs where a client left before its answer began.
constexpr int kClientLeft = 499;

ApiError Leaving() {
  ApiError leaving(503, "the server is shutting down");
  leaving.retry_after = 1;
  return leaving;
}

ApiError Full(const char* why) {
  ApiError full(429, why, "", "rate_limit_exceeded");
  full.retry_after = 1;
  return full;
}

constexpr const char* kQueueFull = "too many requests are waiting; try again soon";

}  // namespace

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
      {"POST", "/api/pull", &App::Pull},
      {"POST", "/api/push", &App::NotStored},
      {"POST", "/api/create", &App::NotStored},
      {"POST", "/api/copy", &App::NotStored},
      {"DELETE", "/api/delete", &App::NotStored},
      {"POST", "/api/blobs/", &App::NotStored},
      {"GET", "/api/blobs/", &App::NotStored},
      {"GET", "/v1beta/models", &App::GoogleList},
      {"GET", "/v1beta/models/", &App::GoogleOne},
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
    headers.push_back({"Access-Control-Expose-Headers", "X-Request-Id, Retry-After"});
  }
  return headers;
}

void App::Finish(HttpResponse& response, const HttpRequest& request) const {
  for (HttpHeader& header : CommonHeaders(request)) response.headers.push_back(std::move(header));
}

std::expected<size_t, HttpResponse> App::CheckInside(const HttpRequest& head) {
  const Wording wording = WordingOf(head.path);
  const auto error = [&](int status, std::string message, std::string code = {}) {
    return ErrorResponse(ApiError(status, std::move(message), "", std::move(code)), wording);
  };
  const auto refused = [&](int status, std::string message, std::string code = {}) {
    return std::unexpected(error(status, std::move(message), std::move(code)));
  };
  const std::string_view host = head.Header("host"), origin = head.Header("origin");
  if (!guard_.HostAllowed(host)) {
    return refused(403, "the Host header names another machine (--allow-host lets it)");
  }
  if (!origin.empty() && !guard_.OriginAllowed(origin, host)) {
    const bool harmless = head.method == "GET" || head.method == "HEAD";
    if (!harmless) {
      return refused(403, "pages of that origin may not ask here (--allow-origin lets them)");
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
    return std::unexpected(std::move(response));
  }
  bool known_path = false;
  const Route* const route = RouteOf(head, &known_path);
  if (!(route != nullptr && route->open) && !guard_.KeyOf(head)) {
    const bool given = !head.Header("authorization").empty() || !head.Header("x-api-key").empty() ||
                       !head.Header("x-goog-api-key").empty();
    return refused(
        401, given ? "this key is not known here" : "a key is needed: Authorization: Bearer KEY",
        "invalid_api_key");
  }
  if (route == nullptr && !known_path) {
    return refused(404, "there is no " + head.method + " " + head.path.substr(0, 200) + " here",
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
    return std::unexpected(std::move(response));
  }
  if (route->handler == &App::NotStored) return std::unexpected(NothingStored(head));
  if (route->quick) return kSmallBody;
  if (draining_) {
    HttpResponse response = ErrorResponse(Leaving(), wording);
    response.close = true;
    return std::unexpected(std::move(response));
  }
  const std::string coding = AsciiLower(head.Header("content-encoding"));
  if (!coding.empty() && coding != "identity") {
    return refused(415, "bodies are taken without Content-Encoding");
  }
  // What a page can send without asking first has another type.
  if (!origin.empty() && !AsciiLower(head.Header("content-type")).starts_with("application/json")) {
    return refused(415, "from a page, bodies must be application/json");
  }
  if (admission_.full()) {
    const std::scoped_lock lock(mutex_);
    ++refused_;
    return std::unexpected(ErrorResponse(Full(kQueueFull), wording));
  }
  return options_.body_bytes;
}

std::expected<size_t, HttpResponse> App::Check(const HttpRequest& head) {
  auto most = CheckInside(head);
  if (most) return most;
  HttpResponse& response = most.error();
  Finish(response, head);
  {
    const std::scoped_lock lock(mutex_);
    ++responses_[response.status];
  }
  log_.Write({.id = head.id,
              .peer = head.peer,
              .method = head.method,
              .path = head.path,
              .status = response.status});
  return most;
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
      Run(*work);
    } catch (const std::exception&) {  // no memory to say even that: the exchange is let go of
    }
  };
  if (work->route->quick) return run();
  if (draining_) {  // since its head was read
    ReplyError(*work, Leaving());
    return Ended(*work);
  }
  work->seat = admission_.TryEnter(work->key);
  if (!work->seat) {
    const ApiError full =
        Full(admission_.full() ? kQueueFull
                               : "this key has as many requests as it may (--key-parallel)");
    {
      const std::scoped_lock lock(mutex_);
      ++refused_;
    }
    ReplyError(*work, full);
    return Ended(*work);
  }
  try {
    workers_.Run(run);
  } catch (const std::exception& e) {
    ReplyError(*work, ApiError(503, std::string("no thread for this request: ") + e.what()));
  }
}

void App::Run(Work& work) {
  try {
    (this->*work.route->handler)(work);
  } catch (const std::bad_alloc&) {
    ReplyError(work, ApiError(503, "out of memory"));
  } catch (const std::exception& e) {
    ReplyError(work, ApiError(500, std::string("internal error: ") + e.what()));
  }
  Ended(work);
}

void App::Ended(Work& work) {
  work.log.status = work.exchange->status();
  if (work.log.status == 0 && work.exchange->gone().cancelled()) work.log.status = kClientLeft;
  work.log.seconds = SecondsSince(work.begin);
  if (work.log.status != 0) {
    const std::scoped_lock lock(mutex_);
    ++responses_[work.log.status];
  }
  log_.Write(work.log);
}

}  // namespace gemma3::serve
