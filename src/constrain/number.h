// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Numbers as texts of digits: bounds, multiples and excluded values hold exactly, because nothing
// is ever rounded to a binary number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/automata/byte_dfa.h"

namespace gemma3 {

// A decimal number of any length, without superfluous zeros.
class Decimal {
 public:
  static constexpr size_t kMaxDigits = 400;  // on each side of the point

  // A number as JSON spells it. Nothing for more than kMaxDigits digits.
  static std::optional<Decimal> Parse(std::string_view json);

  bool negative() const { return negative_; }
  bool IsZero() const { return whole_.empty() && fraction_.empty(); }
  bool IsInteger() const { return fraction_.empty(); }
  const std::string& whole() const { return whole_; }        // digits; none for 0
  const std::string& fraction() const { return fraction_; }  // digits; the last is not 0
  Decimal Negated() const;
  // < 0, 0 or > 0.
  static int Compare(const Decimal& a, const Decimal& b);
  bool operator==(const Decimal&) const = default;
  std::string ToText() const;  // "-12.5"

  // Whether this is a whole number of times `divisor`, which is not 0.
  bool IsMultipleOf(const Decimal& divisor) const;

 private:
  bool negative_ = false;
  std::string whole_, fraction_;
};

struct NumberSpec {
  struct Bound {
    Decimal value;
    bool exclusive = false;
    bool operator==(const Bound&) const = default;
  };
  bool integer = false;      // written without point and exponent
  bool not_integer = false;  // not a whole number
  std::optional<Bound> lower = {}, upper = {};
  std::vector<Decimal> multiples = {};  // a multiple of each
  std::vector<Decimal> excluded = {};
  size_t whole_digits = 20, fraction_digits = 17, exponent_digits = 3;  // at most

  bool operator==(const NumberSpec&) const = default;
  // Whether the value meets all but the limits on digits.
  bool Admits(const Decimal& value) const;
};

// The texts of the numbers that meet `spec`; none where there is no such number. More digits than
// the limits are allowed where the bounds need them; an exponent only where there is neither bound
// nor multiple nor exclusion. Errors: kUnsupported for multiples that need too many states.
Result<ByteDfa> NumberTexts(const NumberSpec& spec);

}  // namespace gemma3
