// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Fork-join: the tasks of a region are shared out among threads, each with scratch memory of its
// own. Every thread has a run of neighbouring tasks, which it works through in order, so that what
// lies in order in memory is read in order; when its run is done it takes tasks from the ends of
// others'. Written here because it is a part of the speed of a token, hundreds of regions of a few
// tens of microseconds: threads wait for the next region awake for 50 us, and then sleep. (Threads
// that never spin cost a fifth of the tokens in a virtual machine, where waking is slow; threads
// that spin without limit made everything a hundred times slower beside a second busy process.)
//
// Thread rule: one caller at a time. A task must not call the pool it runs on. Which thread runs
// which task is unspecified, so a task's result must not depend on it; that is what makes results
// independent of the number of threads.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace gemma3 {

class ThreadPool {
 public:
  static constexpr size_t kMaxThreads = 256;

  // num_threads counts the caller; 0 means DefaultThreads() of processors.h. Clamped to
  // kMaxThreads. Throws std::system_error where the system does not allow so many, and
  // std::bad_alloc.
  explicit ThreadPool(size_t num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t num_threads() const { return num_threads_; }

  // Calls fn(task, thread) once for each task in [0, num_tasks), in any order, and returns when all
  // are done. thread is in [0, num_threads()). A task may throw, as one does that finds no memory:
  // what has not begun is then skipped, and when nothing runs any more the first exception goes on
  // from here, on the caller's thread. The pool stays usable.
  template <class Fn>
  void ParallelFor(size_t num_tasks, const Fn& fn) {
    if (num_tasks == 0) return;
    if (num_tasks == 1 || num_threads_ == 1) {
      for (size_t task = 0; task < num_tasks; ++task) fn(task, size_t{0});
      return;
    }
    Run(num_tasks, &fn, [](const void* f, size_t task, size_t thread) {
      (*static_cast<const Fn*>(f))(task, thread);
    });
  }

  // At least `bytes` of memory that belongs to `thread` until its next Scratch call, aligned to a
  // cache line. Grows and is kept; contents are unspecified.
  std::span<std::byte> Scratch(size_t thread, size_t bytes);

 private:
  using Trampoline = void (*)(const void* fn, size_t task, size_t thread);
  void Run(size_t num_tasks, const void* fn, Trampoline trampoline);

  struct Impl;
  std::unique_ptr<Impl> impl_;
  size_t num_threads_;
};

}  // namespace gemma3
