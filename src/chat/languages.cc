// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Language codes and their English names.
#include "src/chat/languages.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "src/base/ascii.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

constexpr size_t kMaxEntries = 4096;
constexpr size_t kMaxNameBytes = 100;

struct Known {
  std::string_view code, name;
};

// ISO 639-1, and Filipino, which has a code of three letters only; by code.
constexpr std::array<Known, 184> kKnown = {{
    {"aa", "Afar"},
    {"ab", "Abkhazian"},
    {"ae", "Avestan"},
    {"af", "Afrikaans"},
    {"ak", "Akan"},
    {"am", "Amharic"},
    {"an", "Aragonese"},
    {"ar", "Arabic"},
    {"as", "Assamese"},
    {"av", "Avaric"},
    {"ay", "Aymara"},
    {"az", "Azerbaijani"},
    {"ba", "Bashkir"},
    {"be", "Belarusian"},
    {"bg", "Bulgarian"},
    {"bi", "Bislama"},
    {"bm", "Bambara"},
    {"bn", "Bengali"},
    {"bo", "Tibetan"},
    {"br", "Breton"},
    {"bs", "Bosnian"},
    {"ca", "Catalan"},
    {"ce", "Chechen"},
    {"ch", "Chamorro"},
    {"co", "Corsican"},
    {"cr", "Cree"},
    {"cs", "Czech"},
    {"cu", "Church Slavic"},
    {"cv", "Chuvash"},
    {"cy", "Welsh"},
    {"da", "Danish"},
    {"de", "German"},
    {"dv", "Divehi"},
    {"dz", "Dzongkha"},
    {"ee", "Ewe"},
    {"el", "Greek"},
    {"en", "English"},
    {"eo", "Esperanto"},
    {"es", "Spanish"},
    {"et", "Estonian"},
    {"eu", "Basque"},
    {"fa", "Persian"},
    {"ff", "Fulah"},
    {"fi", "Finnish"},
    {"fil", "Filipino"},
    {"fj", "Fijian"},
    {"fo", "Faroese"},
    {"fr", "French"},
    {"fy", "Western Frisian"},
    {"ga", "Irish"},
    {"gd", "Scottish Gaelic"},
    {"gl", "Galician"},
    {"gn", "Guarani"},
    {"gu", "Gujarati"},
    {"gv", "Manx"},
    {"ha", "Hausa"},
    {"he", "Hebrew"},
    {"hi", "Hindi"},
    {"ho", "Hiri Motu"},
    {"hr", "Croatian"},
    {"ht", "Haitian"},
    {"hu", "Hungarian"},
    {"hy", "Armenian"},
    {"hz", "Herero"},
    {"ia", "Interlingua"},
    {"id", "Indonesian"},
    {"ie", "Interlingue"},
    {"ig", "Igbo"},
    {"ii", "Sichuan Yi"},
    {"ik", "Inupiaq"},
    {"io", "Ido"},
    {"is", "Icelandic"},
    {"it", "Italian"},
    {"iu", "Inuktitut"},
    {"ja", "Japanese"},
    {"jv", "Javanese"},
    {"ka", "Georgian"},
    {"kg", "Kongo"},
    {"ki", "Kikuyu"},
    {"kj", "Kuanyama"},
    {"kk", "Kazakh"},
    {"kl", "Kalaallisut"},
    {"km", "Central Khmer"},
    {"kn", "Kannada"},
    {"ko", "Korean"},
    {"kr", "Kanuri"},
    {"ks", "Kashmiri"},
    {"ku", "Kurdish"},
    {"kv", "Komi"},
    {"kw", "Cornish"},
    {"ky", "Kyrgyz"},
    {"la", "Latin"},
    {"lb", "Luxembourgish"},
    {"lg", "Ganda"},
    {"li", "Limburgish"},
    {"ln", "Lingala"},
    {"lo", "Lao"},
    {"lt", "Lithuanian"},
    {"lu", "Luba-Katanga"},
    {"lv", "Latvian"},
    {"mg", "Malagasy"},
    {"mh", "Marshallese"},
    {"mi", "Maori"},
    {"mk", "Macedonian"},
    {"ml", "Malayalam"},
    {"mn", "Mongolian"},
    {"mr", "Marathi"},
    {"ms", "Malay"},
    {"mt", "Maltese"},
    {"my", "Burmese"},
    {"na", "Nauru"},
    {"nb", "Norwegian Bokm\xC3\xA5l"},
    {"nd", "North Ndebele"},
    {"ne", "Nepali"},
    {"ng", "Ndonga"},
    {"nl", "Dutch"},
    {"nn", "Norwegian Nynorsk"},
    {"no", "Norwegian"},
    {"nr", "South Ndebele"},
    {"nv", "Navajo"},
    {"ny", "Chichewa"},
    {"oc", "Occitan"},
    {"oj", "Ojibwa"},
    {"om", "Oromo"},
    {"or", "Oriya"},
    {"os", "Ossetian"},
    {"pa", "Punjabi"},
    {"pi", "Pali"},
    {"pl", "Polish"},
    {"ps", "Pashto"},
    {"pt", "Portuguese"},
    {"qu", "Quechua"},
    {"rm", "Romansh"},
    {"rn", "Rundi"},
    {"ro", "Romanian"},
    {"ru", "Russian"},
    {"rw", "Kinyarwanda"},
    {"sa", "Sanskrit"},
    {"sc", "Sardinian"},
    {"sd", "Sindhi"},
    {"se", "Northern Sami"},
    {"sg", "Sango"},
    {"si", "Sinhala"},
    {"sk", "Slovak"},
    {"sl", "Slovenian"},
    {"sm", "Samoan"},
    {"sn", "Shona"},
    {"so", "Somali"},
    {"sq", "Albanian"},
    {"sr", "Serbian"},
    {"ss", "Swati"},
    {"st", "Southern Sotho"},
    {"su", "Sundanese"},
    {"sv", "Swedish"},
    {"sw", "Swahili"},
    {"ta", "Tamil"},
    {"te", "Telugu"},
    {"tg", "Tajik"},
    {"th", "Thai"},
    {"ti", "Tigrinya"},
    {"tk", "Turkmen"},
    {"tl", "Tagalog"},
    {"tn", "Tswana"},
    {"to", "Tonga"},
    {"tr", "Turkish"},
    {"ts", "Tsonga"},
    {"tt", "Tatar"},
    {"tw", "Twi"},
    {"ty", "Tahitian"},
    {"ug", "Uighur"},
    {"uk", "Ukrainian"},
    {"ur", "Urdu"},
    {"uz", "Uzbek"},
    {"ve", "Venda"},
    {"vi", "Vietnamese"},
    {"vo", "Volap\xC3\xBCk"},
    {"wa", "Walloon"},
    {"wo", "Wolof"},
    {"xh", "Xhosa"},
    {"yi", "Yiddish"},
    {"yo", "Yoruba"},
    {"za", "Zhuang"},
    {"zh", "Chinese"},
    {"zu", "Zulu"},
}};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view Primary(std::string_view code) { return code.substr(0, code.find('-')); }

// Two or three letters, then subtags of 2 to 8 letters and digits behind hyphens.
bool IsCode(std::string_view code) {
  if (code.size() > 35) return false;
  const std::string_view primary = Primary(code);
  if (primary.size() < 2 || primary.size() > 3 || !std::ranges::all_of(primary, IsLetter)) {
    return false;
  }
  std::string_view rest = code.substr(primary.size());
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the hyphen
    const std::string_view subtag = Primary(rest);
    if (subtag.size() < 2 || subtag.size() > 8) return false;
    if (!std::ranges::all_of(subtag, [](char c) { return IsLetter(c) || IsDigit(c); })) {
      return false;
    }
    rest.remove_prefix(subtag.size());
  }
  return true;
}

std::string WithHyphens(std::string_view code) {
  std::string hyphens(code);
  std::ranges::replace(hyphens, '_', '-');
  return hyphens;
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         FindInvalidUtf8(name) == std::string_view::npos &&
         std::ranges::none_of(name, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

// A cursor over a template's text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  size_t at() const { return at_; }
  bool AtEnd() const { return at_ == text_.size(); }
  void GoTo(size_t at) { at_ = at; }
  void SkipSpace() {
    while (!AtEnd() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool Take(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // A string in quotes of up to `max` bytes, its simple escapes undone; stays where it is
  // otherwise.
  std::optional<std::string> TakeString(size_t max) {
    const size_t begin = at_;
    std::string value;
    if (AtEnd() || (text_[at_] != '"' && text_[at_] != '\'')) return std::nullopt;
    const char quote = text_[at_++];
    while (!AtEnd() && text_[at_] != quote && value.size() <= max) {
      if (text_[at_] == '\\' && !TakeEscape(&value)) break;
      if (!AtEnd() && text_[at_] != '\\' && text_[at_] != quote) value += text_[at_++];
    }
    if (value.size() <= max && Take(quote)) return value;
    at_ = begin;
    return std::nullopt;
  }

 private:
  // \" \' \\ and \uXXXX (which names may be written with); false for any other.
  bool TakeEscape(std::string* value) {
    if (at_ + 1 == text_.size()) return false;
    const char kind = text_[at_ + 1];
    if (kind == '"' || kind == '\'' || kind == '\\') {
      *value += kind;
      at_ += 2;
      return true;
    }
    if (kind != 'u' || at_ + 6 > text_.size()) return false;
    uint32_t code = 0;
    for (const char c : text_.substr(at_ + 2, 4)) {
      const size_t digit = std::string_view("0123456789abcdef").find(ToLower(c));
      if (digit == std::string_view::npos) return false;
      code = 16 * code + static_cast<uint32_t>(digit);
    }
    if (code < ' ' || (code >= 0xd800 && code < 0xe000)) return false;
    if (code < 0x80) {
      *value += static_cast<char>(code);
    } else if (code < 0x800) {
      *value += static_cast<char>(0xc0 | code >> 6);
      *value += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      *value += static_cast<char>(0xe0 | code >> 12);
      *value += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      *value += static_cast<char>(0x80 | (code & 0x3f));
    }
    at_ += 6;
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

// "de": "German"; stays where it is otherwise.
std::optional<Language> TakeEntry(Scanner* in) {
  const size_t begin = in->at();
  constexpr size_t kMaxCode = 35;
  auto code = in->TakeString(kMaxCode);
  if (code) *code = WithHyphens(*code);
  if (code && IsCode(*code)) {
    in->SkipSpace();
    if (in->Take(':')) {
      in->SkipSpace();
      if (auto name = in->TakeString(kMaxNameBytes); name && IsName(*name)) {
        return Language{*std::move(code), *std::move(name)};
      }
    }
  }
  in->GoTo(begin);
  return std::nullopt;
}

// What people meant by a code that is not in the table: others of the same language.
std::string Neighbours(std::string_view code, std::span<const Language> table) {
  std::string list;
  constexpr size_t kShown = 6;
  size_t count = 0;
  for (const Language& language : table) {
    if (!EqualIgnoringCase(Primary(language.code), Primary(code))) continue;
    if (++count > kShown) return list + ", ...";
    list += (list.empty() ? "" : ", ") + language.code;
  }
  return list;
}

// "pt_br" as "pt-BR", "zh-hant" as "zh-Hant".
std::string Canonical(std::string_view code) {
  std::string canonical(code);
  size_t subtag = 0;  // where it begins
  for (size_t i = 0; i < canonical.size(); ++i) {
    if (canonical[i] == '-') {
      subtag = i + 1;
      continue;
    }
    const size_t size = Primary(code.substr(subtag)).size();
    const bool upper = subtag > 0 && (size == 2 || (size == 4 && i == subtag));
    canonical[i] = upper ? ToUpper(canonical[i]) : ToLower(canonical[i]);
  }
  return canonical;
}

}  // namespace

std::vector<Language> ParseLanguageTable(std::string_view text) {
  std::map<std::string, std::string> longest, run;
  const auto end_run = [&] {
    if (run.size() > longest.size()) longest = std::move(run);
    run.clear();
  };
  Scanner in(text);
  while (!in.AtEnd()) {
    if (auto entry = TakeEntry(&in)) {
      if (run.size() < kMaxEntries) run[std::move(entry->code)] = std::move(entry->name);
      in.SkipSpace();
      if (in.Take(',')) {
        in.SkipSpace();
        continue;
      }
    } else {
      in.GoTo(in.at() + 1);
    }
    end_run();
  }
  end_run();
  std::vector<Language> table;
  for (auto& [code, name] : longest) table.push_back({code, std::move(name)});
  return table;
}

Result<Language> FindLanguage(std::string_view code, std::span<const Language> table,
                              std::string_view what) {
  const std::string wanted = WithHyphens(code);
  for (const Language& language : table) {
    if (language.code == wanted) return language;
  }
  for (const Language& language : table) {
    if (EqualIgnoringCase(language.code, wanted)) return language;
  }
  if (table.empty() && IsCode(wanted)) {
    for (const auto& [known, name] : kKnown) {
      if (EqualIgnoringCase(known, Primary(wanted))) {
        return Language{Canonical(wanted), std::string(name)};
      }
    }
  }
  const std::string near = Neighbours(wanted, table);
  return Fail(ErrorCode::kInvalidArgument, "the ", what, " \"", Shown(code, 40),
              "\" is no language code that the model knows; ",
              near.empty() ? "codes look like de, pt-BR or zh-Hant" : "it knows " + near);
}

}  // namespace gemma3
