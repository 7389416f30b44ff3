// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/constrain/number.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace gemma3 {
namespace {

bool Matches(const ByteDfa& dfa, const std::string& text) {
  if (dfa.empty()) return false;
  uint32_t state = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    bool found = false;
    for (uint32_t e = dfa.states[state].edges_begin; e < dfa.states[state].edges_end; ++e) {
      if (byte < dfa.edges[e].first || byte > dfa.edges[e].last) continue;
      state = dfa.edges[e].next;
      found = true;
      break;
    }
    if (!found) return false;
  }
  return dfa.states[state].accepts;
}

Decimal D(const char* text) { return *Decimal::Parse(text); }
NumberSpec::Bound AtLeast(const char* text) { return {D(text), false}; }
NumberSpec::Bound Beyond(const char* text) { return {D(text), true}; }

TEST(Decimal, IsExact) {
  EXPECT_EQ(D("1.0"), D("1"));
  EXPECT_EQ(D("1e3"), D("1000"));
  EXPECT_EQ(D("-0.0"), D("0"));
  EXPECT_EQ(D("12.50e-1").ToText(), "1.25");
  EXPECT_EQ(D("0.00012e2").ToText(), "0.012");
  EXPECT_LT(Decimal::Compare(D("9007199254740992"), D("9007199254740993")), 0);
  EXPECT_LT(Decimal::Compare(D("-2"), D("-1.5")), 0);
  EXPECT_GT(Decimal::Compare(D("0.1"), D("0.09")), 0);
  EXPECT_TRUE(D("4.5").IsMultipleOf(D("1.5")));
  EXPECT_FALSE(D("35").IsMultipleOf(D("1.5")));
  EXPECT_TRUE(D("0.0075").IsMultipleOf(D("0.0001")));
  EXPECT_FALSE(D("0.00751").IsMultipleOf(D("0.0001")));
  EXPECT_FALSE(Decimal::Parse("1e1000000000000").has_value());
  EXPECT_EQ(D("0e999999999999"), D("0"));
}

TEST(Numbers, MeetTheirBoundsExactly) {
  const struct {
    NumberSpec spec;
    std::vector<std::string> written, refused;
  } cases[] = {
      {{.integer = true, .lower = AtLeast("3"), .upper = AtLeast("12")},
       {"3", "9", "10", "12"},
       {"2", "13", "03", "3.0", "-3", "1", ""}},
      {{.integer = true, .lower = AtLeast("-5"), .upper = AtLeast("7")},
       {"-5", "-1", "0", "7"},
       {"-6", "8", "-10", "07", "-0"}},
      {{.integer = true, .lower = Beyond("99")}, {"100", "999", "1000"}, {"99", "9", "-100"}},
      {{.integer = true, .upper = AtLeast("-10")}, {"-10", "-99", "-1000"}, {"-9", "0", "5"}},
      {{.lower = AtLeast("0.5"), .upper = AtLeast("2")},
       {"0.5", "0.50", "1", "1.99", "2", "2.0"},
       {"0.49", "2.01", "0", ".5", "5", "1.", "1e0"}},
      {{.lower = AtLeast("0"), .upper = Beyond("1")}, {"0", "0.999", "0.0"}, {"1", "1.0", "1.00"}},
      {{.lower = Beyond("1.5"), .upper = AtLeast("1.6")},
       {"1.51", "1.6", "1.60", "1.5001"},
       {"1.5", "1.50", "1.61", "2"}},
      {{.integer = true, .lower = AtLeast("0"), .upper = AtLeast("20"), .multiples = {D("3")}},
       {"0", "3", "12", "18"},
       {"1", "20", "21"}},
      {{.multiples = {D("0.01")}}, {"1", "1.5", "1.25", "1.250", "-2.5"}, {"1.255", "-0.001"}},
      {{.lower = AtLeast("9007199254740993")}, {"9007199254740993"}, {"9007199254740992"}},
      {{.integer = true, .lower = AtLeast("5"), .upper = AtLeast("4")}, {}, {"4", "5"}},
      {{},
       {"0", "-0", "1.5e+3", "1E5", "-12.5", "1e287", "1e-999", "1e099"},
       {"01", "+1", "1e", "1e1234", "-", "NaN", "1e+", "1e288", "1e300"}},
      {{.not_integer = true}, {"0.5", "-1.25", "1.50"}, {"1", "1.0", "0"}},
      {{.integer = true, .excluded = {D("12"), D("-1")}}, {"1", "120", "13"}, {"12", "-1"}},
      {{.excluded = {D("1.5")}}, {"1.51", "1", "1.4"}, {"1.5", "1.50"}},
      {{.integer = true, .multiples = {D("2.5")}}, {"5", "-10", "0"}, {"2", "7"}},
  };
  for (const auto& c : cases) {
    const auto dfa = NumberTexts(c.spec);
    ASSERT_TRUE(dfa.has_value()) << dfa.error().message;
    for (const std::string& text : c.written) EXPECT_TRUE(Matches(*dfa, text)) << text;
    for (const std::string& text : c.refused) EXPECT_FALSE(Matches(*dfa, text)) << text;
  }
  EXPECT_FALSE(NumberTexts({.multiples = {D("0.123456789")}}).has_value());
}

// All numbers of up to three digits before and two behind the point, against long arithmetic.
TEST(Numbers, AgreeWithArithmeticOnAllShortNumbers) {
  std::vector<std::string> texts;
  for (int whole = 0; whole < 200; ++whole) {
    for (const char* fraction : {"", ".0", ".05", ".1", ".5", ".99", ".50"}) {
      texts.push_back(std::to_string(whole) + fraction);
      texts.push_back("-" + texts.back());
    }
  }
  std::mt19937 random(1);
  const auto number = [&] {
    std::string text = std::to_string(static_cast<int>(random() % 300) - 150);
    if (random() % 2 == 0) text += "." + std::to_string(random() % 100);
    return D(text.c_str());
  };
  for (int i = 0; i < 300; ++i) {
    NumberSpec spec = {.integer = random() % 3 == 0};
    if (random() % 3 != 0) spec.lower = {number(), random() % 2 == 0};
    if (random() % 3 != 0) spec.upper = {number(), random() % 2 == 0};
    if (random() % 4 == 0) spec.multiples = {D(random() % 2 == 0 ? "0.25" : "3")};
    if (random() % 4 == 0) spec.excluded = {number()};
    if (!spec.lower && !spec.upper && spec.multiples.empty() && spec.excluded.empty()) continue;
    const auto dfa = NumberTexts(spec);
    ASSERT_TRUE(dfa.has_value());
    for (const std::string& text : texts) {
      const bool is_minus_zero = text[0] == '-' && D(text.c_str()).IsZero();
      const bool spelled = !(spec.integer && text.find('.') != std::string::npos);
      EXPECT_EQ(Matches(*dfa, text), spelled && !is_minus_zero && spec.Admits(D(text.c_str())))
          << text << " in case " << i;
    }
  }
}

}  // namespace
}  // namespace gemma3
