// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The files of the page at "/", compiled in. CMake makes the definition from page/*
// (embed_page.cmake).
#pragma once

#include <span>
#include <string_view>

namespace gemma3::serve {

struct PageFile {
  std::string_view path;          // "/index.html", as it is asked for; "/" is that one
  std::string_view content_type;  // "text/html; charset=utf-8"
  std::string_view bytes;
};

// Empty where the program was built without the page.
std::span<const PageFile> PageFiles();

}  // namespace gemma3::serve
