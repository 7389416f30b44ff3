// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Putting a one-shot prompt together from arguments, a file, standard input and pictures.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/message.h"

namespace gemma3::cli {

// The sources of a prompt, in this order; what is not set or empty is left out.
struct PromptText {
  std::string arguments;  // the user's own words
  std::string file;       // -f
  std::string input;      // standard input
};

// The marker that a user writes among the words where a picture belongs.
inline constexpr std::string_view kImageMarker = "[img]";

// Joins the sources with a blank line between. Pictures stand where `arguments` has markers, else
// before the text; markers in the file or the input are text, since the user may not have written
// those. Without pictures every marker is text.
// Errors: kInvalidArgument where the numbers of markers and pictures differ.
Result<std::vector<Part>> AssemblePrompt(const PromptText& text,
                                         std::span<const std::shared_ptr<const Image>> images);

// All of a file, or of standard input ("-"), less one line end at its end: text files end in one,
// and to a model it is a token. A standard input that is closed is empty. Errors: kIo;
// kInvalidArgument beyond 64 MiB.
Result<std::string> ReadPrompt(const std::string& path);
// The same with every byte kept.
Result<std::string> ReadAll(const std::string& path);

// Decodes the files. Errors: kIo, kBadImage.
Result<std::vector<std::shared_ptr<const Image>>> LoadImages(std::span<const std::string> paths,
                                                             const ImageOptions& options);

}  // namespace gemma3::cli
