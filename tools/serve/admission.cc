// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/admission.h"

#include <chrono>
#include <exception>
#include <utility>

namespace gemma3::serve {

// How soon somebody who waits notices that its client is gone.
constexpr std::chrono::milliseconds kLook(200);

std::unique_ptr<Admission::Seat> Admission::TryEnter(size_t key) {
  const std::scoped_lock lock(mutex_);
  if (seats_ >= limits_.running + limits_.waiting) return nullptr;
  size_t& of_key = per_key_[key];
  if (limits_.per_key != 0 && of_key >= limits_.per_key) return nullptr;
  auto seat = std::make_unique<Seat>(*this, key);
  ++of_key;
  ++seats_;
  return seat;
}

bool Admission::full() const {
  const std::scoped_lock lock(mutex_);
  return seats_ >= limits_.running + limits_.waiting;
}

size_t Admission::running() const {
  const std::scoped_lock lock(mutex_);
  return running_;
}

size_t Admission::waiting() const {
  const std::scoped_lock lock(mutex_);
  return seats_ - running_;
}

bool Admission::Wait(const CancelFlag& gone) {
  std::unique_lock lock(mutex_);
  if (running_ < limits_.running && queue_.empty()) {
    ++running_;
    return true;
  }
  Waiter waiter;
  const auto place = queue_.insert(queue_.end(), &waiter);
  while (!waiter.granted) {
    waiter.turn.wait_for(lock, kLook);
    if (!waiter.granted && gone.cancelled()) {
      queue_.erase(place);
      return false;
    }
  }
  return true;
}

void Admission::Leave(size_t key, bool ran) {
  const std::scoped_lock lock(mutex_);
  --seats_;
  const auto of_key = per_key_.find(key);
  if (--of_key->second == 0) per_key_.erase(of_key);
  if (!ran) return;
  --running_;
  if (queue_.empty()) return;
  Waiter* const next = queue_.front();
  queue_.pop_front();
  ++running_;
  next->granted = true;
  next->turn.notify_one();
}

void Workers::Run(std::function<void()> work) {
  const std::scoped_lock lock(mutex_);
  work_.push_back(std::move(work));
  if (work_.size() <= idle_) return changed_.notify_one();
  try {
    threads_.emplace_back([this] { Loop(); });
  } catch (const std::exception&) {  // no more of them: those that are there will do it
    if (!threads_.empty()) return;
    work_.pop_back();
    throw;
  }
}

void Workers::Loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!work_.empty()) {
      auto work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
      work = nullptr;  // what it holds ends here, not under the lock
      lock.lock();
      continue;
    }
    if (ending_) return;
    ++idle_;
    changed_.wait(lock, [this] { return !work_.empty() || ending_; });
    --idle_;
  }
}

void Workers::Join() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace gemma3::serve
