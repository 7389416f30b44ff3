// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C. What it does depends on what the program is at: it ends the program while nothing is
// running that could be kept, stops the running answer, or only interrupts line editing. The
// handler's state is the one global of the program.
#pragma once

namespace gemma3::cli {

// Installs the handler; until a scope below is entered, Ctrl-C ends the program with 130. What ends
// the program ends its children, too (child.h). SIGPIPE is ignored: writes report it. Call once,
// from main.
void InstallSignalHandlers();

// While it lives, Ctrl-C does not end the program but is counted and makes blocking reads return
// EINTR.
class NoteInterrupts {
 public:
  NoteInterrupts();
  ~NoteInterrupts();
  NoteInterrupts(const NoteInterrupts&) = delete;
  NoteInterrupts& operator=(const NoteInterrupts&) = delete;
  // Whether Ctrl-C was pressed since the scope began or this was last asked.
  bool Take();
};

// While it lives, Ctrl-C calls target.Cancel(), of a CancelFlag or whatever else has one that a
// signal handler may call. The target must outlive the scope and not be moved during it. One at a
// time.
class CancelOnInterrupt {
 public:
  template <class T>
  explicit CancelOnInterrupt(T& target)
      : target_{&target, [](void* object) noexcept { static_cast<T*>(object)->Cancel(); }} {
    Install(&target_);
  }
  ~CancelOnInterrupt() { Install(nullptr); }
  CancelOnInterrupt(const CancelOnInterrupt&) = delete;
  CancelOnInterrupt& operator=(const CancelOnInterrupt&) = delete;

  struct Target {
    void* object;
    void (*cancel)(void* object) noexcept;
  };

 private:
  static void Install(const Target* target);

  const Target target_;
};

}  // namespace gemma3::cli
