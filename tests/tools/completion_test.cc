// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/completion.h"

#include <gtest/gtest.h>

#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/temp_folder.h"
#include "tools/decompose.h"
#include "tools/image_path.h"

namespace gemma3::cli {
namespace {

const std::vector<CommandWords> kCommands = {
    {{"help", "?"}, ""},     {{"image"}, "FILE"},  {{"regen", "retry"}, ""},
    {{"set"}, "NAME VALUE"}, {{"show"}, "[NAME]"}, {{"stats"}, ""},
    {{"system"}, "[TEXT]"},  {{"go"}, "DIR"},      {{"exit", "quit", "q"}, ""},
};

// What goes in, or the choices with bars between and around.
std::string Complete(std::string_view line) {
  const Completion completion = CompleteLine(line, kCommands);
  EXPECT_TRUE(completion.insert.empty() || completion.choices.empty());
  if (completion.choices.empty()) return completion.insert;
  std::string all = "|";
  for (const std::string& choice : completion.choices) all += choice + "|";
  return all;
}

TEST(CompleteLine, Commands) {
  EXPECT_EQ(Complete("/im"), "age ");
  EXPECT_EQ(Complete("/image"), " ");
  EXPECT_EQ(Complete("/s"), "|/set|/show|/stats|/system|");
  EXPECT_EQ(Complete("/st"), "ats ");
  // Other names only where no first one begins so.
  EXPECT_EQ(Complete("/re"), "gen ");
  EXPECT_EQ(Complete("/ret"), "ry ");
  EXPECT_EQ(Complete("/qu"), "it ");
  EXPECT_EQ(Complete("/x-no-such-command"), "");
  EXPECT_EQ(Complete(" /im"), "");  // text
  EXPECT_EQ(Complete(""), "");
}

TEST(CompleteLine, SettingsAndTheirValues) {
  EXPECT_EQ(Complete("/set temp"), "erature ");
  EXPECT_EQ(Complete("/set  TEMP"), "");
  EXPECT_EQ(Complete("/show top"), "-");
  EXPECT_EQ(Complete("/show top_"), "|top-k|top-p|");
  EXPECT_EQ(Complete("/show top_k"), " ");
  EXPECT_EQ(Complete("/set wrap "), "|on|off|default|");
  EXPECT_EQ(Complete("/set wrap on"), " ");
  EXPECT_EQ(Complete("/set kv b"), "f16 ");
  EXPECT_EQ(Complete("/set pan_and_scan=a"), "uto ");
  EXPECT_EQ(Complete("/set temperature "), "");  // no list
  EXPECT_EQ(Complete("/set no-such-name "), "");
  EXPECT_EQ(Complete("/show wrap o"), "");  // takes no value
  EXPECT_EQ(Complete("/system te"), "");
  // What is fixed when the model is loaded can be shown only.
  EXPECT_EQ(Complete("/show weigh"), "ts ");
  EXPECT_EQ(Complete("/set weigh"), "");
}

class CompleteFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    for (const char* name : {"abc1.png", "abc2.png", "notes.txt", ".hidden.png",
                             "it's \"my\" cat.png", "two words.jpg", "\u00dcbung \u00e4.png",
                             "\ud55c\uae00 \ud3f4\ub354/\uc0ac\uc9c4 \ud558\ub098.png",
                             "\ud55c\uae00 \ud3f4\ub354/\uc0ac\uc9c4 \ub458.png", "sub/deep.png",
                             "bad\xff.png", "bad\nline.png", "back\\slash.png"}) {
      folder_.Write(name, "x");
    }
    std::filesystem::current_path(folder_.path());
    ::setenv("HOME", folder_.path().c_str(), 1);
  }
  void TearDown() override {
    std::filesystem::current_path(start_);
    ::setenv("HOME", home_.c_str(), 1);
    std::setlocale(LC_CTYPE, "C");
  }

  const std::filesystem::path start_ = std::filesystem::current_path();
  const std::string home_ = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
  testing::TempFolder folder_;
};

TEST_F(CompleteFilesTest, BehindCommands) {
  EXPECT_EQ(Complete("/image no"), "tes.txt ");
  EXPECT_EQ(Complete("/image a"), "bc");
  EXPECT_EQ(Complete("/image abc"), "|abc1.png|abc2.png|");
  EXPECT_EQ(Complete("/image abc1.png"), " ");
  EXPECT_EQ(Complete("/image s"), "ub/");
  EXPECT_EQ(Complete("/image sub/"), "deep.png ");
  EXPECT_EQ(Complete("/image sub/deep.png/"), "");
  EXPECT_EQ(Complete("/image no/such/folder/"), "");
  EXPECT_EQ(Complete("/go s"), "ub/");
  EXPECT_EQ(Complete("/go a"), "");  // folders only
  EXPECT_EQ(Complete("/image .h"), "idden.png ");
  EXPECT_EQ(Complete("/image ba"), "ck\\\\slash.png ");  // the others cannot be typed
  EXPECT_EQ(Complete("/image ~"), "/");
  EXPECT_EQ(Complete("/image ~/no"), "tes.txt ");
  EXPECT_EQ(Complete("/image " + folder_.path() + "/no"), "tes.txt ");
  // All of them, without the hidden one.
  const Completion all = CompleteLine("/image ", kCommands);
  EXPECT_EQ(all.choices.size(), 9u);
}

TEST_F(CompleteFilesTest, InText) {
  EXPECT_EQ(Complete("what is in abc1"), ".png ");
  EXPECT_EQ(Complete("what is in no"), "");  // not a picture
  EXPECT_EQ(Complete("what is in sub/d"), "eep.png ");
  EXPECT_EQ(Complete("what is in "), "");
  EXPECT_EQ(Complete("what is in \""),
            "|abc1.png|abc2.png|back\\slash.png|it's \"my\" cat.png|sub/|two "
            "words.jpg|\u00dcbung \u00e4.png|\ud55c\uae00 \ud3f4\ub354/|");
  EXPECT_EQ(Complete("what is in 'abc1.png'"), "");  // closed
  EXPECT_EQ(Complete("what is in abc1.png"), " ");
  // The path of a picture at the begin of a line is no command.
  EXPECT_EQ(Complete(folder_.path() + "/abc1"), ".png ");
  EXPECT_EQ(Complete(folder_.path() + "/abc1.png and two"), "\\ words.jpg ");
  EXPECT_EQ(Complete("~/abc1"), ".png ");
}

// Whatever was completed, the chat reads as the name of the file.
TEST_F(CompleteFilesTest, AnyNameInAnyQuotes) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(".")) {
    const std::string path = entry.path().lexically_normal().string();
    if (entry.is_regular_file() && path.ends_with("g") && path.find("bad") == std::string::npos) {
      names.push_back(path);
    }
  }
  EXPECT_EQ(names.size(), 10u);
  for (const std::string& name : names) {
    for (const std::string quote : {"", "'", "\""}) {
      for (const std::string before : {"see ", "/image "}) {
        std::string line = before + quote;
        for (size_t i = 0; i < name.size() - std::string(".png").size(); ++i) {  // as Tab would
          if (quote == "'" && name[i] == '\'') {
            line += "'\\''";
            continue;
          }
          const std::string special = quote == "'" ? "" : quote == "\"" ? "\"\\" : " '\"\\";
          if (special.find(name[i]) != std::string::npos) line += '\\';
          line += name[i];
        }
        line += Complete(line);
        ASSERT_TRUE(line.ends_with(quote + " ")) << line;
        EXPECT_EQ(UnquotePath(line.substr(before.size())), name) << line;
        const auto pieces = SplitAtImages(line, IsReadableFile);
        ASSERT_EQ(pieces.size(), 3u) << line;
        EXPECT_EQ(pieces[1].text, name) << line;
      }
    }
  }
}

TEST_F(CompleteFilesTest, NamesInAnyScript) {
  EXPECT_EQ(Complete("see \u00dc"), "bung\\ \u00e4.png ");
  EXPECT_EQ(Complete("see '\u00dc"), "bung \u00e4.png' ");
  EXPECT_EQ(Complete("see \ud55c"), "\uae00\\ \ud3f4\ub354/");
  EXPECT_EQ(Complete("see \"\ud55c\uae00 \ud3f4\ub354/"), "\uc0ac\uc9c4 ");
  EXPECT_EQ(Complete("see \"\ud55c\uae00 \ud3f4\ub354/\uc0ac\uc9c4 \ud558"), "\ub098.png\" ");
  // Two names that begin with the same byte of different characters have nothing in common.
  folder_.Write("k/\u00e4.png", "x");
  folder_.Write("k/\u00f6.png", "x");
  EXPECT_EQ(Complete("see k/"), "|\u00e4.png|\u00f6.png|");
}

// Files from a Mac have letters and marks apart in their names, keyboards write them together.
TEST_F(CompleteFilesTest, NamesInTheOtherFormOfUnicode) {
  const std::string korean = "\u1112\u1161\u11ab\u1100\u1173\u11af";  // two syllables
  folder_.Write("mac/" + korean + ".png", "x");
  folder_.Write("mac/U\u0308ber a.png", "x");
  folder_.Write("pc/\ud55c\uae00.png", "x");
  const auto complete = [](std::string_view line) {
    const Completion completion = CompleteLine(line, kCommands);
    return std::to_string(completion.erase) + completion.insert;
  };
  EXPECT_EQ(complete("see mac/\ud55c"), "1" + korean + ".png ");
  EXPECT_EQ(complete("see mac/\ud55c\uae00.p"), "4" + korean + ".png ");
  EXPECT_EQ(complete("see 'mac/\u00dcber\u0020"), "5U\u0308ber a.png' ");
  EXPECT_EQ(complete("see mac/\u00dcber\\ "), "6U\u0308ber\\ a.png ");
  EXPECT_EQ(complete("see pc/\u1112\u1161"), "2\ud55c\uae00.png ");
  EXPECT_EQ(complete("see pc/\ud558"), "1\ud55c\uae00.png ");  // half of the first syllable
  EXPECT_EQ(complete("see mac/\u00dca"), "0");
  // A name that is the same to the byte comes first.
  folder_.Write("mac/\ud55c.png", "x");
  EXPECT_EQ(complete("see mac/\ud55c"), "0.png ");
  EXPECT_EQ(Decomposed("\u00e9\u017e\u0141\uac00\ud7a3"),
            "e\u0301z\u030c\u0141\u1100\u1161\u1112\u1175\u11c2");
}

TEST_F(CompleteFilesTest, ChoicesStandInColumns) {
  const std::vector<std::string> choices = {"a", "bbb", "\ud55c\uae00", "d", "e"};
  EXPECT_EQ(ChoiceTable(choices, 12), "a     d\nbbb   e\n\ud55c\uae00\n");
  EXPECT_EQ(ChoiceTable(choices, 3), "a\nbbb\n\ud55c\uae00\nd\ne\n");
  const std::vector<std::string> many(1000, "x");
  const std::string table = ChoiceTable(many, 80);
  EXPECT_TRUE(table.ends_with("\n... and 800 more\n")) << table;
}

}  // namespace
}  // namespace gemma3::cli
