// Whether every worker still takes its turns: each is asked now and then, and counts what it was
// asked. Only when all have answered does the service manager get its sign of life. Main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

namespace ringserve::process {

class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;

  // Asks this often within the time the manager waits: a lost moment is no death.
  static constexpr unsigned kAsksPerPeriod = 4;

  // Off where the manager wants nothing: period 0.
  void start(uint64_t period_us, Clock::time_point now) {
    if (period_us == 0) return;
    interval_ = std::chrono::microseconds(period_us / kAsksPerPeriod);
    due_at_ = now;
  }
  bool is_on() const { return interval_.count() > 0; }
  Clock::time_point due_at() const { return due_at_; }
  bool is_due(Clock::time_point now) const { return is_on() && now >= due_at_; }

  void postpone(Clock::time_point now) { due_at_ = now + interval_; }

  // When due: `answered` has how often each worker has answered. True when a sign of life is to be
  // given; then, and at the first call, everybody is to be asked again.
  bool look(const std::vector<uint64_t>& answered, Clock::time_point now) {
    due_at_ = now + interval_;
    for (const uint64_t count : answered) {
      if (count < asked_) return false;
    }
    ++asked_;
    return true;
  }

 private:
  std::chrono::microseconds interval_{0};
  Clock::time_point due_at_{};
  uint64_t asked_ = 0;  // times that everybody was asked
};

}  // namespace ringserve::process
