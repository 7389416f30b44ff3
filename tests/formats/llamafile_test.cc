// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/llamafile.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "src/base/member_path.h"
#include "src/formats/checkpoint.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/support/zip_writer.h"

namespace gemma3 {
namespace {

using testing::GgufWriter;
using testing::ZipWriter;

const std::string kProgram("MZqFpD='\n#!/bin/sh of a program\n");

class Llamafile : public ::testing::Test {
 protected:
  Checkpoint Good(const std::string& path) {
    auto checkpoint = OpenCheckpoint(path);
    EXPECT_TRUE(checkpoint) << (checkpoint ? "" : checkpoint.error().message);
    return checkpoint ? *std::move(checkpoint) : Checkpoint();
  }
  void ExpectRefused(const std::string& path, const std::string& part, ErrorCode code) {
    const auto checkpoint = OpenCheckpoint(path);
    ASSERT_FALSE(checkpoint) << part;
    EXPECT_EQ(checkpoint.error().code, code) << checkpoint.error().message;
    EXPECT_NE(checkpoint.error().message.find(part), std::string::npos)
        << checkpoint.error().message;
  }
  std::string Write(const std::string& name, const ZipWriter& zip) {
    return folder_.Write(name, zip.Finish());
  }

  testing::TempFolder folder_;
  const std::string text_ = testing::MakeGguf(testing::TinyTextConfig(), 1).Finish();
  const ModelConfig vision_config_ = testing::TinyVisionConfig();
  const std::string vision_text_ = testing::MakeGguf(vision_config_, 1).Finish();
  const std::string mmproj_ = testing::MakeMmproj(vision_config_, 2).Finish();
};

void ExpectSameTensors(const Checkpoint& a, const Checkpoint& b) {
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, view] : a.tensors) {
    const TensorView& other = b.tensors.at(name);
    ASSERT_EQ(view.bytes, other.bytes) << name;
    EXPECT_EQ(std::memcmp(view.data, other.data, view.bytes), 0) << name;
  }
}

TEST_F(Llamafile, IsTheModelInsideAtAnyAddress) {
  const Checkpoint plain = Good(folder_.Write("plain.gguf", text_));
  for (const size_t align : {16384, 32, 1}) {
    for (const char* name : {"a.llamafile", "a.zip", "a.exe", "odd@name"}) {
      ZipWriter zip(std::string(name) == "a.zip" ? "" : kProgram);
      zip.zip64 = align == 32;
      zip.Add(".args", "-m\nMODEL.GGUF\n-c\n0\n...\n");
      zip.Add("dir/Model.GGUF", text_, align);
      const std::string path = Write(name, zip);
      const Checkpoint inside = Good(path);
      ExpectSameTensors(plain, inside);
      EXPECT_FALSE(inside.tokenizer_proto.empty());
      EXPECT_TRUE(inside.CheckFilesUnchanged());
      ExpectSameTensors(plain, Good(path + "@dir/Model.GGUF"));
    }
  }
}

TEST_F(Llamafile, VisionPartsInsideAreFound) {
  ZipWriter zip(kProgram);
  zip.Add("a-mm.gguf", mmproj_, 64);
  zip.Add("b.gguf", vision_text_, 64);
  EXPECT_TRUE(Good(Write("guessed.llamafile", zip)).config.has_vision);
  EXPECT_TRUE(Good(folder_.path() + "/guessed.llamafile@b.gguf").config.has_vision);

  // Several: the default arguments say which.
  const std::string other = testing::MakeMmproj(vision_config_, 3).Finish();
  ZipWriter named(kProgram);
  named.Add("other-mm.gguf", other, 64);
  named.Add("a-mm.gguf", mmproj_, 64);
  named.Add("text-only.gguf", text_, 64);
  named.Add("b.gguf", vision_text_, 64);
  named.Add(".args", "-m\r\n/zip/b.gguf\r\n--mmproj\r\na-mm.gguf\r\n");
  const Checkpoint checkpoint = Good(Write("named.llamafile", named));
  ASSERT_TRUE(checkpoint.config.has_vision);
  folder_.Write("x/m.gguf", vision_text_);
  folder_.Write("x/mmproj.gguf", mmproj_);
  ExpectSameTensors(checkpoint, Good(folder_.path() + "/x/m.gguf"));
}

TEST_F(Llamafile, VisionPartsThatDoNotFitOrAreSeveralAreTold) {
  ModelConfig wider = vision_config_;
  wider.text.hidden_size *= 2;
  const std::string other = testing::MakeMmproj(wider, 3).Finish();
  ZipWriter misfit(kProgram);
  misfit.Add("m.gguf", vision_text_);
  misfit.Add("mm.gguf", other);
  const Checkpoint text_only = Good(Write("misfit.llamafile", misfit));
  EXPECT_FALSE(text_only.config.has_vision);
  ASSERT_EQ(text_only.remarks.warnings.size(), 1u);
  EXPECT_NE(text_only.remarks.warnings[0].find("@mm.gguf"), std::string::npos);
  ZipWriter two(kProgram);
  two.Add("m.gguf", vision_text_);
  two.Add("a.gguf", mmproj_);
  two.Add("b.gguf", testing::MakeMmproj(vision_config_, 3).Finish());
  two.Add("c.gguf", other);
  ExpectRefused(Write("two.llamafile", two), "choose one with --mmproj",
                ErrorCode::kInvalidArgument);
}

TEST_F(Llamafile, ManyModelsAreAQuestion) {
  ZipWriter zip(kProgram);
  zip.Add("a.gguf", text_);
  zip.Add("b.gguf", vision_text_);
  const std::string path = Write("two.llamafile", zip);
  ExpectRefused(path, "give one of\n  " + path + "@a.gguf\n  " + path + "@b.gguf",
                ErrorCode::kBadModel);
  EXPECT_EQ(Good(path + "@a.gguf").config.text.hidden_size,
            testing::TinyTextConfig().text.hidden_size);
  ExpectRefused(path + "@c.gguf", "holds no c.gguf; it holds\n  " + path + "@a.gguf",
                ErrorCode::kBadModel);
  // A model of another kind beside one of ours is no question.
  GgufWriter llama;
  llama.KeyString("general.architecture", "llama");
  ZipWriter mixed(kProgram);
  mixed.Add("a.gguf", llama.Finish());
  mixed.Add("b.gguf", text_);
  Good(Write("mixed.llamafile", mixed));
  ZipWriter foreign(kProgram);
  foreign.Add("a.gguf", llama.Finish());
  ExpectRefused(Write("llama.llamafile", foreign), "\"llama\"", ErrorCode::kUnsupported);
}

TEST_F(Llamafile, WhatCannotBeMappedIsRefused) {
  ZipWriter compressed;
  compressed.method = 8;
  compressed.Add("m.gguf", text_);
  ExpectRefused(Write("compressed.zip", compressed), "m.gguf is compressed",
                ErrorCode::kUnsupported);
  ZipWriter zip(kProgram);
  zip.Add("m.gguf", text_);
  const std::string whole = zip.Finish();
  // A program whose end is missing is no archive any more; a zip archive is a damaged one.
  ExpectRefused(folder_.Write("cut.llamafile", whole.substr(0, whole.size() - 30)),
                "a program without a model", ErrorCode::kUnsupported);
  ZipWriter plain;
  plain.Add("m.gguf", text_);
  const std::string archive = plain.Finish();
  ExpectRefused(folder_.Write("cut.zip", archive.substr(0, archive.size() / 2)),
                "is the download complete?", ErrorCode::kBadModel);
  // The GGUF file inside is checked as any other, and its name is in the message.
  ZipWriter damaged(kProgram);
  damaged.Add("m.gguf", text_.substr(0, text_.size() / 2));
  ExpectRefused(Write("damaged.llamafile", damaged), "damaged.llamafile@m.gguf: tensor",
                ErrorCode::kBadModel);
}

TEST_F(Llamafile, NamesWithAnAtSignStayNames) {
  folder_.Write("a@b.gguf", text_);
  Good(folder_.path() + "/a@b.gguf");
  folder_.Write("a", "no archive");
  EXPECT_FALSE(ParseMemberPath(folder_.path() + "/a@b.gguf"));
  EXPECT_TRUE(ParseMemberPath(folder_.path() + "/a@c.gguf"));
  EXPECT_FALSE(ParseMemberPath(folder_.path() + "/a@"));
  EXPECT_FALSE(ParseMemberPath("@a"));
  ExpectRefused(folder_.path() + "/a@c.gguf", "zip archive", ErrorCode::kBadModel);
}

}  // namespace
}  // namespace gemma3
