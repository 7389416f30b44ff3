// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/image_path.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

namespace gemma3::cli {
namespace {

// Text as it is, pictures in angle brackets.
std::string Split(std::string_view line) {
  const std::set<std::string> files = {"cat.png",  "/tmp/my cat.JPG", "it's.webp",
                                       "a.b.jpeg", "notes.txt",       "/x/y.gif",
                                       "?.png",    "caf\u00e9.png",   "my \"best\" cat's.png"};
  std::string spelled;
  for (const LinePiece& piece :
       SplitAtImages(line, [&](const std::string& path) { return files.contains(path); })) {
    spelled += piece.is_image ? "<" + piece.text + ">" : piece.text;
  }
  return spelled;
}

TEST(SplitAtImages, FindsExistingPicturesWhereTheyStand) {
  EXPECT_EQ(Split("cat.png"), "<cat.png>");
  EXPECT_EQ(Split("what is cat.png about"), "what is <cat.png> about");
  EXPECT_EQ(Split("compare cat.png and a.b.jpeg now"), "compare <cat.png> and <a.b.jpeg> now");
  EXPECT_EQ(Split("caf\u00e9.png please"), "<caf\u00e9.png> please");
}

TEST(SplitAtImages, UnderstandsQuotesAndBackslashes) {
  EXPECT_EQ(Split("see '/tmp/my cat.JPG' ok"), "see </tmp/my cat.JPG> ok");
  EXPECT_EQ(Split("see \"/tmp/my cat.JPG\""), "see </tmp/my cat.JPG>");
  EXPECT_EQ(Split("see /tmp/my\\ cat.JPG?"), "see </tmp/my cat.JPG>?");
  EXPECT_EQ(Split("it\\'s.webp"), "<it's.webp>");
  EXPECT_EQ(Split("file:///tmp/my%20cat.JPG"), "</tmp/my cat.JPG>");
}

// As terminals write the name of a file that is dropped on them.
TEST(SplitAtImages, UnderstandsQuotesInQuotes) {
  for (const char* typed : {R"('my "best" cat'\''s.png')", R"('my "best" cat'"'"'s.png')",
                            R"("my \"best\" cat's.png")", R"(my\ \"best\"\ cat\'s.png)"}) {
    EXPECT_EQ(UnquotePath(typed), "my \"best\" cat's.png") << typed;
    EXPECT_EQ(Split(std::string("see ") + typed + ", ok"), "see <my \"best\" cat's.png>, ok");
  }
  // Typed by hand behind /image.
  EXPECT_EQ(UnquotePath("my \"best\" cat's.png"), "my \"best\" cat's.png");
  EXPECT_EQ(UnquotePath("'open"), "'open");
  EXPECT_EQ(UnquotePath("\"C:\\dir\""), "C:\\dir");
  EXPECT_EQ(UnquotePath(""), "");
}

TEST(SplitAtImages, LeavesPunctuationBehindAPathInTheText) {
  EXPECT_EQ(Split("what is in cat.png?"), "what is in <cat.png>?");
  EXPECT_EQ(Split("cat.png, please."), "<cat.png>, please.");
  EXPECT_EQ(Split("?.png"), "<?.png>");
}

TEST(SplitAtImages, LeavesEverythingElseAsItWasTyped) {
  for (const char* line : {"", " ", "dog.png", "notes.txt", "a \"quoted\" word", "it's", "\\", "'",
                           "100\\ %", "tmp/my cat.JPG", "...", "/x/", "file://"}) {
    EXPECT_EQ(Split(line), line);
  }
}

TEST(UnquotePath, ExpandsTheHomeFolder) {
  const char* home = std::getenv("HOME");
  if (home == nullptr) GTEST_SKIP() << "no HOME";
  EXPECT_EQ(UnquotePath("~/a.png"), std::string(home) + "/a.png");
  EXPECT_EQ(UnquotePath("a~/b.png"), "a~/b.png");
}

TEST(IsReadableFile, IsFalseForFoldersAndMissingFiles) {
  EXPECT_FALSE(IsReadableFile("/"));
  EXPECT_FALSE(IsReadableFile("/no/such/file.png"));
  EXPECT_FALSE(IsReadableFile(""));
}

}  // namespace
}  // namespace gemma3::cli
