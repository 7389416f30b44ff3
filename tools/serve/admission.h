// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How many requests are worked on, how many wait, and the threads that do both.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "gemma3/cancel.h"

namespace gemma3::serve {

struct AdmissionLimits {
  size_t running = 8;   // given to the engine; it computes as many of them as fit its memory
  size_t waiting = 64;  // beyond those
  size_t per_key = 0;   // of one key, running and waiting; 0: no bound
};

class Admission {
 public:
  explicit Admission(const AdmissionLimits& limits) : limits_(limits) {}

  // A place, from the moment a request has come until it is answered.
  class Seat {
   public:
    Seat(Admission& admission, size_t key) : admission_(admission), key_(key) {}
    ~Seat() { admission_.Leave(key_, running_); }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    // Waits for its turn, first come, first served. False: `gone` was set before.
    bool WaitForTurn(const CancelFlag& gone) {
      running_ = running_ || admission_.Wait(gone);
      return running_;
    }

   private:
    Admission& admission_;
    const size_t key_;
    bool running_ = false;
  };

  // Null: there is no place. Does not wait.
  std::unique_ptr<Seat> TryEnter(size_t key);
  bool full() const;

  size_t running() const;
  size_t waiting() const;  // those that have a place and are not running
  const AdmissionLimits& limits() const { return limits_; }

 private:
  struct Waiter {
    std::condition_variable turn;
    bool granted = false;
  };
  bool Wait(const CancelFlag& gone);
  void Leave(size_t key, bool ran);

  const AdmissionLimits limits_;
  mutable std::mutex mutex_;
  size_t seats_ = 0, running_ = 0;
  std::list<Waiter*> queue_;
  std::map<size_t, size_t> per_key_;
};

// Threads that are made when work comes and none is free, and kept.
class Workers {
 public:
  ~Workers() { Join(); }
  // Throws where not even the first thread can be had, or no memory.
  void Run(std::function<void()> work);
  // Waits for all that was given.
  void Join();

 private:
  void Loop();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool ending_ = false;
};

}  // namespace gemma3::serve
