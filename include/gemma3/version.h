// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The version of these headers; the library that is linked has to be of the same. Before 1.0 a
// minor version may change the interface. Read by CMakeLists.txt, and stated nowhere else.
#pragma once

#define GEMMA3_VERSION_MAJOR 0
#define GEMMA3_VERSION_MINOR 1
#define GEMMA3_VERSION_PATCH 0
#define GEMMA3_VERSION "0.1.0"
