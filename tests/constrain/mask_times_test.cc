// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What constraints cost, on real schemas and the real vocabulary. To be run by hand:
//
//   GEMMA3_TEST_DATA=... build/release/tests/test_constrain --gtest_also_run_disabled_tests
//       --gtest_filter='MaskTimes.*'
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/constraint.h"
#include "src/constrain/call_grammar.h"
#include "tests/constrain/texts.h"

namespace gemma3 {
namespace {

using Json = nlohmann::ordered_json;

// Of this thread: other work on the machine does not count.
double Microseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

void Print(const char* what, std::vector<double> times) {
  if (times.empty()) return;
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (const double time : times) sum += time;
  const auto at = [&](double share) {
    return times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))];
  };
  std::printf("%s: %zu, average %.2f us, p50 %.2f, p90 %.2f, p99 %.1f, p99.9 %.0f, max %.0f\n",
              what, times.size(), sum / static_cast<double>(times.size()), at(0.5), at(0.9),
              at(0.99), at(0.999), times.back());
}

TEST(MaskTimes, DISABLED_OfRealSchemas) {
  const TestVocabulary* vocabulary = TestVocabulary::Real();
  const char* root = std::getenv("GEMMA3_TEST_DATA");
  if (root == nullptr || vocabulary == nullptr) GTEST_SKIP() << "GEMMA3_TEST_DATA is not set";
  std::istringstream lines(
      ReadWholeFile(std::string(root) + "/json-schema/jsonschemabench-300.jsonl"));
  std::vector<double> masks, firsts;
  std::vector<std::pair<double, std::string>> slowest;
  size_t tokens = 0, forced_tokens = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json entry = Json::parse(line);
    const double begin = Microseconds();
    const auto schema = JsonSchema::Compile(entry["schema"].dump());
    if (!schema) continue;
    {
      ConstraintMatcher matcher(*schema, &vocabulary->tokens);
      ASSERT_TRUE(matcher.Allowed().has_value());
      firsts.push_back(Microseconds() - begin);
    }
    for (const Json& test : entry["tests"]) {
      const std::string compact = test["data"].dump();
      for (const std::string& text : {compact, Spaced(compact), test["data"].dump(2)}) {
        const auto ids = vocabulary->tokenizer.Encode(text);
        ASSERT_TRUE(ids.has_value());
        ConstraintMatcher matcher(*schema, &vocabulary->tokens);
        std::vector<TokenId> forced;
        for (size_t i = 0; i < ids->size();) {
          ASSERT_TRUE(matcher.Forced(&forced));
          if (!forced.empty() && forced.size() <= ids->size() - i &&
              std::equal(forced.begin(), forced.end(), ids->begin() + static_cast<ptrdiff_t>(i))) {
            for (const TokenId id : forced) ASSERT_TRUE(matcher.Accept(id).value());
            i += forced.size();
            tokens += forced.size();
            forced_tokens += forced.size();
            continue;
          }
          const double from = Microseconds();
          ASSERT_TRUE(matcher.Allowed().has_value());
          const double time = Microseconds() - from;
          masks.push_back(time);
          if (time > 2000) {
            slowest.emplace_back(time, entry["id"].get<std::string>() + " token " +
                                           std::to_string(i) + " behind " + text.substr(0, 40));
          }
          if (!matcher.Accept((*ids)[i++]).value()) break;
          ++tokens;
        }
      }
    }
  }
  Print("masks", masks);
  Print("schema to first mask", firsts);
  std::printf("%zu of %zu tokens forced\n", forced_tokens, tokens);
  std::sort(slowest.rbegin(), slowest.rend());
  for (size_t i = 0; i < std::min<size_t>(slowest.size(), 12); ++i) {
    std::printf("  %.0f us: %s\n", slowest[i].first, slowest[i].second.c_str());
  }
}

TEST(MaskTimes, DISABLED_OfAHundredTools) {
  const TestVocabulary* vocabulary = TestVocabulary::Real();
  if (vocabulary == nullptr) GTEST_SKIP() << "GEMMA3_TEST_DATA is not set";
  std::vector<CallableTool> tools;
  for (int i = 0; i < 100; ++i) {
    const std::string n = std::to_string(i);
    tools.push_back(
        {"tool_" + n, R"({"type":"object","properties":{"city_)" + n +
                          R"(":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":)" +
                          std::to_string(i + 10) +
                          R"(},"unit":{"enum":["celsius","fahrenheit"]},"live":{"type":"boolean"},)"
                          R"("tags":{"type":"array","items":{"type":"string"},"maxItems":4},)"
                          R"("day":{"type":"string","format":"date"}},"required":["city_)" +
                          n + R"("]})"});
  }
  std::vector<double> times;
  for (int run = 0; run < 10; ++run) {
    const double begin = Microseconds();
    const auto calls = CompileCalls(tools, {.several = true, .json = {.spaced = true}});
    ASSERT_TRUE(calls.has_value());
    ConstraintMatcher matcher(*calls, &vocabulary->tokens);
    ASSERT_TRUE(matcher.Allowed().has_value());
    times.push_back(Microseconds() - begin);
  }
  Print("100 tools to their first mask", times);
}

}  // namespace
}  // namespace gemma3
