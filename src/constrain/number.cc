// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The automaton reads digits from the left and knows, for each number it compares with, whether the
// digits so far are less, equal or greater; how many digits the whole part has decides the rest.
// States are found by walking from the start, and those that lead nowhere are taken out.
#include "src/constrain/number.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <span>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr size_t kMaxStates = 20000;
constexpr uint64_t kMaxRemainders = 10000;
constexpr size_t kMaxTrackers = 24;

}  // namespace

std::optional<Decimal> Decimal::Parse(std::string_view json) {
  Decimal value;
  if (json.starts_with('-')) {
    value.negative_ = true;
    json.remove_prefix(1);
  }
  std::string digits;
  size_t i = 0, point = 0;
  bool has_point = false;
  for (; i < json.size() && json[i] != 'e' && json[i] != 'E'; ++i) {
    if (json[i] == '.') {
      has_point = true;
      point = digits.size();
    } else if (json[i] >= '0' && json[i] <= '9') {
      digits += json[i];
    } else {
      return std::nullopt;
    }
  }
  if (!has_point) point = digits.size();
  int64_t shift = 0;
  if (i < json.size()) {
    ++i;
    bool minus = false;
    if (i < json.size() && (json[i] == '+' || json[i] == '-')) minus = json[i++] == '-';
    for (; i < json.size(); ++i) {
      if (json[i] < '0' || json[i] > '9') return std::nullopt;
      shift = std::min<int64_t>(shift * 10 + (json[i] - '0'), 1'000'000'000);
    }
    if (minus) shift = -shift;
  }
  const size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return Decimal();  // zero, whatever its exponent
  const size_t last = digits.find_last_not_of('0') + 1;
  // The value is 0.DIGITS times 10 to the power of `place`, DIGITS without zeros at both ends.
  const int64_t place = static_cast<int64_t>(point) - static_cast<int64_t>(first) + shift;
  digits = digits.substr(first, last - first);
  const auto size = static_cast<int64_t>(digits.size());
  constexpr auto kMost = static_cast<int64_t>(kMaxDigits);
  if (place > kMost || size - place > kMost) return std::nullopt;
  if (place <= 0) {
    value.fraction_ = std::string(static_cast<size_t>(-place), '0') + digits;
  } else if (place >= size) {
    value.whole_ = digits + std::string(static_cast<size_t>(place - size), '0');
  } else {
    value.whole_ = digits.substr(0, static_cast<size_t>(place));
    value.fraction_ = digits.substr(static_cast<size_t>(place));
  }
  return value;
}

Decimal Decimal::Negated() const {
  Decimal negated = *this;
  negated.negative_ = !negative_ && !IsZero();
  return negated;
}

int Decimal::Compare(const Decimal& a, const Decimal& b) {
  if (a.negative_ != b.negative_) return a.negative_ ? -1 : 1;
  const int sign = a.negative_ ? -1 : 1;
  if (a.whole_.size() != b.whole_.size()) return a.whole_.size() < b.whole_.size() ? -sign : sign;
  const int whole = a.whole_.compare(b.whole_);
  if (whole != 0) return whole < 0 ? -sign : sign;
  const int fraction = a.fraction_.compare(b.fraction_);
  return fraction == 0 ? 0 : fraction < 0 ? -sign : sign;
}

std::string Decimal::ToText() const {
  std::string text = negative_ ? "-" : "";
  text += whole_.empty() ? "0" : whole_;
  if (!fraction_.empty()) text += "." + fraction_;
  return text;
}

bool Decimal::IsMultipleOf(const Decimal& divisor) const {
  // Both times 10 to the number of digits behind the point; then long division on digits.
  const size_t scale = std::max(fraction_.size(), divisor.fraction_.size());
  const auto scaled = [&](const Decimal& value) {
    std::string digits =
        value.whole_ + value.fraction_ + std::string(scale - value.fraction_.size(), '0');
    return digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  };
  const std::string d = scaled(divisor);
  const auto less = [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  };
  std::string remainder;
  for (const char digit : scaled(*this)) {
    if (!remainder.empty() || digit != '0') remainder += digit;
    while (!less(remainder, d)) {  // at most nine times
      int borrow = 0;
      for (size_t i = 0; i < remainder.size(); ++i) {
        const size_t at = remainder.size() - 1 - i;
        int value = remainder[at] - '0' - borrow - (i < d.size() ? d[d.size() - 1 - i] - '0' : 0);
        borrow = value < 0 ? 1 : 0;
        if (borrow != 0) value += 10;
        remainder[at] = static_cast<char>('0' + value);
      }
      remainder.erase(0, std::min(remainder.find_first_not_of('0'), remainder.size()));
    }
  }
  return remainder.empty();
}

bool NumberSpec::Admits(const Decimal& value) const {
  if (integer && !value.IsInteger()) return false;
  if (not_integer && value.IsInteger()) return false;
  if (lower) {
    const int order = Decimal::Compare(value, lower->value);
    if (order < 0 || (order == 0 && lower->exclusive)) return false;
  }
  if (upper) {
    const int order = Decimal::Compare(value, upper->value);
    if (order > 0 || (order == 0 && upper->exclusive)) return false;
  }
  for (const Decimal& multiple : multiples) {
    if (!value.IsMultipleOf(multiple)) return false;
  }
  return std::find(excluded.begin(), excluded.end(), value) == excluded.end();
}

namespace {

// Compares the magnitude of what is written with that of `value`.
struct Tracker {
  Decimal value;
  bool may_be_less, may_be_equal, may_be_greater;
};

enum class Phase : uint8_t {
  kStart,
  kMinus,
  kZero,
  kWhole,
  kPoint,
  kFraction,
  kExponent,
  kExponentSign,
  kExponentDigits,
};

struct State {
  Phase phase = Phase::kStart;
  bool negative = false;
  bool nonzero = false;           // a digit that is not 0 was written, behind a minus that counts
  bool nonzero_fraction = false;  // one behind the point, where that is asked for
  uint32_t digits = 0;            // of this phase
  uint32_t remainder = 0;
  std::array<int8_t, kMaxTrackers> order = {};  // -1, 0, 1
  bool operator==(const State&) const = default;
};

struct StateHash {
  static_assert(std::has_unique_object_representations_v<State>);
  size_t operator()(const State& state) const {
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(&state), sizeof(State)});
  }
};

class NumberAutomaton {
 public:
  explicit NumberAutomaton(const NumberSpec& spec) : spec_(spec) {}

  Result<ByteDfa> Build() {
    GEMMA3_CHECK_OK(Prepare());
    std::vector<State> states;
    std::unordered_map<State, uint32_t, StateHash> numbers;
    const auto number = [&](const State& state) {
      const auto [it, is_new] = numbers.emplace(state, static_cast<uint32_t>(states.size()));
      if (is_new) states.push_back(state);
      return it->second;
    };
    number(State());
    // Those of state s: from ends[s - 1] to ends[s].
    std::vector<ByteDfa::Edge> edges;
    std::vector<uint32_t> ends;
    static constexpr std::string_view kBytes = "+-.0123456789Ee";
    for (size_t s = 0; s < states.size(); ++s) {
      const size_t begin = edges.size();
      State before;  // where the last edge leads: most digits lead to the same
      for (const char c : kBytes) {
        State to = states[s];
        if (!Step(to, c)) continue;
        const auto byte = static_cast<uint8_t>(c);
        const bool same = edges.size() > begin && to == before;
        if (same && edges.back().last + 1 == byte) {
          edges.back().last = byte;
          continue;
        }
        edges.push_back({byte, byte, same ? edges.back().next : number(to)});
        before = to;
      }
      ends.push_back(static_cast<uint32_t>(edges.size()));
      if (states.size() > kMaxStates) {
        return Fail(ErrorCode::kUnsupported, "the numbers need more than ", kMaxStates, " states");
      }
    }
    const auto edges_of = [&](size_t s) {
      const uint32_t begin = s == 0 ? 0 : ends[s - 1];
      return std::span(edges).subspan(begin, ends[s] - begin);
    };
    // What can still be completed, found backwards.
    std::vector<std::vector<uint32_t>> from(states.size());
    std::vector<uint32_t> queue;
    std::vector<uint8_t> alive(states.size(), 0), accepts(states.size(), 0);
    for (uint32_t s = 0; s < states.size(); ++s) {
      for (const ByteDfa::Edge& edge : edges_of(s)) from[edge.next].push_back(s);
      if (Accepts(states[s])) {
        alive[s] = accepts[s] = 1;
        queue.push_back(s);
      }
    }
    for (size_t i = 0; i < queue.size(); ++i) {
      for (const uint32_t s : from[queue[i]]) {
        if (alive[s] == 0) {
          alive[s] = 1;
          queue.push_back(s);
        }
      }
    }
    ByteDfa dfa;
    if (alive[0] == 0) return dfa;
    std::vector<uint32_t> renumbered(states.size(), 0);
    uint32_t count = 0;
    for (size_t s = 0; s < states.size(); ++s) {
      if (alive[s] != 0) renumbered[s] = count++;
    }
    for (size_t s = 0; s < states.size(); ++s) {
      if (alive[s] == 0) continue;
      const auto begin = static_cast<uint32_t>(dfa.edges.size());
      for (const ByteDfa::Edge& edge : edges_of(s)) {
        if (alive[edge.next] == 0) continue;
        dfa.edges.push_back({edge.first, edge.last, renumbered[edge.next]});
      }
      dfa.states.push_back({begin, static_cast<uint32_t>(dfa.edges.size()), accepts[s] != 0});
    }
    return dfa;
  }

 private:
  Status Prepare() {
    plain_ = !spec_.lower && !spec_.upper && spec_.multiples.empty() && spec_.excluded.empty() &&
             !spec_.not_integer;
    whole_digits_ = spec_.whole_digits;
    fraction_digits_ = spec_.integer ? 0 : spec_.fraction_digits;
    const auto make_room = [&](const Decimal& value) {
      if (value.whole().size() >= whole_digits_) whole_digits_ = value.whole().size() + 1;
      if (!spec_.integer && value.fraction().size() >= fraction_digits_) {
        fraction_digits_ = value.fraction().size() + 1;
      }
    };
    // -x >= lower is x <= -lower, and so on. `negative` numbers are below 0.
    may_be_positive_ = !spec_.upper || !spec_.upper->value.negative();
    may_be_negative_ = !spec_.lower || spec_.lower->value.negative();
    const auto track = [&](const std::optional<NumberSpec::Bound>& bound, bool negative,
                           bool at_least) {
      if (!bound || (bound->value.negative() != negative && !bound->value.IsZero())) return;
      Decimal value = negative ? bound->value.Negated() : bound->value;
      trackers_[negative].push_back({std::move(value), !at_least, !bound->exclusive, at_least});
    };
    track(spec_.lower, false, true);
    track(spec_.upper, false, false);
    track(spec_.lower, true, false);
    track(spec_.upper, true, true);
    if (spec_.lower) make_room(spec_.lower->value);
    if (spec_.upper) make_room(spec_.upper->value);
    for (const Decimal& value : spec_.excluded) {
      make_room(value);
      trackers_[value.negative()].push_back(
          {value.negative() ? value.Negated() : value, true, false, true});
    }
    for (const auto& trackers : trackers_) {
      if (trackers.size() > kMaxTrackers) {
        return Fail(ErrorCode::kUnsupported, "more than ", kMaxTrackers,
                    " excluded numbers are not supported");
      }
    }
    // All multiples as one: divisor_ times 10^-scale_.
    for (const Decimal& multiple : spec_.multiples) {
      scale_ = std::max(scale_, multiple.fraction().size());
    }
    divisor_ = 1;
    for (const Decimal& multiple : spec_.multiples) {
      std::string digits = multiple.whole() + multiple.fraction() +
                           std::string(scale_ - multiple.fraction().size(), '0');
      uint64_t value = 0;
      for (const char c : digits) {
        value = value * 10 + static_cast<uint64_t>(c - '0');
        if (value > kMaxRemainders) break;
      }
      if (value <= kMaxRemainders) divisor_ = std::lcm(divisor_, value);
      if (value > kMaxRemainders || divisor_ > kMaxRemainders) {
        return Fail(ErrorCode::kUnsupported, "multiples of ", multiple.ToText(),
                    " need more states than the limit");
      }
    }
    if (!spec_.integer && scale_ > fraction_digits_) fraction_digits_ = scale_;
    return {};
  }

  bool WriteDigit(State& state, int digit) const {
    const bool behind_point = state.phase == Phase::kFraction;
    const auto& trackers = trackers_[state.negative];
    const size_t place = state.digits;
    for (size_t i = 0; i < trackers.size(); ++i) {
      if (state.order[i] != 0) continue;
      const std::string& digits =
          behind_point ? trackers[i].value.fraction() : trackers[i].value.whole();
      // With more digits than the other whole number has, its own length decides (EndWhole).
      if (!behind_point && place >= digits.size()) continue;
      const int other = place < digits.size() ? digits[place] - '0' : 0;
      state.order[i] = static_cast<int8_t>(digit < other ? -1 : digit > other ? 1 : 0);
    }
    if (!behind_point || place < scale_) {
      state.remainder = static_cast<uint32_t>(
          (uint64_t{state.remainder} * 10 + static_cast<uint64_t>(digit)) % divisor_);
    } else if (digit != 0 && !spec_.multiples.empty()) {
      return false;  // finer than every multiple
    }
    // What nobody asks for makes no states of its own.
    state.nonzero |= state.negative && digit != 0;
    state.nonzero_fraction |= spec_.not_integer && behind_point && digit != 0;
    ++state.digits;
    return true;
  }

  // The whole part has state.digits digits (none for 0): that decides before its digits do.
  void EndWhole(State& state) const {
    const auto& trackers = trackers_[state.negative];
    for (size_t i = 0; i < trackers.size(); ++i) {
      const size_t other = trackers[i].value.whole().size();
      if (state.digits != other) state.order[i] = state.digits < other ? -1 : 1;
    }
  }

  bool Step(State& state, char byte) const {
    const bool is_digit = byte >= '0' && byte <= '9';
    switch (state.phase) {
      case Phase::kStart:
        if (byte == '-') {
          state.phase = Phase::kMinus;
          state.negative = true;
          return may_be_negative_;
        }
        [[fallthrough]];
      case Phase::kMinus:
        if (!is_digit || (!state.negative && !may_be_positive_)) return false;
        if (plain_) state.negative = false;  // one sign is like the other
        if (byte == '0') {
          state.phase = Phase::kZero;
          return true;
        }
        state.phase = Phase::kWhole;
        return WriteDigit(state, byte - '0');
      case Phase::kWhole:
        if (is_digit) return state.digits < whole_digits_ && WriteDigit(state, byte - '0');
        [[fallthrough]];
      case Phase::kZero:
        if (byte == '.' && fraction_digits_ > 0) {
          EndWhole(state);
          state.phase = Phase::kPoint;
          state.digits = 0;
          return true;
        }
        return BeginExponent(state, byte);
      case Phase::kPoint:
        if (!is_digit) return false;
        state.phase = Phase::kFraction;
        return WriteDigit(state, byte - '0');
      case Phase::kFraction:
        if (is_digit) return state.digits < fraction_digits_ && WriteDigit(state, byte - '0');
        return BeginExponent(state, byte);
      case Phase::kExponent:
        if (byte == '+' || byte == '-') {
          state.phase = Phase::kExponentSign;
          state.negative = byte == '-';
          return true;
        }
        [[fallthrough]];
      case Phase::kExponentSign:
        if (!is_digit) return false;
        state.phase = Phase::kExponentDigits;
        [[fallthrough]];
      case Phase::kExponentDigits:
        return is_digit && WriteExponentDigit(state, byte - '0');
    }
    return false;
  }

  // At most 287 where it is positive: with 20 digits before the point, that is still a double, and
  // readers that know nothing larger refuse the rest or make it infinite. state.negative is the
  // sign of the exponent by now, and state.remainder what it must stay below.
  bool WriteExponentDigit(State& state, int digit) const {
    enum : uint32_t { kFree, kTwo, kOneMore, kUpToSeven, kNone };
    if (++state.digits > spec_.exponent_digits) return false;
    if (state.negative) return true;
    if (state.digits == 1) {
      state.remainder = digit < 2 ? kFree : digit == 2 ? kTwo : kOneMore;
    } else if (state.remainder == kTwo) {
      state.remainder = digit < 8 ? kFree : digit == 8 ? kUpToSeven : kNone;
    } else if (state.remainder == kOneMore) {
      state.remainder = kNone;
    } else if (state.remainder == kNone) {
      return false;
    } else if (state.remainder == kUpToSeven) {
      return digit <= 7;
    }
    return true;
  }

  bool BeginExponent(State& state, char byte) const {
    if ((byte != 'e' && byte != 'E') || !plain_ || spec_.integer || spec_.exponent_digits == 0) {
      return false;
    }
    state = State();
    state.phase = Phase::kExponent;
    return true;
  }

  bool Accepts(State state) const {
    switch (state.phase) {
      case Phase::kZero:
      case Phase::kWhole:
        EndWhole(state);
        state.digits = 0;
        break;
      case Phase::kFraction:
        break;
      case Phase::kExponentDigits:
        return true;
      default:
        return false;
    }
    // -0 is written only where nothing is asked of the number.
    if (state.negative && !state.nonzero && !plain_) return false;
    if (spec_.not_integer && !state.nonzero_fraction) return false;
    const auto& trackers = trackers_[state.negative];
    for (size_t i = 0; i < trackers.size(); ++i) {
      int order = state.order[i];
      // Equal so far, and the other one goes on.
      if (order == 0 && trackers[i].value.fraction().size() > state.digits) order = -1;
      const Tracker& tracker = trackers[i];
      if (!(order < 0    ? tracker.may_be_less
            : order == 0 ? tracker.may_be_equal
                         : tracker.may_be_greater)) {
        return false;
      }
    }
    uint64_t remainder = state.remainder;
    for (size_t place = state.digits; place < scale_; ++place)
      remainder = remainder * 10 % divisor_;
    return remainder == 0;
  }

  const NumberSpec& spec_;
  bool plain_ = false, may_be_positive_ = true, may_be_negative_ = true;
  size_t whole_digits_ = 0, fraction_digits_ = 0, scale_ = 0;
  uint64_t divisor_ = 1;
  std::vector<Tracker> trackers_[2];  // of magnitudes, by sign
};

}  // namespace

Result<ByteDfa> NumberTexts(const NumberSpec& spec) { return NumberAutomaton(spec).Build(); }

}  // namespace gemma3
