// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "tools/child.h"
#include "tools/errors.h"

namespace gemma3::cli {
namespace {

// Lock-free atomics are what a handler may touch (C++ [support.signal]).
std::atomic<const CancelOnInterrupt::Target*> g_target = nullptr;
std::atomic<int> g_note_scopes = 0;
std::atomic<int> g_interrupts = 0;
static_assert(decltype(g_target)::is_always_lock_free);
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void OnInterrupt(int) {
  g_interrupts.fetch_add(1);
  if (const auto* target = g_target.load()) {
    target->cancel(target->object);
  } else if (g_note_scopes.load() == 0) {
    KillChildren();
    ::_exit(kExitInterrupted);
  }
}

// Ends the program as the signal does, and what it started with it.
extern "C" void OnTermination(int number) {
  KillChildren();
  ::signal(number, SIG_DFL);
  ::raise(number);
}

}  // namespace

void InstallSignalHandlers() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;  // without SA_RESTART: reading a line has to end
  ::sigaction(SIGINT, &action, nullptr);
  action.sa_handler = OnTermination;
  for (const int number : {SIGTERM, SIGHUP, SIGQUIT}) {
    struct sigaction before = {};
    // nohup's choice stands.
    if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
      ::sigaction(number, &action, nullptr);
    }
  }
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

NoteInterrupts::NoteInterrupts() {
  g_interrupts = 0;
  g_note_scopes.fetch_add(1);
}

NoteInterrupts::~NoteInterrupts() { g_note_scopes.fetch_sub(1); }

bool NoteInterrupts::Take() { return g_interrupts.exchange(0) > 0; }

void CancelOnInterrupt::Install(const Target* target) { g_target = target; }

}  // namespace gemma3::cli
