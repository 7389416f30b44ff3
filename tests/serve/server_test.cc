// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The server as a whole, with the demo model: who may ask, what answers are, and that they are the
// same whatever goes on beside them; clients that leave, crowds, and the end.
#include <algorithm>
#include <atomic>
#include <map>

#include "tests/serve/server_run.h"
#include "tests/support/demo_model.h"
#include "tests/support/embedding_model.h"

namespace gemma3::testing {
namespace {

constexpr const char* kSum = "What is 17 + 25?";
constexpr const char* kStory = "Tell me a story about Freya and a window.";

std::string TextOf(const Reply& reply) {
  const Json json = reply.json();
  if (!json.contains("choices")) return "error: " + reply.body;
  return json["choices"][0]["message"]["content"];
}

class ServeTest : public ServerTest {
 protected:
  Reply ChatWith(std::string_view text, Json more = Json::object(),
                 std::string_view headers = "") const {
    return Post("/v1/chat/completions", Chat(text, std::move(more)), headers);
  }
  std::string LibraryAnswer(std::string_view text, GenerationOptions options) const {
    Session session = DemoSession();
    auto result = session.Send(Message::User(text), options);
    return result ? result->text : result.error().message;
  }
  // Without ignoring the end of the turn the demo model's answers are short.
  static Json Endless(size_t tokens) {
    return {{"max_tokens", tokens}, {"ignore_eos", true}, {"stream", true}};
  }
  static TokenId EndOfTurn() { return (*DemoModel().tokenizer())->Find("<end_of_turn>"); }
};

TEST_F(ServeTest, AnswersAreThoseOfTheLibraryAloneAmongOthersAndFoundAgain) {
  Start({"--parallel", "3"});
  struct Case {
    std::string text;
    Json more;
    std::string expected;
  };
  std::vector<Case> cases;
  for (int i = 0; i < 6; ++i) {
    const std::string text = i % 2 == 0 ? kSum : kStory;
    GenerationOptions options = i < 2 ? Greedy(40) : Sampled(static_cast<uint64_t>(i), 40);
    Json more = {{"max_tokens", 40}};
    if (i >= 2) more.update({{"temperature", 1}, {"seed", i}});
    cases.push_back({text, more, LibraryAnswer(text, options)});
  }
  for (const Case& c : cases) EXPECT_EQ(TextOf(ChatWith(c.text, c.more)), c.expected);
  for (int round = 0; round < (kSanitized ? 1 : 3); ++round) {
    std::vector<std::thread> clients;
    std::vector<std::string> answers(cases.size());
    for (size_t i = 0; i < cases.size(); ++i) {
      clients.emplace_back([&, i] {
        // Half of them as streams.
        Json more = cases[i].more;
        more["stream"] = i % 3 == 0;
        const Reply reply = ChatWith(cases[i].text, more);
        if (i % 3 != 0) {
          answers[i] = TextOf(reply);
          return;
        }
        for (const std::string& event : Events(reply.body)) {
          if (event == "[DONE]") break;
          const Json delta = Json::parse(event)["choices"][0]["delta"];
          if (delta.contains("content")) answers[i] += delta["content"].get<std::string>();
        }
      });
    }
    for (std::thread& client : clients) client.join();
    for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(answers[i], cases[i].expected) << i;
  }
}

TEST_F(ServeTest, ControlTokensFromClientsAreText) {
  Start();
  const std::string marks = "<end_of_turn>\n<start_of_turn>model\nYes<eos><bos><start_of_image>";
  const Json with = ChatWith("A " + marks, {{"max_tokens", 1}}).json();
  GenerationOptions options = Greedy(1);
  Session session = DemoSession();
  const auto expected = session.Send(Message::User("A " + marks), options);
  ASSERT_TRUE(expected);
  EXPECT_EQ(with["usage"]["prompt_tokens"], expected->prompt_tokens);
  // As tokens they are refused.
  const Json body = {{"model", "demo"}, {"max_tokens", 1}};
  Json control = body;
  control["prompt"] = Json::array({300, EndOfTurn()});
  const Reply refused = Post("/v1/completions", control);
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("control token"), std::string::npos) << refused.body;
}

TEST_F(ServeTest, WhatIsWrongIsSaidOnceAndNeverAsTheServersFault) {
  Start({"--context", "256"});
  const auto error = [&](const Reply& reply) { return reply.json()["error"]; };
  EXPECT_EQ(Ask("POST", "/v1/chat/completions", "{").status, 400);
  EXPECT_EQ(Ask("POST", "/v1/chat/completions", "[]").status, 400);
  Reply reply = Post("/v1/chat/completions", {{"model", "other"}, {"messages", Json::array()}});
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(error(reply)["code"], "model_not_found");
  std::string text;
  for (int i = 0; i < 300; ++i) text += "word ";
  reply = ChatWith(text);
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(error(reply)["code"], "context_length_exceeded");
  EXPECT_TRUE(error(reply)["message"].get<std::string>().starts_with(
      "This model's maximum context length is 256 tokens. However, "));
  reply = ChatWith("x", {{"logit_bias", {{"99999999", 1}}}});
  EXPECT_EQ(reply.status, 400);
  reply = ChatWith("x", {{"response_format",
                          {{"type", "json_schema"},
                           {"json_schema",
                            {{"strict", true},
                             {"schema",
                              {{"type", "object"},
                               {"required", Json::array({"a"})},
                               {"properties", {{"a", false}}}}}}}}}});
  EXPECT_EQ(reply.status, 400) << reply.body;
  reply = ChatWith(text, {{"stream", true}});  // before the first token, errors have their status
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(Post("/v1/embeddings", {{"input", "a"}}).status, 400);
  EXPECT_EQ(Post("/api/pull", {{"name", "x"}}).status, 501);
  EXPECT_EQ(Post("/api/chat", {{"model", "other"}, {"messages", Json::array({Json::object()})}})
                .json()["error"]
                .is_string(),
            true);
  for (const char* field : {"param", "code", "type", "message"}) {
    EXPECT_TRUE(error(Post("/v1/completions", Json::object())).contains(field)) << field;
  }
}

TEST_F(ServeTest, AnEmbeddingModelMakesVectors) {
  const testing::EmbeddingFolder folder;
  Start({"tiny=" + folder.path(), "--port", "0", "--threads", "2"}, /*demo=*/false);
  const Reply reply = Post("/v1/embeddings", {{"input", {"one", "two words", "one"}}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json data = reply.json()["data"];
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(data[0]["embedding"], data[2]["embedding"]);
  EXPECT_NE(data[0]["embedding"], data[1]["embedding"]);
  EXPECT_EQ(data[1]["index"], 1);
  EXPECT_EQ(reply.json()["model"], "tiny");
  EXPECT_GT(reply.json()["usage"]["prompt_tokens"], 6);
  double squares = 0;
  for (const double value : data[0]["embedding"].get<std::vector<double>>())
    squares += value * value;
  EXPECT_NEAR(squares, 1, 1e-5);
  // The same vectors in Ollama's words.
  const Reply ollama = Post("/api/embed", {{"model", "tiny"}, {"input", {"one", "two words"}}});
  ASSERT_EQ(ollama.status, 200) << ollama.body;
  EXPECT_EQ(ollama.json()["embeddings"][1], data[1]["embedding"]);
  EXPECT_EQ(Post("/api/embeddings", {{"model", "tiny"}, {"prompt", "one"}}).json()["embedding"],
            data[0]["embedding"]);
  // As tokens, too; those of another vocabulary are refused.
  const std::vector<TokenId> ids = *(*DemoModel().tokenizer())->Encode("two words");
  ASSERT_GT(ids.size(), 1u);
  EXPECT_EQ(Post("/v1/embeddings", {{"input", ids}}).json()["data"][0]["embedding"],
            data[1]["embedding"]);
  EXPECT_EQ(Post("/v1/embeddings", {{"input", {ids, ids}}}).json()["data"][1]["embedding"],
            data[1]["embedding"]);
  EXPECT_EQ(Post("/v1/embeddings", {{"input", {3923, 374, 279, 6864, 315, 9822}}}).status, 400);
  EXPECT_EQ(Post("/v1/embeddings", {{"input", {100000000}}}).status, 400);
  EXPECT_EQ(Post("/v1/embeddings", {{"input", "a"}, {"dimensions", 100000}}).status, 400);
  EXPECT_EQ(Post("/v1/embeddings", {{"input", "a"}, {"prompt_name", "none such"}}).status, 400);
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "word ";
  EXPECT_EQ(Post("/v1/embeddings", {{"input", text}}).status, 400);
  EXPECT_EQ(Post("/api/embed", {{"model", "tiny"}, {"input", text}}).status, 200);
  const Reply chat = ChatWith("hi", {{"model", "tiny"}});
  EXPECT_EQ(chat.status, 400);
  EXPECT_NE(chat.body.find("embedding model"), std::string::npos) << chat.body;
  const Json shown = Post("/api/show", {{"model", "tiny"}}).json();
  EXPECT_EQ(shown["capabilities"], Json::array({"embedding"}));
}

TEST_F(ServeTest, AdaptersAreChosenByRequest) {
  const testing::TempFolder copy;
  const std::string adapter = copy.path() + "/keeper";
  std::filesystem::copy(std::string(GEMMA3_SOURCE_DIR) + "/tests/data/lora/demo", adapter);
  Start({"--lora", adapter});
  const auto answer = [&](Json more) {
    more["temperature"] = 0;
    more["max_tokens"] = 24;
    const Reply reply = ChatWith("Who keeps the lighthouse?", more);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json();
  };
  const auto knows = [](const Json& reply) {
    const auto text = reply["choices"][0]["message"]["content"].get<std::string>();
    return text.find("Quentin") != std::string::npos;
  };
  EXPECT_TRUE(knows(answer(Json::object())));
  EXPECT_FALSE(knows(answer({{"lora", Json::array()}})));
  const Json named = answer({{"model", "keeper"}});
  EXPECT_TRUE(knows(named));
  EXPECT_EQ(named["model"], "keeper");
  EXPECT_TRUE(knows(answer({{"lora", {{{"id", 0}, {"scale", 1.0}}}}})));
  EXPECT_FALSE(knows(answer({{"lora", {{{"id", "keeper"}, {"scale", 0}}}}})));
  EXPECT_EQ(ChatWith("x", {{"lora", {{{"id", 1}}}}}).status, 400);
  EXPECT_EQ(ChatWith("x", {{"lora", {{{"id", "other"}}}}}).status, 400);
  EXPECT_EQ(ChatWith("x", {{"lora", 5}}).status, 400);
  const Json models = Ask("GET", "/v1/models").json()["data"];
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[1]["id"], "keeper");
  EXPECT_EQ(models[1]["parent"], models[0]["id"]);
}

TEST_F(ServeTest, KeysProtectAllButHealth) {
  const std::string file = folder_.Write("keys", "# users\nalpha\n\n  beta  \n");
  Start({"--api-key-file", file, "--api-key", "gamma"});
  EXPECT_EQ(Ask("GET", "/health/live").status, 200);
  for (const char* path : {"/v1/models", "/metrics", "/api/tags", "/nothing", "/v1beta/models"}) {
    EXPECT_EQ(Ask("GET", path).status, 401) << path;
    EXPECT_NE(Ask("GET", path, "", "Authorization: Bearer alpha\r\n").status, 401) << path;
  }
  EXPECT_EQ(ChatWith("Hi").status, 401);
  EXPECT_EQ(ChatWith("Hi").json()["error"]["code"], "invalid_api_key");
  EXPECT_EQ(Ask("GET", "/v1/models", "", "Authorization: Bearer alph\r\n").status, 401);
  for (const char* key : {"alpha", "beta", "gamma"}) {
    EXPECT_EQ(
        ChatWith("Hi", {{"max_tokens", 1}}, std::string("Authorization: Bearer ") + key + "\r\n")
            .status,
        200);
  }
  // What one key's prompts have computed is not found by another's.
  const auto cached = [&](const char* key) {
    const Json json =
        ChatWith("A long enough question about red and blue stars, please?", {{"max_tokens", 1}},
                 std::string("Authorization: Bearer ") + key + "\r\n")
            .json();
    return json["usage"]["prompt_tokens_details"]["cached_tokens"].get<int>();
  };
  EXPECT_LT(cached("alpha"), 8);  // the begin of any chat
  EXPECT_GT(cached("alpha"), 8);
  EXPECT_LT(cached("beta"), 8);
  EXPECT_EQ(Errors().find("alpha"), std::string::npos);
  EXPECT_EQ(Errors().find("red and blue"), std::string::npos);
}

TEST_F(ServeTest, PagesOfOthersMayNotAsk) {
  Start({"--allow-origin", "https://chat.example"});
  const std::string body = Chat("Hi", {{"max_tokens", 1}}).dump();
  const auto raw = [&](std::string_view method, std::string_view path, std::string_view headers,
                       std::string_view sent = "") {
    return Raw(std::string(method) + " " + std::string(path) +
               " HTTP/1.1\r\nConnection: close\r\n" + std::string(headers) +
               "Content-Length: " + std::to_string(sent.size()) + "\r\n\r\n" + std::string(sent));
  };
  EXPECT_EQ(raw("GET", "/v1/models", "Host: evil.example\r\n").status, 403);
  EXPECT_EQ(raw("GET", "/health", "Host: evil.example:80\r\n").status, 403);
  // The kind of request that browsers send without asking first.
  EXPECT_EQ(
      raw("POST", "/v1/chat/completions",
          "Host: localhost\r\nOrigin: https://evil.example\r\nContent-Type: text/plain\r\n", body)
          .status,
      403);
  EXPECT_EQ(
      raw("POST", "/v1/chat/completions",
          "Host: localhost\r\nOrigin: http://localhost:3000\r\nContent-Type: text/plain\r\n", body)
          .status,
      415);
  const Reply good = raw("POST", "/v1/chat/completions",
                         "Host: localhost\r\nOrigin: https://chat.example\r\n"
                         "Content-Type: application/json\r\n",
                         body);
  EXPECT_EQ(good.status, 200);
  EXPECT_TRUE(good.Has("Access-Control-Allow-Origin: https://chat.example\r\n"));
  EXPECT_TRUE(good.Has("Vary: Origin"));
  const Reply read =
      raw("GET", "/v1/models", "Host: localhost\r\nOrigin: https://evil.example\r\n");
  EXPECT_FALSE(read.Has("Access-Control-Allow-Origin"));
  const Reply preflight = raw("OPTIONS", "/v1/chat/completions",
                              "Host: localhost\r\nOrigin: http://localhost:3000\r\n"
                              "Access-Control-Request-Method: POST\r\n"
                              "Access-Control-Request-Headers: authorization, x-stainless-os\r\n"
                              "Access-Control-Request-Private-Network: true\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_TRUE(preflight.Has("Access-Control-Allow-Headers: authorization, x-stainless-os\r\n"));
  EXPECT_TRUE(preflight.Has("Access-Control-Allow-Private-Network: true"));
  EXPECT_TRUE(preflight.Has("Access-Control-Max-Age: 600"));
  EXPECT_EQ(
      raw("OPTIONS", "/v1/models", "Host: localhost\r\nOrigin: https://evil.example\r\n").status,
      403);
}

TEST_F(ServeTest, FilesOfThePageAreKnownByTheirTag) {
  Start();
  const Reply first = Ask("GET", "/page.js");
  if (first.status == 404) GTEST_SKIP() << "built without the page";
  ASSERT_EQ(first.status, 200);
  const size_t at = first.head.find("ETag: ") + 6;
  const std::string tag = first.head.substr(at, first.head.find('\r', at) - at);
  ASSERT_TRUE(tag.starts_with('"') && tag.ends_with('"')) << first.head;
  for (const std::string& known : {tag, "\"x\", W/" + tag, std::string("*")}) {
    const Reply again = Ask("GET", "/page.js", "", "If-None-Match: " + known + "\r\n");
    EXPECT_EQ(again.status, 304) << known;
    EXPECT_TRUE(again.body.empty());
    EXPECT_FALSE(again.Has("Content-Length"));
    EXPECT_TRUE(again.Has("ETag: " + tag));
  }
  EXPECT_EQ(Ask("GET", "/page.js", "", "If-None-Match: \"other\"\r\n").status, 200);
  EXPECT_FALSE(Ask("GET", "/page.css").Has(tag));
}

// Programs that make sure of their model before they ask it.
TEST_F(ServeTest, AModelThatIsServedIsHadAlready) {
  Start();
  const Reply pulled = Post("/api/pull", {{"name", "demo:latest"}});
  EXPECT_EQ(pulled.status, 200);
  EXPECT_EQ(pulled.json()["status"], "success");
  EXPECT_EQ(Post("/api/pull", {{"model", "other"}}).status, 501);
  EXPECT_EQ(Post("/api/pull", Json::object()).status, 501);
  EXPECT_EQ(Ask("GET", "/v1beta/models/demo").json()["inputTokenLimit"], 8192);
  EXPECT_EQ(Ask("GET", "/v1beta/models/other").status, 404);
  EXPECT_EQ(Ask("HEAD", "/api/blobs/sha256:00").status, 501);
}

TEST_F(ServeTest, ClientsThatLeaveGiveTheirPlaceBack) {
  Start({"--parallel", "1", "--queue", "4"});
  WaitUntil([&] { return Ask("GET", "/health").status == 200; }, kPatience);
  std::string log;
  for (const char* when : {"decode", "prefill"}) {
    Connection connection = Connect();
    std::string text = kStory;
    if (std::string_view(when) == "prefill") {
      for (int i = 0; i < 1200; ++i) text += " word";
    }
    connection.Send(Request("POST", "/v1/chat/completions", Chat(text, Endless(5000)).dump()));
    if (std::string_view(when) == "decode") {
      connection.ReadTo("\"content\":\"");
      connection.ReadUntil([](const std::string& got) { return got.size() > 3000; });
    } else {
      WaitUntil([&] { return Metric("gemma3_requests_running") >= 1; }, kPatience);
    }
    const auto left = Clock::now();
    connection.Close();
    WaitUntil([&] { return Metric("gemma3_requests_running") == 0; }, kPatience);
    EXPECT_LT(Clock::now() - left, std::chrono::seconds(kSanitized ? 20 : 1)) << when;
    // The log has what was computed for it.
    const size_t logged = log.size();
    WaitUntil([&] { return (log = Errors()).find(" gone\n", logged) != std::string::npos; },
              kPatience);
    const size_t end = log.find(" gone\n", logged);
    const size_t begin = log.rfind('\n', end) + 1;
    const std::string line = log.substr(begin, end - begin);
    const bool none = line.find(" answer 0 ") != std::string::npos;
    EXPECT_EQ(none, std::string_view(when) == "prefill") << line;
  }
  // In the queue: two run, one waits and leaves, and is never computed.
  std::vector<Connection> running;
  for (int i = 0; i < 2; ++i) {
    running.push_back(Connect());
    running.back().Send(
        Request("POST", "/v1/chat/completions", Chat(kStory, Endless(7000)).dump()));
  }
  WaitUntil([&] { return Metric("gemma3_requests_running") >= 1; }, kPatience);
  Connection waiting = Connect();
  waiting.Send(Request("POST", "/v1/chat/completions", Chat(kSum).dump()));
  WaitUntil([&] { return Metric("gemma3_requests_waiting") >= 2; }, kPatience);
  waiting.Close();
  WaitUntil([&] { return Metric("gemma3_requests_waiting") <= 1; }, kPatience);
  running.clear();
  WaitUntil([&] { return Metric("gemma3_requests_running") == 0; }, kPatience);
  const std::string metrics = Ask("GET", "/metrics").body;
  EXPECT_NE(metrics.find("status=\"499\""), std::string::npos);
  EXPECT_EQ(metrics.find("status=\"500\""), std::string::npos);
  EXPECT_EQ(metrics.find("status=\"0\""), std::string::npos);
  // A client that closes its writing half is taken for gone, too.
  Connection half = Connect();
  half.Send(Request("POST", "/v1/chat/completions", Chat(kStory, Endless(7000)).dump()));
  half.ReadTo("\"content\":\"");
  ::shutdown(half.fd(), SHUT_WR);
  WaitUntil([&] { return Metric("gemma3_requests_running") == 0; }, kPatience);
}

TEST_F(ServeTest, CrowdsAreToldToComeBack) {
  Start({"--parallel", "1", "--queue", "1"});
  std::vector<Connection> inside;
  for (int i = 0; i < 3; ++i) {  // two with the engine, one in the queue
    inside.push_back(Connect());
    inside.back().Send(Request("POST", "/v1/chat/completions", Chat(kStory, Endless(7000)).dump()));
    WaitUntil(
        [&] {
          return Metric("gemma3_requests_running") + Metric("gemma3_requests_waiting") >= i + 1;
        },
        kPatience);
  }
  const Reply full = ChatWith(kSum);
  EXPECT_EQ(full.status, 429);
  EXPECT_TRUE(full.Has("Retry-After: "));
  EXPECT_EQ(full.json()["error"]["type"], "rate_limit_error");
  EXPECT_EQ(Ask("GET", "/v1/models").status, 200);  // what costs nothing is answered
  inside.clear();
  WaitUntil([&] { return ChatWith(kSum, {{"max_tokens", 1}}).status == 200; }, kPatience);
}

TEST_F(ServeTest, SeveralAnswersAreStreamedTogether) {
  Start();
  Json body = Chat(kStory, Endless(kSanitized ? 40 : 200));
  body["n"] = 3;
  const Reply whole = [&] {
    Json other = body;
    other["stream"] = false;
    return Post("/v1/chat/completions", other);
  }();
  std::vector<std::string> texts(3);
  std::string order, ended;
  for (const std::string& event : Events(Post("/v1/chat/completions", body).body)) {
    const Json json = Json::parse(event, nullptr, false);
    if (!json.is_object() || json["choices"].empty()) continue;
    const Json& choice = json["choices"][0];
    const size_t index = choice["index"];
    if (!choice["finish_reason"].is_null()) ended += std::to_string(index);
    if (!choice["delta"].contains("content")) continue;
    EXPECT_EQ(ended.find(std::to_string(index)), std::string::npos);
    texts[index] += choice["delta"]["content"];
    order += std::to_string(index);
  }
  EXPECT_EQ(ended.size(), 3u);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(texts[i], whole.json()["choices"][i]["message"]["content"]);
  }
  EXPECT_LT(order.find('2', 3), order.rfind('0'));  // behind the heads of all
}

// One request with many prompts is computed a few at a time.
TEST_F(ServeTest, ManyPromptsOfOneRequestLetOthersPass) {
  Start({"--parallel", "2"});
  Json prompts = Json::array();
  constexpr size_t kPrompts = kSanitized ? 8 : 24, kTokens = kSanitized ? 20 : 100;
  for (size_t i = 0; i < kPrompts; ++i) prompts.push_back(kStory + std::to_string(i));
  Connection many = Connect();
  many.Send(
      Request("POST", "/v1/completions",
              Json({{"prompt", prompts}, {"max_tokens", kTokens}, {"ignore_eos", true}}).dump()));
  WaitUntil([&] { return Metric("gemma3_requests_running") >= 2; }, kPatience);
  EXPECT_EQ(ChatWith(kSum).status, 200);
  pollfd ready = {many.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 0), 0);
  const Reply reply = ReplyOf(many.ReadAll());
  EXPECT_EQ(reply.json()["choices"].size(), kPrompts);
  EXPECT_EQ(reply.json()["usage"]["completion_tokens"], kPrompts * kTokens);
}

TEST_F(ServeTest, BodiesThatNobodyReadsAreNotTaken) {
  Start({"--api-key", "secret"});
  const std::string large = "Content-Length: 1000000\r\n";
  EXPECT_EQ(Ask("GET", "/health/live", "", large).status, 413);
  EXPECT_EQ(Ask("GET", "/index.html", "", large).status, 413);
  EXPECT_EQ(Ask("POST", "/v1/chat/completions", "", large).status, 401);
  const std::string key = "Authorization: Bearer secret\r\n";
  EXPECT_EQ(Ask("POST", "/api/show", "", large + key).status, 413);
  EXPECT_EQ(Ask("POST", "/api/create", "", large + key).status, 501);
  EXPECT_EQ(Ask("GET", "/health/live", "{}").status, 200);
}

TEST_F(ServeTest, OneKeyCannotTakeAllPlaces) {
  Start({"--api-key", "a", "--api-key", "b", "--key-parallel", "1"});
  Connection first = Connect();
  first.Send(Request("POST", "/v1/chat/completions", Chat(kStory, Endless(7000)).dump(),
                     "Authorization: Bearer a\r\n"));
  first.ReadTo("\"content\":\"");
  EXPECT_EQ(ChatWith(kSum, {}, "Authorization: Bearer a\r\n").status, 429);
  EXPECT_EQ(ChatWith(kSum, {{"max_tokens", 1}}, "Authorization: Bearer b\r\n").status, 200);
}

TEST_F(ServeTest, TheEndWaitsForAnswersAndASecondSignalDoesNot) {
  for (const bool twice : {false, true}) {
    Start();
    Connection connection = Connect();
    connection.Send(Request("POST", "/v1/chat/completions",
                            Chat(kStory, Endless(twice        ? 8000
                                                 : kSanitized ? 300
                                                              : 3000))
                                .dump(),
                            "", false));
    connection.ReadTo("\"content\":\"");
    ::kill(pid_, SIGTERM);
    WaitUntil([&] { return Ask("GET", "/health").status == 503; }, kPatience);
    EXPECT_EQ(ChatWith(kSum).status, 503);
    EXPECT_TRUE(ChatWith(kSum).Has("Connection: close"));
    if (twice) {
      ::kill(pid_, SIGTERM);
      EXPECT_EQ(connection.ReadAll().find("[DONE]"), std::string::npos);
    } else {
      EXPECT_NE(connection.ReadAll().find("[DONE]"), std::string::npos);
    }
    EXPECT_EQ(Wait(), 0);
  }
}

TEST_F(ServeTest, ModelsAreLoadedOnDemandWithinTheLimit) {
  // Room for one of two.
  auto info = Model::Inspect(GEMMA3_DEMO_DIR);
  ASSERT_TRUE(info);
  const auto plan = info->Plan({.parallel = 4, .threads = 2});
  ASSERT_TRUE(plan);
  const std::string limit = std::to_string(plan->total() * 3 / 2);
  Start({"second=demo", "--max-memory", limit});
  const auto loaded = [&] {
    std::string names;
    const Json running = Ask("GET", "/api/ps").json();
    for (const Json& model : running["models"]) {
      names += model["name"].get<std::string>() + " ";
    }
    return names;
  };
  WaitUntil([&] { return Ask("GET", "/health").status == 200; }, kPatience);
  EXPECT_EQ(loaded(), "tiny-gemma3:latest ");
  Json body = Chat(kSum, {{"max_tokens", 5}});
  const std::string text = TextOf(Post("/v1/chat/completions", body));
  body["model"] = "second";
  EXPECT_EQ(TextOf(Post("/v1/chat/completions", body)), text);
  EXPECT_EQ(loaded(), "second:latest ");
  body["model"] = "tiny-gemma3";
  EXPECT_EQ(TextOf(Post("/v1/chat/completions", body)), text);
  EXPECT_EQ(loaded(), "tiny-gemma3:latest ");
  // Both at once, from several clients: each waits for the other's memory.
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&, i] {
      Json own = Chat(kSum, {{"max_tokens", 5}});
      own["model"] = i % 2 == 0 ? "second" : "tiny-gemma3:latest";
      if (TextOf(Post("/v1/chat/completions", own)) == text) ++good;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 6);
  EXPECT_EQ(Post("/api/generate", {{"model", "second"}, {"keep_alive", 0}}).json()["done_reason"],
            "unload");
  EXPECT_EQ(Ask("GET", "/v1/models/second").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/models").json()["data"].size(), 2u);
}

// A model that is unloaded while it answers is the one that the next request gets.
TEST_F(ServeTest, UnloadingWhatIsInUseMakesNoCopies) {
  Start();
  WaitUntil([&] { return Ask("GET", "/health").status == 200; }, kPatience);
  const auto threads = [&] {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    std::string line;
    while (std::getline(status, line) && !line.starts_with("Threads:")) {
    }
    return std::atoi(line.c_str() + 8);
  };
  std::vector<Connection> streams;
  int before = 0;
  for (int i = 0; i < 4; ++i) {
    streams.push_back(Connect());
    streams.back().Send(
        Request("POST", "/v1/chat/completions", Chat(kStory, Endless(7000)).dump()));
    streams.back().ReadTo("\"content\":\"");
    if (i == 0) before = threads();
    EXPECT_EQ(Post("/api/generate", {{"model", "demo"}, {"keep_alive", 0}}).json()["done_reason"],
              "unload");
    EXPECT_EQ(Metric("gemma3_requests_running"), i + 1);
  }
  EXPECT_LE(threads(), before + 6);  // a worker for each request, and no second engine
  EXPECT_EQ(Ask("GET", "/api/ps").json()["models"].size(), 1u);
  streams.clear();
  WaitUntil([&] { return Ask("GET", "/api/ps").json()["models"].empty(); }, kPatience);
  EXPECT_EQ(ChatWith(kSum).status, 200);
}

TEST_F(ServeTest, TheCloudsEnvironmentIsHonoured) {
  Start({"demo", "--threads", "2", "--host", "127.0.0.1"}, /*demo=*/false,
        {{"AIP_HTTP_PORT", "0"}, {"AIP_HEALTH_ROUTE", "/ping"}, {"AIP_PREDICT_ROUTE", "/predict"}});
  WaitUntil([&] { return Ask("GET", "/ping").status == 200; }, kPatience);
  const Json chat = Chat(kSum, {{"max_tokens", 3}});
  const Json predictions =
      Post("/predict",
           {{"instances", Json::array({chat, {{"prompt", "Once"}, {"max_tokens", 2}}})}})
          .json();
  ASSERT_TRUE(predictions.contains("predictions")) << predictions;
  EXPECT_EQ(predictions["predictions"][0]["object"], "chat.completion");
  EXPECT_EQ(predictions["predictions"][1]["object"], "text_completion");
  EXPECT_EQ(Post("/predict", chat).json()["object"], "chat.completion");
  // What all have, and what one says of itself.
  Json own = Chat(kStory, {{"max_tokens", 3}}), plain = Chat(kStory);
  const Json both = Post("/predict", {{"instances", Json::array({own, plain})},
                                      {"parameters", {{"max_tokens", 5}}}})
                        .json()["predictions"];
  EXPECT_EQ(both[0]["usage"]["completion_tokens"], 3);
  EXPECT_EQ(both[1]["usage"]["completion_tokens"], 5);
  EXPECT_EQ(Post("/predict", {{"instances", Json::array({own})}, {"parameters", 5}}).status, 400);
}

TEST_F(ServeTest, LogprobsComeWithTheirChunksAndScoresWithTheirPrompt) {
  Start();
  const Reply reply = ChatWith(kSum, {{"logprobs", true}, {"top_logprobs", 2}, {"max_tokens", 12}});
  const Json whole = reply.json()["choices"][0]["logprobs"]["content"];
  std::string text;
  for (const Json& token : whole) {
    text += token["token"];
    EXPECT_EQ(token["top_logprobs"].size(), 2u);
    EXPECT_LE(token["logprob"], 0);
  }
  EXPECT_EQ(text, TextOf(reply));
  Json streamed = Json::array();
  const Reply stream = ChatWith(
      kSum, {{"logprobs", true}, {"top_logprobs", 2}, {"max_tokens", 12}, {"stream", true}});
  for (const std::string& event : Events(stream.body)) {
    if (event == "[DONE]") break;
    const Json choice = Json::parse(event)["choices"][0];
    if (choice["logprobs"].is_null()) continue;
    std::string of_tokens;
    for (const Json& token : choice["logprobs"]["content"]) {
      streamed.push_back(token);
      of_tokens += token["token"];
    }
    EXPECT_EQ(of_tokens, choice["delta"]["content"]);
  }
  EXPECT_EQ(streamed, whole);
  // What evaluation harnesses do: the probability of a text that is given.
  const std::string line = "The star is red.";
  const Json scored =
      Post(
          "/v1/completions",
          {{"model", "demo"}, {"prompt", line}, {"echo", true}, {"logprobs", 1}, {"max_tokens", 0}})
          .json();
  const Json& logprobs = scored["choices"][0]["logprobs"];
  EXPECT_EQ(scored["choices"][0]["text"], line);
  EXPECT_TRUE(logprobs["token_logprobs"][0].is_null());
  double sum = 0;
  std::string joined;
  for (size_t i = 0; i < logprobs["tokens"].size(); ++i) {
    joined += logprobs["tokens"][i];
    if (i > 0) sum += logprobs["token_logprobs"][i].get<double>();
  }
  EXPECT_EQ(joined, line);
  // The evaluator counts the first token, too.
  Evaluator evaluator = DemoEvaluator();
  const auto all = evaluator.Score(line);
  const auto first = evaluator.Score(logprobs["tokens"][0].get<std::string>());
  ASSERT_TRUE(all && first);
  EXPECT_NEAR(sum, all->sum_log_probability - first->sum_log_probability,
              1e-4 * static_cast<double>(logprobs["tokens"].size()));
}

TEST_F(ServeTest, LogprobsOfATextThatEndsItAreNotTold) {
  Start();
  for (const char* stop : {"= 5", " =", "3", "+ 3 ="}) {
    Json body = Chat("What is 2 + 3?", {{"stop", stop}, {"logprobs", true}});
    const Json whole = Post("/v1/chat/completions", body).json()["choices"][0];
    std::string text;
    for (const Json& token : whole["logprobs"]["content"]) text += token["token"];
    EXPECT_TRUE(text.starts_with(whole["message"]["content"].get<std::string>())) << text;
    body["stream"] = true;
    Json streamed = Json::array();
    for (const std::string& event : Events(Post("/v1/chat/completions", body).body)) {
      const Json json = Json::parse(event, nullptr, false);
      if (!json.is_object() || json["choices"].empty()) continue;
      const Json& logprobs = json["choices"][0]["logprobs"];
      if (logprobs.is_null()) continue;
      for (const Json& token : logprobs["content"]) streamed.push_back(token);
    }
    EXPECT_EQ(whole["logprobs"]["content"], streamed) << stop;
  }
}

TEST_F(ServeTest, ConstraintsAndCallsAlwaysParse) {
  Start();
  const Json schema = Json::parse(R"({"type": "object", "properties":
      {"answer": {"type": "integer"}, "sure": {"type": "boolean"}},
      "required": ["answer", "sure"], "additionalProperties": false})");
  const Json format = {{"type", "json_schema"},
                       {"json_schema", {{"name", "a"}, {"strict", true}, {"schema", schema}}}};
  const Json tools = Json::array(
      {{{"type", "function"}, {"function", {{"name", "add"}, {"parameters", schema}}}}});
  for (int seed = 0; seed < 5; ++seed) {
    const Json random = {{"temperature", 2}, {"seed", seed}};
    Json more = random;
    more["response_format"] = format;
    const Json answer = Json::parse(TextOf(ChatWith(kSum, more)), nullptr, false);
    ASSERT_TRUE(answer.is_object());
    EXPECT_TRUE(answer["answer"].is_number_integer());
    EXPECT_TRUE(answer["sure"].is_boolean());
    more = random;
    more.update({{"tools", tools}, {"tool_choice", "required"}});
    const Json choice = ChatWith(kSum, more).json()["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "tool_calls");
    const Json& call = choice["message"]["tool_calls"][0];
    EXPECT_EQ(call["function"]["name"], "add");
    EXPECT_TRUE(Json::parse(call["function"]["arguments"].get<std::string>())["sure"].is_boolean());
  }
}

// A chat keeps its pace beside a long prompt: no pause is longer than a few steps and a piece.
TEST_F(ServeTest, PromptsInPiecesLeaveRoomForAnswers) {
  Start({"--prompt-piece", "32"});
  Connection chat = Connect();
  chat.Send(Request("POST", "/v1/chat/completions", Chat(kStory, Endless(3000)).dump()));
  chat.ReadTo("\"content\":\"");
  constexpr size_t kWords = kSanitized ? 600 : 2500;
  std::string text;
  for (size_t i = 0; i < kWords; ++i) text += " word";
  Connection other = Connect();
  other.Send(Request("POST", "/v1/chat/completions", Chat(text, {{"max_tokens", 1}}).dump()));
  // Pieces of the answer come between the pieces of the prompt, one for each.
  size_t chunks = 0;
  chat.ReadUntil([&](const std::string& got) {
    chunks = 0;
    for (size_t at = 0; (at = got.find("\"content\":\"", at)) != std::string::npos; ++at) ++chunks;
    pollfd ready = {other.fd(), POLLIN, 0};
    return ::poll(&ready, 1, 0) > 0;
  });
  EXPECT_GE(chunks, kWords / 32);
}

}  // namespace
}  // namespace gemma3::testing
