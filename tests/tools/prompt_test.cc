// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/prompt.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"

namespace gemma3::cli {
namespace {

using Images = std::vector<std::shared_ptr<const Image>>;

Images MakeImages(size_t count) {
  Images images;
  for (size_t i = 0; i < count; ++i) images.push_back(std::make_shared<const Image>());
  return images;
}

// "text", "<0>" for the first picture, and so on.
std::string Spell(const Result<std::vector<Part>>& parts, const Images& images) {
  if (!parts) return "error: " + parts.error().message;
  std::string spelled;
  bool last_was_text = false;
  for (const Part& part : *parts) {
    if (!part.image) {
      EXPECT_FALSE(last_was_text) << "texts side by side";
      spelled += part.text;
    }
    last_was_text = part.image == nullptr;
    for (size_t i = 0; i < images.size(); ++i) {
      if (part.image == images[i]) spelled += "<" + std::to_string(i) + ">";
    }
  }
  return spelled;
}

std::string Assemble(const PromptText& text, size_t image_count) {
  const Images images = MakeImages(image_count);
  return Spell(AssemblePrompt(text, images), images);
}

TEST(AssemblePrompt, JoinsWhatIsPresentWithABlankLine) {
  EXPECT_EQ(Assemble({"a", "b", "c"}, 0), "a\n\nb\n\nc");
  EXPECT_EQ(Assemble({"a", "", "c"}, 0), "a\n\nc");
  EXPECT_EQ(Assemble({"", "b", "c"}, 0), "b\n\nc");
  EXPECT_EQ(Assemble({"", "", "c"}, 0), "c");
  EXPECT_EQ(Assemble({"a", "", ""}, 0), "a");
  EXPECT_EQ(Assemble({"", "", ""}, 0), "");
}

TEST(AssemblePrompt, PutsPicturesInFrontOrAtMarkers) {
  EXPECT_EQ(Assemble({"a", "", "c"}, 2), "<0><1>a\n\nc");
  EXPECT_EQ(Assemble({"", "", ""}, 1), "<0>");
  EXPECT_EQ(Assemble({"see [img] and [img].", "", "c"}, 2), "see <0> and <1>.\n\nc");
  EXPECT_EQ(Assemble({"[img][img]", "", ""}, 2), "<0><1>");
  EXPECT_EQ(Assemble({"[img]", "f", ""}, 1), "<0>\n\nf");
}

TEST(AssemblePrompt, MarkersAreTextWhereTheUserDidNotWriteThemForAPicture) {
  EXPECT_EQ(Assemble({"a [img]", "", ""}, 0), "a [img]");
  EXPECT_EQ(Assemble({"a", "[img]", "[img] x"}, 1), "<0>a\n\n[img]\n\n[img] x");
  EXPECT_EQ(Assemble({"a [img]", "[img]", ""}, 1), "a <0>\n\n[img]");
}

TEST(AssemblePrompt, CountsMustAgree) {
  const auto result = AssemblePrompt({"[img]", "", ""}, MakeImages(2));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(AssemblePrompt({"[img] [img] [img]", "", ""}, MakeImages(2)));
}

class ReadPromptTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& bytes) { return folder_.Write("prompt", bytes); }
  const testing::TempFolder folder_;
  const std::string path_ = folder_.path() + "/prompt";
};

TEST_F(ReadPromptTest, TakesOneLineEndOff) {
  EXPECT_EQ(*ReadPrompt(Write("a\nb\n")), "a\nb");
  EXPECT_EQ(*ReadPrompt(Write("a\n\n")), "a\n");
  EXPECT_EQ(*ReadPrompt(Write("a\r\n")), "a");
  EXPECT_EQ(*ReadPrompt(Write("a\r")), "a\r");
  EXPECT_EQ(*ReadPrompt(Write("a")), "a");
  EXPECT_EQ(*ReadPrompt(Write("")), "");
}

TEST_F(ReadPromptTest, ReadAllKeepsEveryByte) {
  const std::string bytes("\0\xff a\r\n\n", 7);
  EXPECT_EQ(*ReadAll(Write(bytes)), bytes);
}

TEST_F(ReadPromptTest, ErrorsNameTheFile) {
  const auto missing = ReadPrompt(path_ + ".none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
  EXPECT_NE(missing.error().message.find(path_), std::string::npos);
  const auto folder = ReadPrompt(folder_.path());
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace gemma3::cli
