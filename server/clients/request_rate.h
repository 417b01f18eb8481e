// How many requests a second, as a bucket of tokens in the form of the generic cell rate algorithm
// (ITU-T I.371, virtual scheduling): all that is kept of a bucket is the moment at which it will be
// full again. Pure; times are nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace ringserve::clients {

inline constexpr int64_t kSecondNs = 1'000'000'000;

struct RequestRate {
  int64_t interval_ns = 0;  // between two requests in the long run; 0: no limit
  int64_t burst_ns = 0;     // an empty bucket is full after this

  // `burst`: requests that may come at once; 0: as many as a second allows. 0 per second: no limit.
  static RequestRate of(uint64_t per_second, uint64_t burst) {
    if (per_second == 0) return {};
    const auto interval_ns = static_cast<int64_t>(uint64_t{kSecondNs} / per_second);
    return {interval_ns, interval_ns * static_cast<int64_t>(burst == 0 ? per_second : burst)};
  }

  bool is_on() const { return interval_ns > 0; }
};

// Takes a token at `now_ns`, if there is one, and moves `full_at_ns`. A request that is refused
// costs none: whoever keeps to the rate from now on is served again after one interval.
inline bool take_token(const RequestRate& rate, int64_t now_ns, int64_t& full_at_ns) {
  // What a slower rate, in force before a reload, has put into the future is cut.
  const int64_t full_at = std::clamp(full_at_ns, now_ns, now_ns + rate.burst_ns);
  const int64_t then_ns = full_at + rate.interval_ns;
  const bool admitted = then_ns - now_ns <= rate.burst_ns;
  full_at_ns = admitted ? then_ns : full_at;
  return admitted;
}

// The same, by several threads at once.
inline bool take_token(const RequestRate& rate, int64_t now_ns, std::atomic<int64_t>& full_at_ns) {
  int64_t seen = full_at_ns.load(std::memory_order_relaxed);
  for (;;) {
    int64_t wanted = seen;
    const bool admitted = take_token(rate, now_ns, wanted);
    if (wanted == seen) return admitted;
    if (full_at_ns.compare_exchange_weak(seen, wanted, std::memory_order_relaxed)) return admitted;
  }
}

}  // namespace ringserve::clients
