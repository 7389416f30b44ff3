// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/fingerprint.h"

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "src/base/status.h"

namespace gemma3 {
namespace {

// Twice the coarsest clock that Linux has for files.
constexpr std::chrono::milliseconds kTick(20);

// Waits until a change from now on has a later time than any so far.
void WaitForNextTick(const Checkpoint& checkpoint) {
  using std::chrono::system_clock;
  system_clock::time_point last;
  for (const auto& file : checkpoint.files) {
    const std::chrono::nanoseconds since_1970(file->identity().changed_ns);
    last = std::max(last, system_clock::time_point(
                              std::chrono::duration_cast<system_clock::duration>(since_1970)));
  }
  const auto age = system_clock::now() - last;
  if (age >= kTick) return;
  // The clock of another machine, whose files these are, may be ahead.
  std::this_thread::sleep_for(std::min<system_clock::duration>(kTick - age, kTick));
}

}  // namespace

Result<std::string> FingerprintOf(const Checkpoint& checkpoint) {
  WaitForNextTick(checkpoint);
  std::ostringstream line;
  for (const auto& file : checkpoint.files) {
    GEMMA3_TRY(const FileIdentity now, file->CurrentIdentity());
    if (now != file->identity()) {
      return Fail(ErrorCode::kBadModel, file->path(), " was changed while it was opened");
    }
    line << (line.tellp() == 0 ? "" : ", ") << now.device << ":" << now.inode << " of " << now.size
         << " bytes, modified " << now.modified_ns << ", changed " << now.changed_ns;
    if (now.offset != 0) line << ", from byte " << now.offset;
  }
  return line.str();
}

}  // namespace gemma3
