// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A program that this one starts: with pipes for its streams, in a process group of its own.
//
// What it starts is in that group, too, unless it leaves it, and the group does not outlive the
// object. Where this program ends without destructors, KillChildren ends the groups; where it is
// killed outright, Linux ends the child, and what is left finds its pipes closed.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"

namespace gemma3::cli {

// The words of a command line as a shell takes them apart: blanks between, quotes of both kinds,
// backslashes. Nothing is expanded. Errors: kInvalidArgument for a quote that is not closed, and
// for no word at all.
Result<std::vector<std::string>> SplitCommand(std::string_view line);

class Child {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Ended {
    kNo,
    kEof,        // the child has closed what was waited for
    kDeadline,   // the time is over
    kCancelled,  // `cancelled` said so
  };
  // Asked several times a second while something is waited for.
  using Cancelled = std::function<bool()>;

  // Starts the command, looked up as a shell does. From the thread that will end last: on Linux a
  // child dies with the thread that started it. Errors: kIo naming the command.
  static Result<Child> Start(const std::vector<std::string>& command);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();  // kills the group and reaps the child

  // Writes what is left of `input` and reads what comes, until one of the two streams has given
  // something. Appends to the strings, `output` growing to at most max_output and `errors` keeping
  // its last max_errors bytes; what is beyond is read and dropped, and counted in dropped().
  // An input that is empty and at its end is closed.
  Ended Exchange(std::string_view* input, bool close_input, std::string* output, size_t max_output,
                 std::string* errors, size_t max_errors, Clock::time_point deadline,
                 const Cancelled& cancelled);

  // Whether the child itself has ended, whatever it left behind.
  bool HasEnded();
  size_t dropped() const { return dropped_; }
  // Kills the group and reaps the child. How it ended: its exit code, or 128 + the signal.
  int Finish();
  // Closes the child's input and gives it `patience` to end by itself, after half of it with
  // SIGTERM; then as above.
  int FinishPolitely(std::chrono::milliseconds patience);

 private:
  Child() = default;
  void CloseInput();

  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;  // our ends of its streams
  size_t dropped_ = 0;
  int code_ = -1;
};

// Kills the groups of all children that there are. May be called from a signal handler.
void KillChildren() noexcept;

}  // namespace gemma3::cli
