// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 serve: models over HTTP, for programs that speak OpenAI's, Ollama's or Google's API. What
// is spoken and how is in serve/README.md.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/base/status.h"
#include "tools/args.h"
#include "tools/commands.h"
#include "tools/errors.h"
#include "tools/models.h"
#include "tools/output.h"
#include "tools/serve/app.h"
#include "tools/serve/guard.h"
#include "tools/serve/http_server.h"
#include "tools/serve/json_in.h"
#include "tools/serve/model_store.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

// Conversations that there is memory for where the user says nothing.
constexpr size_t kServeParallel = 4;
// Answers that are given to the engine at a time: those that cannot fill the context leave room for
// others beside them.
constexpr size_t kRunningPerPlace = 2;

// More than this of JSON is not read.
constexpr size_t kMostBodyMiB = serve::JsonIn::kMaxBytes >> 20;
// Longer than anything runs, and no sum of times overflows.
constexpr size_t kMostSeconds = 1'000'000'000;

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct ServeOptions {
  Settings settings;
  std::string host, port;
  std::vector<std::string> keys;
  std::string key_file;
  std::vector<std::string> hosts, origins;
  size_t queue = 64, per_key = 0, max_body = 32, connections = 512, answer_time = 0, images = 32;
  std::string log = "text";
  bool any_model = false, no_page = false;
};

// from: what says so.
Result<uint16_t> PortOf(const std::string& text, const char* from) {
  const auto number = ParseSize(text);
  if (!number || *number > std::numeric_limits<uint16_t>::max()) {
    return Fail(ErrorCode::kInvalidArgument, from, ": a port is a number from 0 to 65535, not ",
                text);
  }
  return static_cast<uint16_t>(*number);
}

std::vector<std::string> OwnNames(const std::string& address) {
  std::vector<std::string> names = {address};
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) == 0 && *name != '\0') names.emplace_back(name);
  return names;
}

int Serve(const Args& args, ServeOptions& options) {
  // Cloud Run and Vertex AI say where they connect to, and do so from outside of the container.
  const std::string vertex_port = Environment("AIP_HTTP_PORT");
  const bool in_cloud = !vertex_port.empty() || !Environment("K_SERVICE").empty();
  if (options.host.empty()) options.host = in_cloud ? "0.0.0.0" : "127.0.0.1";
  const char* from = "--port";
  if (options.port.empty()) options.port = vertex_port, from = "AIP_HTTP_PORT";
  if (options.port.empty()) options.port = Environment("PORT"), from = "PORT";
  if (options.port.empty()) options.port = "8080";
  const auto port = PortOf(options.port, from);
  if (!port) return args.UsageError(port.error().message);
  if (!options.key_file.empty()) {
    auto keys = serve::ReadKeys(options.key_file);
    if (!keys) return Report(keys.error());
    for (std::string& key : *keys) options.keys.push_back(std::move(key));
  }
  if (const std::string key = Environment("GEMMA3_API_KEY"); !key.empty()) {
    options.keys.push_back(key);
  }
  for (const std::string& key : options.keys) {
    if (key.empty()) return args.UsageError("a key is not empty");
  }
  for (const std::string& host : options.hosts) {
    if (!serve::NamesHost(host)) {
      return args.UsageError("--allow-host takes a name such as chat.example.org, not " + host);
    }
  }
  for (const std::string& origin : options.origins) {
    if (!serve::NamesOrigin(origin)) {
      return args.UsageError(
          "--allow-origin takes https://chat.example.org, with a port or without and no path, "
          "not " +
          origin);
    }
  }
  if (options.max_body > kMostBodyMiB) {
    return args.UsageError("--max-body takes at most " + std::to_string(kMostBodyMiB));
  }
  serve::LogForm log = serve::LogForm::kText;
  if (options.log == "json") {
    log = serve::LogForm::kJson;
  } else if (options.log == "off") {
    log = serve::LogForm::kOff;
  } else if (options.log != "text") {
    return args.UsageError("--log takes text, json or off");
  }
  Settings& settings = options.settings;
  if (!settings.parallel_set) settings.session.parallel = kServeParallel;

  serve::ModelStore store(settings, options.any_model);
  for (const std::string& word : args.words()) {
    if (const Status added = store.Add(word); !added) {
      return Report(added.error(), During::kLoad);
    }
  }

  serve::AppOptions app_options;
  app_options.defaults.options = settings.generation;
  app_options.defaults.images = settings.images;
  app_options.defaults.pictures.pictures = options.images;
  app_options.defaults.schema_prompt = settings.schema_prompt;
  app_options.admission = {.running = kRunningPerPlace * settings.session.parallel,
                           .waiting = options.queue,
                           .per_key = options.per_key};
  app_options.log = log;
  app_options.page = !options.no_page;
  app_options.answer_time = std::chrono::seconds(std::min(options.answer_time, kMostSeconds));
  app_options.body_bytes = options.max_body << 20;
  app_options.at_a_time = std::max<size_t>(settings.session.parallel, 1);
  app_options.predict_route = Environment("AIP_PREDICT_ROUTE");
  app_options.health_route = Environment("AIP_HEALTH_ROUTE");

  // Bound before anything takes time, so that a port that is taken is known at once.
  std::unique_ptr<serve::App> app;
  std::unique_ptr<serve::HttpServer> server;
  serve::HttpLimits limits;
  limits.all_bodies_bytes = std::max(limits.all_bodies_bytes, 4 * app_options.body_bytes);
  limits.connections = options.connections;
  limits.connections_per_address = std::max<size_t>(options.connections / 4, 1);
  serve::HttpHandlers handlers{
      .check = [&](const serve::HttpRequest& head) { return app->Check(head); },
      .handle =
          [&](std::shared_ptr<serve::Exchange> exchange) { app->Handle(std::move(exchange)); },
      .fault = [&](const serve::HttpRequest& head, int status,
                   const std::string& message) { return app->Fault(head, status, message); },
      .on_signal =
          [&](int count) {
            if (count > 1) return server->Stop();
            TryWriteStderr("shutting down: answers are finished; another signal cancels them\n");
            app->Drain();
            server->Drain();
          },
  };
  auto listening = serve::HttpServer::Listen(options.host, *port, limits, std::move(handlers));
  if (!listening) return Report(listening.error());
  server = *std::move(listening);
  const bool local = server->is_loopback() || server->is_unix();
  app = std::make_unique<serve::App>(
      std::move(app_options), store,
      serve::Guard({.keys = options.keys,
                    .hosts = options.hosts,
                    .origins = options.origins,
                    .check_host = server->is_loopback() && !server->is_unix(),
                    .own_names = OwnNames(server->bound_address())}));
  app->SetServer(server.get());
  if (!local && options.keys.empty()) {
    WriteStderr("warning: whoever can reach this machine can use this server: it listens on " +
                server->bound_address() + " and asks for no key (--api-key-file)\n");
  }
  WriteStderr("listening on " + server->url() + "\n");

  // The first model is loaded while others already learn from /health that it is not there yet.
  int exit_code = kExitOk;
  std::thread loading([&] {
    const auto model = store.Get("", CancelFlag());
    if (model) return app->SetReady();
    PrintError(model.error().message);
    exit_code = kExitModel;
    server->Stop();
  });
  server->Run();
  store.Stop();
  loading.join();
  app->Join();
  return exit_code;
}

}  // namespace

int ServeCommand(int argc, const char* const* argv) {
  ServeOptions options;
  Args args("serve", "MODEL [NAME=MODEL...]",
            "Answers over HTTP: OpenAI's API under /v1, Ollama's under /api, Google's under\n"
            "/v1beta, a page to chat in at /. Several models are loaded when they are asked for,\n"
            "within --max-memory. SIGTERM lets answers end; a second one cancels them.");
  args.AddText("--host", "NAME", &options.host,
               "address to listen on (127.0.0.1), or unix:PATH for a socket");
  args.AddText("--port", "N", &options.port, "port to listen on (8080); 0 takes a free one");
  args.AddTexts("--api-key", "KEY", &options.keys,
                "ask for this key; may be repeated (others on this machine may see it)");
  args.AddText("--api-key-file", "FILE", &options.key_file,
               "ask for one of these keys, one a line");
  args.AddTexts("--allow-host", "NAME", &options.hosts,
                "also answer requests that were sent to this name; may be repeated");
  args.AddTexts("--allow-origin", "URL", &options.origins,
                "let pages of this origin ask; may be repeated");
  args.AddFlag("--any-model", &options.any_model, "a name that is not known means the first model");
  args.AddFlag("--no-page", &options.no_page, "no page at /");
  args.AddSize("--queue", 0, &options.queue, "requests that may wait (64); others get status 429");
  args.AddSize("--key-parallel", 0, &options.per_key,
               "requests of one key at a time, running and waiting; 0: any number");
  args.AddSize("--answer-time", 0, &options.answer_time,
               "seconds after which an answer is cut off; 0: never");
  args.AddSize("--max-body", 1, &options.max_body, "MiB that a request may have (32, at most 256)");
  args.AddSize("--max-images", 0, &options.images, "pictures that a request may have (32)");
  args.AddSize("--connections", 1, &options.connections, "open connections (512)");
  args.AddText("--log", "FORM", &options.log,
               "a line for each request on standard error: text, json or off");
  args.AddSettings(&options.settings,
                   {SettingGroup::kAnswer, SettingGroup::kSampling, SettingGroup::kPictures,
                    SettingGroup::kSession, SettingGroup::kModel},
                   {"from", "to", "json-schema", "grammar", "json-object", "wrap", "logprobs",
                    "show-thought", "tool-choice", "tool-style"});
  if (const auto code = args.Parse(argc, argv)) return *code;
  if (args.words().empty()) return args.UsageError("which MODEL? A path, a name, or demo");
  return Serve(args, options);
}

}  // namespace gemma3::cli
