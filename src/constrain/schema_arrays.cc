// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Arrays of SchemaCompiler.
#include <algorithm>
#include <utility>

#include "src/base/status.h"
#include "src/constrain/schema_compiler.h"

namespace gemma3 {
namespace {

using Kind = OrderedJson::Kind;
constexpr uint32_t kNone = OrderedJson::kNone;
// Bits of the counter of an array whose items are all different.
constexpr size_t kMaxUniqueValues = 32;

}  // namespace

// Where some items have to meet more (contains, and the negation of items), a phase is how many of
// them there are, as far as that matters: an item is written as one of them, or as another one.
Status SchemaCompiler::AddArray(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways) {
  if (c.unique != kNone && c.max_items > 1) return AddUniqueArray(c, end, ways);
  const uint32_t place = PlaceOf(c);
  const bool has_some = !c.some_items.empty();
  const SchemaCase::SomeItems some =
      has_some ? c.some_items[0] : SchemaCase::SomeItems{0, kNever, 0, kNoLimit};
  const uint32_t top = some.most == kNoLimit ? some.least : some.most;
  if (c.some_items.size() > 1 || top > SchemaCases::kMaxSomeItems) {
    SchemaCase arrays = c;
    arrays.types = kArrayType;
    if (cases_.IsEmpty(arrays, 2)) return {};
    return Fail(ErrorCode::kUnsupported, json_.Pointer(place),
                ": \"contains\" twice for one array, or for more than ", SchemaCases::kMaxSomeItems,
                " items, is not supported (the negation of \"items\" counts as one); remove it, or "
                "check it after generation");
  }
  const uint32_t prefix = std::min(std::max(cases_.FirstFreeItem(c), some.from), c.max_items);
  const uint32_t rule = builder_.AddRule();
  const NodeId done = builder_.Return();
  const NodeId close = builder_.Terminal(form_.close_bracket(), done);
  const auto missing = [&](uint32_t phase) { return phase < some.least ? some.least - phase : 0; };
  // How the item at `index` may be written, and the phase behind it.
  struct Way {
    uint32_t rule, phase;
  };
  const auto ways_of = [&](uint32_t index, uint32_t phase, std::vector<Way>& out) -> Status {
    const SchemaConj item = cases_.Item(c, index);
    const bool counts = has_some && index >= some.from;
    if (counts && phase < top) {
      GEMMA3_TRY(const uint32_t one, RuleFor(SchemaCases::With(item, some.literal), place));
      out.push_back({one, phase + 1});
    }
    const bool is_other = counts && some.most != kNoLimit;
    GEMMA3_TRY(const uint32_t other,
               RuleFor(is_other ? SchemaCases::With(item, some.literal ^ 1) : item, place));
    out.push_back({other, phase});
    return {};
  };

  // Items behind the prefix are counted from 0. begin[phase] writes one and what follows.
  const uint32_t least = c.min_items > prefix ? c.min_items - prefix : 0;
  const uint32_t most = c.max_items == kNoLimit ? kNoLimit : c.max_items - prefix;
  std::vector<NodeId> begin(top + 1, builder_.Fail());
  if (most > 0) {
    const NodeId behind = builder_.Reserve(top + 1);
    const bool counts = least > 0 || most != kNoLimit;
    // Bounds that more is compared with than these two are not seen as far away.
    if (counts)
      builder_.SetCounts(rule, least, most == kNoLimit ? most : most - std::min(most, top));
    for (uint32_t phase = 0; phase <= top; ++phase) {
      std::vector<Way> items;
      GEMMA3_CHECK_OK(ways_of(prefix, phase, items));
      std::vector<NodeId> first, further;
      for (const Way& way : items) {
        const NodeId item = builder_.Call(way.rule, behind + way.phase);
        NodeId next = builder_.Terminal(form_.comma(), item);
        if (most != kNoLimit) {
          if (missing(way.phase) >= most) continue;  // no room for those
          next = builder_.Count(NodeKind::kCountBelow, most - missing(way.phase), next);
        }
        first.push_back(item);
        further.push_back(next);
      }
      if (!first.empty()) begin[phase] = builder_.Alt(first);
      // Where there may not be as many as that of the one kind, the other is needed as well.
      if (some.most != kNoLimit && has_some && least > top - phase) {
        begin[phase] = builder_.Needs({items.back().rule}, 1, begin[phase]);
      }
      if (missing(phase) == 0) {
        further.insert(further.begin(),
                       least > 0 ? builder_.Count(NodeKind::kCountAtLeast, least, close) : close);
      }
      if (!counts) {
        builder_.SetAlt(behind + phase, further);
        continue;
      }
      builder_.SetNode(behind + phase, {.kind = NodeKind::kCountUp,
                                        .a = most == kNoLimit ? least : most,
                                        .next = builder_.Alt(further)});
    }
  }
  // The prefix from its end: behind item i there are i + 1 items.
  for (uint32_t i = prefix; i-- > 0;) {
    std::vector<NodeId> behind(top + 1), here(top + 1);
    for (uint32_t phase = 0; phase <= top; ++phase) {
      std::vector<NodeId> choice;
      if (i + 1 >= c.min_items && missing(phase) == 0) choice.push_back(close);
      if (i + 1 < c.max_items) choice.push_back(builder_.Terminal(form_.comma(), begin[phase]));
      behind[phase] = choice.empty() ? builder_.Fail() : builder_.Alt(choice);
    }
    for (uint32_t phase = 0; phase <= top; ++phase) {
      std::vector<Way> items;
      GEMMA3_CHECK_OK(ways_of(i, phase, items));
      std::vector<NodeId> choice;
      for (const Way& way : items) choice.push_back(builder_.Call(way.rule, behind[way.phase]));
      here[phase] = builder_.Alt(choice);
    }
    begin = std::move(here);
  }
  std::vector<NodeId> inside;
  if (c.max_items > 0) inside.push_back(begin[0]);
  if (c.min_items == 0 && missing(0) == 0) {
    inside.push_back(builder_.Terminal(form_.bare_bracket(), done));
  }
  if (inside.empty()) return {};
  builder_.SetEntry(rule, builder_.Terminal(form_.open_bracket(), builder_.Alt(inside)));
  ways.push_back(builder_.Call(rule, end));
  return {};
}

Status SchemaCompiler::AddUniqueArray(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways) {
  const std::string place = json_.Pointer(json_[c.unique].parent);
  const auto refuse = [&](const char* why) {
    return Fail(ErrorCode::kUnsupported, place, ": keyword \"uniqueItems\" is not supported ", why,
                "; remove it, or check it after generation");
  };
  if (cases_.FirstFreeItem(c) > 0) return refuse("beside items by place");
  if (!c.some_items.empty()) return refuse("beside contains");
  GEMMA3_TRY(const SchemaCases::Cases item_cases,
             cases_.Of(cases_.Item(c, 0), options_.infer_type));
  // All values one by one.
  std::vector<uint32_t> values;
  uint8_t types = 0;
  for (const SchemaCase& item : *item_cases) {
    if (item.values) {
      GEMMA3_TRY(const std::vector<uint32_t> some, cases_.ValuesOf(item));
      for (const uint32_t value : some) {
        const bool known = std::any_of(values.begin(), values.end(), [&](uint32_t other) {
          return SameJson(json_, value, json_, other);
        });
        if (!known) values.push_back(value);
        if (values.size() > kMaxUniqueValues) return refuse("for items of more than 32 values");
      }
    } else {
      types |= item.types;
    }
  }
  if (types != 0) return refuse("for items that are no short list of values");
  if (values.empty() && c.min_items > 0) return {};
  const auto most = std::min(c.max_items, static_cast<uint32_t>(values.size()));
  if (c.min_items > most) return {};
  const uint32_t rule = builder_.AddRule();
  const NodeId done = builder_.Return();
  std::vector<NodeId> inside;
  if (most > 0) {
    const NodeId behind = builder_.Reserve(1);
    std::vector<NodeId> items;
    for (uint32_t i = 0; i < values.size(); ++i) {
      items.push_back(builder_.Count(NodeKind::kTake, i, Value(values[i], behind)));
    }
    const NodeId item = builder_.Alt(items);
    builder_.SetAlt(behind, {builder_.Count(NodeKind::kTakenAtLeast, c.min_items,
                                            builder_.Terminal(form_.close_bracket(), done)),
                             builder_.Count(NodeKind::kTakenBelow, most,
                                            builder_.Terminal(form_.comma(), item))});
    inside.push_back(item);
  }
  if (c.min_items == 0) inside.push_back(builder_.Terminal(form_.bare_bracket(), done));
  builder_.SetEntry(rule, builder_.Terminal(form_.open_bracket(), builder_.Alt(inside)));
  ways.push_back(builder_.Call(rule, end));
  return {};
}

}  // namespace gemma3
