// Something the log says once in a while, however often it happens and in whichever thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace ringserve {

class Notice {
 public:
  static constexpr int64_t kPeriodMs = 3'600'000;

  // True for the first who asks, and again for the first who asks a period later.
  bool due(int64_t now_ms) {
    int64_t next_ms = next_ms_.load(std::memory_order_relaxed);
    return now_ms >= next_ms &&
           next_ms_.compare_exchange_strong(next_ms, now_ms + kPeriodMs, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> next_ms_ = 0;
};

}  // namespace ringserve
