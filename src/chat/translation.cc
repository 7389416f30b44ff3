// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The words around what TranslateGemma is to translate: its published chat template's.
#include "src/chat/translation.h"

namespace gemma3 {
namespace {

std::string Task(const Language& from, const Language& to) {
  return "You are a professional " + from.name + " (" + from.code + ") to " + to.name + " (" +
         to.code + ") translator. Your goal is to accurately convey the meaning and nuances of " +
         "the original " + from.name + " text while adhering to " + to.name +
         " grammar, vocabulary, and cultural sensitivities.\n";
}

}  // namespace

std::string BeforeTranslatedText(const Language& from, const Language& to) {
  return Task(from, to) + "Produce only the " + to.name +
         " translation, without any additional explanations or commentary. Please translate the " +
         "following " + from.name + " text into " + to.name + ":\n\n\n";
}

std::string BeforeTranslatedPicture(const Language& from, const Language& to) {
  return Task(from, to) + "Please translate the " + from.name +
         " text in the provided image into " + to.name + ". Produce only the " + to.name +
         " translation, without any additional explanations, alternatives or commentary. Focus " +
         "only on the text, do not output where the text is located, surrounding objects or any " +
         "other explanation about the picture. Ignore symbols, pictogram, and arrows!\n\n\n";
}

}  // namespace gemma3
