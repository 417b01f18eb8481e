// One deadline per slot, in a wheel of ticks. Moving a deadline later, which every request does,
// is one store: the slot is looked at when its old tick comes and is then put where it belongs.
// One thread; times are milliseconds of CLOCK_MONOTONIC. A deadline fires up to one tick late,
// never early.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace ringserve {

class TimerWheel {
 public:
  static constexpr int64_t kTickMs = 125;
  static constexpr unsigned kTicks = 1024;  // one turn is 128 s; later deadlines go round again

  explicit TimerWheel(int64_t now_ms) : done_tick_(now_ms / kTickMs) {}

  void set(uint32_t slot, int64_t deadline_ms);
  void cancel(uint32_t slot);

  // Calls fire(slot) for each slot whose deadline has passed; the slot is unset before the call.
  template <typename Fire>
  void advance(int64_t now_ms, Fire&& fire) {
    const int64_t now_tick = now_ms / kTickMs;
    if (now_tick <= done_tick_) return;
    const int64_t first = now_tick - done_tick_ > kTicks ? now_tick - kTicks + 1 : done_tick_ + 1;
    done_tick_ = now_tick;
    for (int64_t tick = first; tick <= now_tick; ++tick) {
      take_bucket(static_cast<unsigned>(tick % kTicks));
      for (const uint32_t slot : due_) {
        if (nodes_[slot].deadline_ms < 0 || nodes_[slot].linked) continue;  // cancelled or moved
        if (nodes_[slot].deadline_ms > now_ms) {
          link(slot);
          continue;
        }
        nodes_[slot].deadline_ms = kUnset;
        fire(slot);
      }
    }
  }

  // Milliseconds until some slot has to be looked at; -1 if none is set.
  int64_t wait_ms(int64_t now_ms) const;

 private:
  static constexpr int64_t kUnset = -1;
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Node {
    int64_t deadline_ms = kUnset;
    uint32_t next = kNone;
    uint32_t previous = kNone;
    uint16_t bucket = 0;
    bool linked = false;
  };

  int64_t tick_of(int64_t deadline_ms) const;
  void link(uint32_t slot);
  void unlink(uint32_t slot);
  void take_bucket(unsigned bucket);  // moves its slots to due_

  int64_t done_tick_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> due_;
  std::array<uint32_t, kTicks> heads_ = filled_with_none();
  std::array<uint64_t, kTicks / 64> occupied_{};

  static constexpr std::array<uint32_t, kTicks> filled_with_none() {
    std::array<uint32_t, kTicks> heads{};
    heads.fill(kNone);
    return heads;
  }
};

}  // namespace ringserve
