// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What is demanded of the head of a request before anything else looks at it. Whoever stands in
// front of this server must see the same requests in the same bytes, so every form that two readers
// could take for different ones is refused: lines that end in a lone CR or LF, folded lines, blanks
// before a colon, NUL, lengths that are said twice or in two ways.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gemma3::serve {

struct HeadLimits {
  size_t bytes = 16 << 10;
  size_t lines = 100;
  size_t target_bytes = 8 << 10;
};

struct HeadFault {
  int status;
  std::string message;
};

// `head`: from the request line to the empty line, both included. Nothing: it may be parsed.
std::optional<HeadFault> CheckHead(std::string_view head, const HeadLimits& limits);

// Whether what has come so far cannot become a head: a fault to be told at once.
std::optional<HeadFault> CheckPartOfHead(std::string_view part, const HeadLimits& limits);

// A line of a head, without its end: no control code but tabs.
std::optional<HeadFault> CheckLine(std::string_view line);

// "NAME: VALUE", the value without the blanks around it. A folded line is none.
std::optional<HeadFault> SplitField(std::string_view line, std::string_view* name,
                                    std::string_view* value);

bool IsTokenChar(char c);  // of names (RFC 9110, 5.6.2)

// Whether a value that a client chose may stand in a header of ours.
bool IsPlainId(std::string_view text);

}  // namespace gemma3::serve
