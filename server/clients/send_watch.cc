// Windows follow one another; a verdict about the rate falls at the end of each.
#include "server/clients/send_watch.h"

#include <algorithm>

namespace ringserve::clients {
namespace {

constexpr int64_t kMsPerS = 1000;

}  // namespace

void SendWatch::begin(int64_t now_ms, int64_t taken_bytes) {
  moved_ms_ = window_began_ms_ = now_ms;
  window_taken_bytes_ = taken_bytes_ = taken_bytes;
  excused_ms_ = 0;
  excused_since_ms_ = now_ms;
}

int64_t SendWatch::excused_ms(int64_t now_ms) const {
  return excused_ms_ + (is_excused_ ? now_ms - excused_since_ms_ : 0);
}

void SendWatch::moved(int64_t now_ms, Waits waits) {
  excused_ms_ = excused_ms(now_ms);
  excused_since_ms_ = moved_ms_ = now_ms;
  is_excused_ = waits == Waits::for_us;
}

void SendWatch::shift(int64_t bytes) {
  window_taken_bytes_ -= bytes;
  taken_bytes_ -= bytes;
}

SendWatch::Verdict SendWatch::look(int64_t now_ms, int64_t taken_bytes, bool all_taken,
                                   const Limits& limits) {
  excused_ms_ = excused_ms(now_ms);
  excused_since_ms_ = now_ms;
  if (taken_bytes > taken_bytes_) moved_ms_ = now_ms;
  taken_bytes_ = taken_bytes;
  if (now_ms - moved_ms_ >= limits.timeout_ms) return Verdict::silent;
  const int64_t window_ms = now_ms - window_began_ms_ - excused_ms_;
  if (limits.rate_bytes_per_s == 0 || window_ms < limits.timeout_ms) return Verdict::in_time;
  const auto wanted_bytes =
      static_cast<double>(limits.rate_bytes_per_s) * static_cast<double>(window_ms) / kMsPerS;
  const bool too_slow =
      !all_taken && static_cast<double>(taken_bytes - window_taken_bytes_) < wanted_bytes;
  if (too_slow) return Verdict::too_slow;
  window_began_ms_ = now_ms;
  window_taken_bytes_ = taken_bytes;
  excused_ms_ = 0;
  return Verdict::in_time;
}

int64_t SendWatch::next_look_ms(const Limits& limits) const {
  const int64_t silent_ms = moved_ms_ + limits.timeout_ms;
  if (limits.rate_bytes_per_s == 0) return silent_ms;
  return std::min(silent_ms, window_began_ms_ + excused_ms_ + limits.timeout_ms);
}

}  // namespace ringserve::clients
