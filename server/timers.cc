// The wheel's lists. A slot is in at most one bucket, no later than its deadline's tick.
#include "server/timers.h"

#include <algorithm>
#include <bit>

#include "common/check.h"

namespace ringserve {

int64_t TimerWheel::tick_of(int64_t deadline_ms) const {
  const int64_t tick = deadline_ms / kTickMs + 1;  // rounded up: never early
  return std::clamp(tick, done_tick_ + 1, done_tick_ + kTicks - 1);
}

void TimerWheel::set(uint32_t slot, int64_t deadline_ms) {
  CHECK(deadline_ms >= 0);
  if (slot >= nodes_.size()) nodes_.resize(slot + 1);
  Node& node = nodes_[slot];
  const bool earlier = deadline_ms < node.deadline_ms;
  node.deadline_ms = deadline_ms;
  if (node.linked && !earlier) return;
  if (node.linked) unlink(slot);
  link(slot);
}

void TimerWheel::cancel(uint32_t slot) {
  if (slot >= nodes_.size()) return;
  nodes_[slot].deadline_ms = kUnset;
  if (nodes_[slot].linked) unlink(slot);
}

void TimerWheel::link(uint32_t slot) {
  Node& node = nodes_[slot];
  node.bucket = static_cast<uint16_t>(tick_of(node.deadline_ms) % kTicks);
  node.previous = kNone;
  node.next = heads_[node.bucket];
  if (node.next != kNone) nodes_[node.next].previous = slot;
  heads_[node.bucket] = slot;
  node.linked = true;
  occupied_[node.bucket / 64] |= uint64_t{1} << (node.bucket % 64);
}

void TimerWheel::unlink(uint32_t slot) {
  Node& node = nodes_[slot];
  if (node.previous != kNone) {
    nodes_[node.previous].next = node.next;
  } else {
    heads_[node.bucket] = node.next;
    if (node.next == kNone) occupied_[node.bucket / 64] &= ~(uint64_t{1} << (node.bucket % 64));
  }
  if (node.next != kNone) nodes_[node.next].previous = node.previous;
  node.linked = false;
}

void TimerWheel::take_bucket(unsigned bucket) {
  due_.clear();
  while (heads_[bucket] != kNone) {
    due_.push_back(heads_[bucket]);
    unlink(heads_[bucket]);
  }
}

int64_t TimerWheel::wait_ms(int64_t now_ms) const {
  const auto start = static_cast<unsigned>((done_tick_ + 1) % kTicks);
  constexpr unsigned kWords = kTicks / 64;
  for (unsigned i = 0; i <= kWords; ++i) {
    const unsigned word = (start / 64 + i) % kWords;
    uint64_t bits = occupied_[word];
    if (i == 0) bits &= ~uint64_t{0} << (start % 64);
    if (i == kWords) bits &= ~(~uint64_t{0} << (start % 64));
    if (bits == 0) continue;
    const unsigned bucket = word * 64 + static_cast<unsigned>(std::countr_zero(bits));
    const int64_t ticks_ahead = 1 + (bucket + kTicks - start) % kTicks;
    return std::max<int64_t>((done_tick_ + ticks_ahead) * kTickMs - now_ms, 0);
  }
  return -1;
}

}  // namespace ringserve
