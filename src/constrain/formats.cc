// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Sources: RFC 3339 (date, time, date-time; its appendix A for duration), RFC 5321 (email, without
// quoted local parts and address literals, and of two labels at least), RFC 1123 (hostname, without
// "--" where punycode would have to be checked), RFC 4291 (ipv6), RFC 4122 (uuid), RFC 3986 (uri),
// RFC 6901 (json-pointer), RFC 4648 (byte, of OpenAPI), RFC 6570 (uri-template), ECMA-262 with the
// u flag (regex).
#include "src/constrain/formats.h"

namespace gemma3 {
namespace {

std::string Date() {
  const std::string year = "(000[1-9]|00[1-9]\\d|0[1-9]\\d\\d|[1-9]\\d{3})";
  const std::string leap_year =
      "(\\d\\d(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)";
  return "(" + year +
         "-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|"
         "02-(0[1-9]|1\\d|2[0-8]))|" +
         leap_year + "-02-29)";
}

// Never second 60: whether it is one depends on the date and the offset.
std::string Time() {
  return "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
}

std::string Duration() {
  const std::string n = "\\d{1,9}";
  const std::string second = n + "S";
  const std::string minute = n + "M(" + second + ")?";
  const std::string hour = n + "H(" + minute + ")?";
  const std::string time = "T(" + hour + "|" + minute + "|" + second + ")";
  const std::string day = n + "D";
  const std::string month = n + "M(" + day + ")?";
  const std::string year = n + "Y(" + month + ")?";
  return "P((" + day + "|" + month + "|" + year + ")(" + time + ")?|" + time + "|" + n + "W)";
}

std::string Label() { return "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"; }

std::string Ipv4() {
  const std::string octet = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  return octet + "(\\." + octet + "){3}";
}

std::string Ipv6() {
  const std::string h = "[0-9A-Fa-f]{1,4}";
  const std::string last = "(" + h + ":" + h + "|" + Ipv4() + ")";
  const auto before = [&](int most) {  // at most so many groups before ::
    return "(" + h + "(:" + h + "){0," + std::to_string(most - 1) + "})?";
  };
  return "((" + h + ":){6}" + last + "|::(" + h + ":){5}" + last + "|" + before(1) + "::(" + h +
         ":){4}" + last + "|" + before(2) + "::(" + h + ":){3}" + last + "|" + before(3) + "::(" +
         h + ":){2}" + last + "|" + before(4) + "::" + h + ":" + last + "|" + before(5) +
         "::" + last + "|" + before(6) + "::" + h + "|" + before(7) + "::)";
}

constexpr char kPchar[] = "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";

std::string Authority() {
  const std::string escaped = "%[0-9A-Fa-f]{2}";
  return "(([A-Za-z0-9._~!$&'()*+,;=:-]|" + escaped + ")*@)?(\\[" + Ipv6() +
         "\\]|([A-Za-z0-9._~!$&'()*+,;=-]|" + escaped + ")*)(:\\d{0,5})?";
}

std::string QueryAndFragment() {
  const std::string rest = std::string("(") + kPchar + "|[/?])*";
  return "(\\?" + rest + ")?(#" + rest + ")?";
}

// Something stands behind the scheme: a bare one is a URI, and no useful one.
std::string Uri() {
  const std::string p = kPchar;
  return "[A-Za-z][A-Za-z0-9+.-]*:(//" + Authority() + "(/" + p + "*)*|/(" + p + "+(/" + p +
         "*)*)?|" + p + "+(/" + p + "*)*)" + QueryAndFragment();
}

std::string UriReference() {
  const std::string p = kPchar;
  const std::string no_colon = "([A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})+";
  return "(" + Uri() + "|(//" + Authority() + "(/" + p + "*)*|/(" + p + "+(/" + p + "*)*)?|" +
         no_colon + "(/" + p + "*)*)?" + QueryAndFragment() + ")";
}

std::string JsonPointer() { return "(/([^~/]|~[01])*)*"; }

std::string UriTemplate() {
  const std::string variable = "([A-Za-z0-9_]|%[0-9A-Fa-f]{2})+(:[1-9]\\d{0,3}|\\*)?";
  return "([A-Za-z0-9!#$&()*+,./:;=?@\\[\\]_~-]|%[0-9A-Fa-f]{2}|\\{[+#./;?&]?" + variable + "(," +
         variable + ")*\\})*";
}

// Regular expressions that every dialect reads: characters, classes, the ends of the text,
// repetition, choices, and groups that are not nested, which would take more than an automaton.
std::string Regex() {
  const std::string atom =
      R"(([^\\^$.*+?()[\]{}|\n\r\u2028\u2029]|\.|\\[dDwWsS]|\\[\\^$.*+?()[\]{}|/]|)"
      R"(\[\^?([A-Za-z0-9_ .,:;/@#%+=!~]|a-z|A-Z|0-9|\\[dws])+-?\]))";
  // Bounds in their order, as far as an automaton can see that without growing large.
  std::string bounds = "[0-9],[1-9][0-9]";
  for (char least = '0'; least <= '9'; ++least) {
    bounds += std::string("|") + least + ",[" + least + "-9]";
  }
  const std::string repeat = R"(([*+?]\??|\{([0-9]|[1-9][0-9]),?\}|\{()" + bounds + R"()\})?)";
  const std::string term = "(" + atom + repeat + R"(|\^|\$))";
  const std::string inside = term + "*(\\|" + term + "*)*";
  const std::string all = "(" + term + R"(|\((\?:)?)" + inside + R"(\))" + repeat + ")*";
  return all + "(\\|" + all + ")*";
}

}  // namespace

std::optional<TextFormat> FindTextFormat(std::string_view name) {
  const auto whole = [](const std::string& text) {
    return TextFormat{.pattern = "^(" + text + ")$", .without = ""};
  };
  if (name == "date") return whole(Date());
  if (name == "time") return whole(Time());
  if (name == "date-time") return whole(Date() + "T" + Time());
  if (name == "duration") return whole(Duration());
  if (name == "email" || name == "idn-email") {
    const std::string word = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    TextFormat format = whole(word + "(\\." + word + ")*@" + Label() + "(\\." + Label() + ")+");
    format.without = "^[^@]{65}";
    format.max_chars = 254;
    return format;
  }
  if (name == "hostname" || name == "idn-hostname" || name == "host-name") {
    TextFormat format = whole(Label() + "(\\." + Label() + ")*");
    format.without = "(^|\\.)[^.]{2}--";
    format.max_chars = 253;
    return format;
  }
  if (name == "ipv4" || name == "ip-address") return whole(Ipv4());
  if (name == "ipv6") return whole(Ipv6());
  if (name == "uuid") {
    return whole("[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}");
  }
  if (name == "uri" || name == "iri" || name == "url") return whole(Uri());
  if (name == "uri-reference" || name == "uriref" || name == "iri-reference") {
    return whole(UriReference());
  }
  if (name == "json-pointer") return whole(JsonPointer());
  if (name == "relative-json-pointer") {
    return whole("(0|[1-9]\\d{0,8})(#|" + JsonPointer() + ")");
  }
  if (name == "byte") {
    return whole("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?");
  }
  if (name == "uri-template") return whole(UriTemplate());
  if (name == "regex") return whole(Regex());
  return std::nullopt;
}

std::optional<std::pair<Decimal, Decimal>> BoundsOfFormat(std::string_view name) {
  const auto bounds = [](const char* least, const char* most) {
    return std::pair(*Decimal::Parse(least), *Decimal::Parse(most));
  };
  if (name == "int32") return bounds("-2147483648", "2147483647");
  if (name == "int64") return bounds("-9223372036854775808", "9223372036854775807");
  return std::nullopt;
}

}  // namespace gemma3
