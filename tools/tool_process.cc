// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/tool_process.h"

#include <poll.h>

#include <optional>
#include <string_view>
#include <utility>

#include "src/base/status.h"
#include "tools/child.h"
#include "tools/text.h"
#include "tools/tool_text.h"

namespace gemma3::cli {
namespace {

constexpr size_t kErrorBytes = 4 << 10;
constexpr std::chrono::milliseconds kPatience(500);

}  // namespace

Result<ToolResult> RunTool(const std::vector<std::string>& command, const std::string& arguments,
                           const ToolLimits& limits, const StopCheck& stop) {
  auto started = Child::Start(command);
  if (!started) return ToolResult{started.error().message, /*failed=*/true};
  Child child = *std::move(started);

  const std::string line = arguments + "\n";
  std::string_view input = line;
  std::string output, errors, why;
  const auto deadline = Child::Clock::now() + limits.time;
  // It is over when the command has ended and its pipes are empty. What it left running may hold
  // them open, and write on: that is not waited for.
  std::optional<Child::Clock::time_point> ended;
  for (bool over = false; !over;) {
    const size_t before = output.size() + child.dropped();
    const Child::Ended how =
        child.Exchange(&input, /*close_input=*/true, &output, limits.output_bytes, &errors,
                       kErrorBytes, deadline, stop);
    switch (how) {
      case Child::Ended::kNo:
      case Child::Ended::kEof:
        if (ended) {
          const bool silent = output.size() + child.dropped() == before;
          over = silent || Child::Clock::now() > *ended + kPatience;
        } else if (child.HasEnded()) {
          ended = Child::Clock::now();
        } else if (how == Child::Ended::kEof) {
          ::poll(nullptr, 0, 5);  // it has closed its pipes and lives on
        }
        break;
      case Child::Ended::kDeadline:
        why = Format("The tool was stopped after %.1f s.",
                     static_cast<double>(limits.time.count()) / 1000);
        over = true;
        break;
      case Child::Ended::kCancelled:
        return Fail(ErrorCode::kCancelled, "the tool was stopped");
    }
    if (child.dropped() > limits.runaway_bytes) {
      why = "The tool was stopped: it did not cease to write.";
      over = true;
    }
  }
  const int code = child.Finish();

  ToolResult result{CutToolText(CleanToolText(output), limits.output_bytes, child.dropped())};
  if (why.empty() && code == 0) return result;
  if (why.empty() && code > 128) why = Format("The tool was ended by signal %d.", code - 128);
  if (why.empty()) why = Format("The tool failed with exit code %d.", code);
  result.failed = true;
  for (const std::string& part : {result.text, CleanToolText(errors)}) {
    if (!part.empty()) (why += '\n') += part;
  }
  result.text = std::move(why);
  return result;
}

}  // namespace gemma3::cli
