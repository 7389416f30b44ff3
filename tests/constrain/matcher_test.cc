// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/constrain/matcher.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/constrain/judge.h"
#include "tests/constrain/texts.h"

namespace gemma3 {
namespace {

using Json = nlohmann::json;

// Of many kinds, so that walks and masks meet everything that grammars are made of. The judge knows
// all their words.
const char* const kSchemas[] = {
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150}},"required":["name"],"additionalProperties":false})",
    R"({"type":"array","items":{"type":"number","minimum":-1.5,"exclusiveMaximum":2},"minItems":1,"maxItems":4})",
    R"({"type":"string","minLength":2,"maxLength":5})",
    R"({"type":"string","pattern":"^[a-c]+(-[0-9]{2})?$","maxLength":6})",
    R"({"type":"string","pattern":"ab"})",
    R"({"enum":["x","xy",1,-2.5,null,true,{"k":[1]},[]]})",
    R"({"type":"object","additionalProperties":{"type":"boolean"},"maxProperties":3})",
    R"({"type":"object","properties":{"a":{"type":"null"}},"patternProperties":{"^x":{"type":"integer"}},"required":["xa"],"additionalProperties":false})",
    R"({"oneOf":[{"type":"object","properties":{"t":{"const":"c"},"r":{"type":"integer"}},"required":["t","r"]},{"type":"object","properties":{"t":{"const":"s"}},"required":["t"]}]})",
    R"({"anyOf":[{"type":"integer","multipleOf":7},{"type":"string","enum":["seven"]}]})",
    R"({"type":"object","properties":{"v":{"type":"integer"},"n":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["v","n"],"additionalProperties":false})",
    R"({"type":"object","propertyNames":{"pattern":"^[ab]{1,2}$"},"minProperties":1,"maxProperties":2})",
    R"({"type":"array","uniqueItems":true,"items":{"enum":["a","b","c",null]},"minItems":2})",
    R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"}},"dependentRequired":{"a":["c"],"b":["a"]},"additionalProperties":false})",
    R"({"type":"object","properties":{"k":{"enum":["x","y"]},"v":{"type":"integer"}},"required":["k"],"if":{"properties":{"k":{"const":"x"}},"required":["k"]},"then":{"required":["v"]},"else":{"not":{"required":["v"]}},"additionalProperties":false})",
    R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":3}},"required":["a"]},{"properties":{"a":{"maximum":5},"b":{"type":"string","maxLength":1}}}],"maxProperties":2})",
    R"({"type":"array","prefixItems":[{"type":"string","maxLength":3},{"type":"boolean"}],"items":{"type":"null"},"minItems":1,"maxItems":4})",
    R"({"type":["integer","boolean","null"],"not":{"enum":[1,true]}})",
    R"({"type":"object","properties":{"a":{},"b":{}},"minProperties":2,"maxProperties":2,"additionalProperties":false})",
    R"({"type":"object","required":["q","p"],"maxProperties":3,"additionalProperties":{"type":"integer"}})",
    R"({"type":"number","multipleOf":0.25,"minimum":-1,"maximum":1})",
    R"({"type":"string","pattern":"^(é|日本|😀)+$"})",
    R"({"type":"array","items":{"type":"array","items":{"type":"integer"},"maxItems":2},"maxItems":2})",
};

Constraint Compile(const char* schema) {
  const auto compiled = JsonSchema::Compile(schema);
  EXPECT_TRUE(compiled.has_value()) << schema << "\n" << compiled.error().message;
  return *compiled;
}

// One walk with random choices; the text, or nothing where it did not end in time.
std::optional<std::string> RandomWalk(const Constraint& constraint,
                                      const TestVocabulary& vocabulary, std::mt19937& random,
                                      size_t most) {
  ConstraintMatcher matcher(constraint, &vocabulary.tokens);
  std::string text;
  std::vector<TokenId> forced;
  for (size_t i = 0; i < most; ++i) {
    if (matcher.MustEnd() || (matcher.MayEnd() && random() % 3 == 0)) return text;
    EXPECT_TRUE(matcher.Forced(&forced).has_value());
    if (forced.empty()) {
      const auto mask = matcher.Allowed();
      EXPECT_TRUE(mask.has_value());
      if (!mask || (*mask)->count() == 0) {
        EXPECT_TRUE(matcher.MayEnd()) << "a dead end behind " << text;
        return text;
      }
      TokenId token = -1;
      if ((*mask)->is_list()) {
        token = (*mask)->list()[random() % (*mask)->count()];
      } else {
        do {
          token = static_cast<TokenId>(random() % vocabulary.tokens.size());
        } while (!(*mask)->Contains(token));
      }
      forced.push_back(token);
    }
    for (const TokenId token : forced) {
      const auto accepted = matcher.Accept(token);
      EXPECT_TRUE(accepted.has_value() && *accepted) << "behind " << text;
      if (!accepted || !*accepted) return std::nullopt;
      text += vocabulary.tokenizer.TokenBytes(token);
    }
  }
  return std::nullopt;
}

TEST(ConstraintMatcher, WalksThatEndAreValid) {
  std::mt19937 random(7);
  size_t ended = 0;
  for (const char* schema : kSchemas) {
    const Constraint constraint = Compile(schema);
    const Json parsed = Json::parse(schema);
    const Judge judge(parsed);
    for (int i = 0; i < 100; ++i) {
      const auto text = RandomWalk(constraint, TestVocabulary::Demo(), random, 300);
      if (!text) continue;
      ++ended;
      const Json value = Json::parse(*text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << schema << "\n" << *text;
      EXPECT_TRUE(judge.Meets(value)) << schema << "\n" << *text;
    }
  }
  EXPECT_GT(ended, 1000u);
}

// The mask is the set of tokens whose bytes the matcher accepts one by one.
void CompareMaskWithBruteForce(const ConstraintMatcher& matcher, const Constraint& constraint,
                               const std::string& text, const TestVocabulary& vocabulary) {
  auto fork = matcher.Fork();
  const auto mask = fork->Allowed();
  ASSERT_TRUE(mask.has_value());
  ConstraintMatcher bytes(constraint, nullptr);
  ASSERT_EQ(bytes.AcceptBytes(text).value(), text.size());
  size_t count = 0;
  for (size_t i = 0; i < vocabulary.tokens.size() + 100; ++i) {
    const auto id = static_cast<TokenId>(i);
    bool allowed = vocabulary.tokens.IsText(id);
    if (allowed) {
      const auto token_bytes = vocabulary.tokenizer.TokenBytes(id);
      allowed = bytes.Fork()->AcceptBytes(token_bytes).value() == token_bytes.size();
    }
    count += allowed ? 1 : 0;
    ASSERT_EQ((*mask)->Contains(id), allowed) << constraint.source() << "\nbehind " << text
                                              << " token " << vocabulary.tokenizer.TokenBytes(id);
  }
  EXPECT_EQ((*mask)->count(), count);
}

TEST(ConstraintMatcher, MasksAreThoseOfBruteForce) {
  const TestVocabulary& vocabulary = TestVocabulary::Demo();
  std::mt19937 random(3);
  std::vector<Constraint> constraints;
  for (const char* schema : kSchemas) constraints.push_back(Compile(schema));
  for (const char* grammar :
       {"root ::= [^\"]* (\"(\" root \")\")?", "root ::= (\"a\" | \"ab\"){2,40} [0-9]{0,70} \".\"",
        "root ::= .{0,40}", "root ::= \"[\" (root (\", \" root)*)? \"]\" | [a-z ]{3,}"}) {
    const auto parsed = Grammar::Parse(grammar);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    constraints.push_back(*parsed);
  }
  for (const Constraint& constraint : constraints) {
    ConstraintMatcher matcher(constraint, &vocabulary.tokens);
    std::string text;
    for (size_t step = 0; step < 12 && !matcher.MustEnd(); ++step) {
      if (random() % 3 == 0) {
        CompareMaskWithBruteForce(matcher, constraint, text, vocabulary);
        if (HasFatalFailure()) return;
      }
      const auto mask = matcher.Allowed();
      ASSERT_TRUE(mask.has_value());
      TokenId token = -1;
      do {
        token = static_cast<TokenId>(random() % vocabulary.tokens.size());
      } while (!(*mask)->Contains(token));
      ASSERT_TRUE(matcher.Accept(token).value());
      text += vocabulary.tokenizer.TokenBytes(token);
    }
  }
}

TEST(ConstraintMatcher, ForcedRunsAreCutAsTheTokenizerCuts) {
  const TestVocabulary* real = TestVocabulary::Real();
  const TestVocabulary& vocabulary = real != nullptr ? *real : TestVocabulary::Demo();
  const auto compile = [](const char* schema) {
    return *JsonSchema::Compile(schema, {.form = {.compact = true}});
  };
  const struct {
    const char *schema, *instance;
  } cases[] = {
      {R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false})",
       R"({"name":"Alice","age":30})"},
      {R"({"type":"object","properties":{"orderId":{"type":"string"},"orderName":{"type":"string"}},"required":["orderId","orderName"],"additionalProperties":false})",
       R"({"orderId":"x","orderName":"y"})"},
      {R"({"type":"object","properties":{"unit":{"enum":["celsius","fahrenheit"]},"ok":{"type":"boolean"}},"required":["unit","ok"],"additionalProperties":false})",
       R"({"unit":"fahrenheit","ok":true})"},
  };
  size_t forced_tokens = 0;
  for (const auto& c : cases) {
    const Constraint constraint = compile(c.schema);
    ConstraintMatcher matcher(constraint, &vocabulary.tokens);
    const std::vector<TokenId> ids = vocabulary.tokenizer.Encode(c.instance).value();
    for (size_t i = 0; i < ids.size();) {
      std::vector<TokenId> forced;
      ASSERT_TRUE(matcher.Forced(&forced).has_value());
      for (const TokenId token : forced) {
        ASSERT_LT(i, ids.size());
        ASSERT_EQ(token, ids[i]) << c.instance << " at token " << i;
        ASSERT_TRUE(matcher.Accept(token).value());
        ++i;
        ++forced_tokens;
      }
      if (i < ids.size() && forced.empty()) {
        ASSERT_TRUE(matcher.Accept(ids[i++]).value());
      }
    }
    EXPECT_TRUE(matcher.MustEnd());
  }
  EXPECT_GT(forced_tokens, 5u);
}

TEST(ConstraintMatcher, KnowsTheFirstMasksAndRunsOfTheRealVocabulary) {
  const TestVocabulary* real = TestVocabulary::Real();
  if (real == nullptr) GTEST_SKIP() << "GEMMA3_TEST_DATA is not set";
  EXPECT_EQ(real->tokens.num_text_tokens(), 255782u);
  EXPECT_EQ(real->tokens.all().nodes().size(), 587884u);
  EXPECT_EQ(real->tokens.not_plain().nodes().size(), 2287u);
  const auto run = [&](const char* schema) {
    const auto constraint = JsonSchema::Compile(schema, {.form = {.compact = true}});
    ConstraintMatcher matcher(*constraint, &real->tokens);
    std::vector<TokenId> forced;
    EXPECT_TRUE(matcher.Forced(&forced).has_value());
    return forced;
  };
  const auto member = [](const std::string& name, const std::string& schema) {
    return R"({"type":"object","properties":{")" + name + "\":" + schema + R"(},"required":[")" +
           name + R"("],"additionalProperties":false})";
  };
  using Ids = std::vector<TokenId>;
  EXPECT_EQ(run(member("name", R"({"type":"string"})").c_str()), (Ids{14937, 1201}));
  EXPECT_EQ(run(member("name", R"({"type":"string","minLength":1})").c_str()), (Ids{14937, 1201}));
  EXPECT_EQ(run(member("age", R"({"type":"integer"})").c_str()), (Ids{14937, 676}));
  EXPECT_EQ(run(member("age", R"({"type":"integer","minimum":0})").c_str()),
            (Ids{14937, 676, 1083}));
  EXPECT_EQ(run(member("ok", R"({"type":"boolean"})").c_str()), (Ids{14937, 680, 1083}));
  EXPECT_EQ(run(member("unit", R"({"enum":["celsius","fahrenheit"]})").c_str()),
            (Ids{14937, 6805, 12375}));
  const auto boolean = JsonSchema::Compile(R"({"type":"boolean"})");
  ConstraintMatcher matcher(*boolean, &real->tokens);
  const auto mask = matcher.Allowed();
  ASSERT_TRUE(mask.has_value() && (*mask)->is_list());
  EXPECT_EQ(Ids((*mask)->list().begin(), (*mask)->list().end()),
            (Ids{1168, 3397, 4530, 5742, 39375, 114601, 236745, 236760}));
}

TEST(ConstraintMatcher, AForkGoesItsOwnWay) {
  const TestVocabulary& vocabulary = TestVocabulary::Demo();
  const Constraint constraint = Compile(R"({"enum":["ab","ac"]})");
  ConstraintMatcher matcher(constraint, &vocabulary.tokens);
  ASSERT_EQ(matcher.AcceptBytes("\"a").value(), 2u);
  const auto fork = matcher.Fork();
  EXPECT_EQ(fork->AcceptBytes("b\"").value(), 2u);
  EXPECT_TRUE(fork->MustEnd());
  EXPECT_FALSE(matcher.MayEnd());
  EXPECT_EQ(matcher.AcceptBytes("x").value(), 0u);
  EXPECT_EQ(matcher.AcceptBytes("c\"").value(), 2u);
  EXPECT_FALSE(matcher.Accept(0).value());  // a control token, whatever is allowed
}

TEST(ConstraintMatcher, TextsOfOneConstraintMayBeFollowedByManyThreads) {
  const TestVocabulary& vocabulary = TestVocabulary::Demo();
  const Constraint constraint = Compile(kSchemas[0]);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 20; ++i) (void)RandomWalk(constraint, vocabulary, random, 60);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// How a text is cut into tokens does not matter: bytes, single characters, whatever is legal.
TEST(ConstraintMatcher, AcceptanceDoesNotDependOnTheCut) {
  const TestVocabulary& vocabulary = TestVocabulary::Demo();
  std::mt19937 random(11);
  for (const char* schema : kSchemas) {
    const Constraint constraint = Compile(schema);
    for (int i = 0; i < 5; ++i) {
      const auto text = RandomWalk(constraint, vocabulary, random, 100);
      if (!text) continue;
      ConstraintMatcher matcher(constraint, &vocabulary.tokens);
      for (size_t at = 0; at < text->size();) {
        // A random one of the tokens that the text goes on with.
        std::vector<TokenId> fitting;
        for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
          const auto token = static_cast<TokenId>(id);
          if (vocabulary.tokens.IsText(token) &&
              std::string_view(*text).substr(at).starts_with(vocabulary.tokens.Bytes(token))) {
            fitting.push_back(token);
          }
        }
        ASSERT_FALSE(fitting.empty());
        const TokenId token = fitting[random() % fitting.size()];
        ASSERT_TRUE(matcher.Accept(token).value()) << schema << *text;
        at += vocabulary.tokens.Bytes(token).size();
      }
      EXPECT_TRUE(matcher.MayEnd()) << schema << *text;
    }
  }
}

}  // namespace
}  // namespace gemma3
