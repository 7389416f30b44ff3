// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3.cpp: Google's Gemma 3 models on the CPU. A complete program:
//
//   #include <gemma3/gemma3.h>
//   #include <iostream>
//
//   int main(int argc, char** argv) {
//     if (argc < 3) return 2;
//     auto model = gemma3::Model::Load(argv[1]);
//     if (!model) return std::cerr << model.error().message << "\n", 3;
//     auto session = gemma3::Session::Create(*model);
//     if (!session) return std::cerr << session.error().message << "\n", 1;
//     auto answer = session->Send(gemma3::Message::User(argv[2]), {.temperature = 0.7f},
//                                 [](std::string_view text) {
//                                   std::cout << text << std::flush;
//                                   return true;
//                                 });
//     if (!answer) return std::cerr << answer.error().message << "\n", 1;
//     std::cout << "\n";
//   }
#pragma once

#include "gemma3/adapter.h"
#include "gemma3/cancel.h"
#include "gemma3/classify.h"
#include "gemma3/config.h"
#include "gemma3/constraint.h"
#include "gemma3/embedder.h"
#include "gemma3/engine.h"
#include "gemma3/error.h"
#include "gemma3/generation.h"
#include "gemma3/image.h"
#include "gemma3/message.h"
#include "gemma3/model.h"
#include "gemma3/options.h"
#include "gemma3/session.h"
#include "gemma3/tokenizer.h"
#include "gemma3/tools.h"
#include "gemma3/version.h"
