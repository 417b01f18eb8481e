// Whether a client takes its response fast enough. Two limits: some byte within the send timeout,
// and, averaged over as long, a minimum rate. What counts is what the client's kernel has
// acknowledged, not what our socket's buffer has room for; and the time that a response waits for
// our disk, or for a buffer of ours, is not the client's. Pure; one thread; milliseconds of
// CLOCK_MONOTONIC.
#pragma once

#include <cstdint>

namespace ringserve::clients {

class SendWatch {
 public:
  struct Limits {
    int64_t timeout_ms = 0;         // more than 0
    uint64_t rate_bytes_per_s = 0;  // 0: no minimum
  };
  enum class Verdict { in_time, silent, too_slow };
  enum class Waits { for_client, for_us };

  // `taken_bytes`: sent less what the client has not acknowledged; only differences count.
  void begin(int64_t now_ms, int64_t taken_bytes);
  // The response has moved on and waits again.
  void moved(int64_t now_ms, Waits waits);
  // From now on `taken_bytes` counts from another beginning, `bytes` later.
  void shift(int64_t bytes);

  // `all_taken`: the client has acknowledged all that it was sent so far.
  Verdict look(int64_t now_ms, int64_t taken_bytes, bool all_taken, const Limits& limits);
  // No verdict can fall earlier.
  int64_t next_look_ms(const Limits& limits) const;

  void reset() { *this = {}; }

 private:
  int64_t excused_ms(int64_t now_ms) const;

  int64_t moved_ms_ = 0;         // when something was last seen to move
  int64_t window_began_ms_ = 0;  // the present average
  int64_t window_taken_bytes_ = 0;
  int64_t taken_bytes_ = 0;       // when it was last looked at
  int64_t excused_ms_ = 0;        // of the window: it waited for us
  int64_t excused_since_ms_ = 0;  // it does now, if is_excused_
  bool is_excused_ = false;
};

}  // namespace ringserve::clients
