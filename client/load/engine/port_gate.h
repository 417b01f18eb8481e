// What happens when no ephemeral port is free: instead of every slot trying again and again (each
// attempt searches the whole range), one tries at a time, and those behind it follow while ports
// are found. So the run goes on at the rate at which ports come free. Pure bookkeeping.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace ringload {

class PortGate {
 public:
  static constexpr int64_t kRetryNs = 50'000'000;

  // `sources`: an attempt is made from each before ports count as exhausted.
  explicit PortGate(unsigned sources) : sources_(sources) {}

  bool closed() const { return closed_; }
  void wait(uint32_t slot) { waiting_.push_back(slot); }
  void wait_first(uint32_t slot) { waiting_.push_front(slot); }

  // After EADDRNOTAVAIL. True when every source has been tried in a row: exhausted.
  bool failed(int64_t now_ns) {
    closed_ = true;
    probing_.reset();
    if (++failures_ < sources_) {
      next_try_ns_ = now_ns;
      return false;
    }
    failures_ = 0;
    next_try_ns_ = now_ns + kRetryNs;
    return true;
  }

  // After a connect() that found a port, whatever else became of it, or was never made.
  void found_port(int64_t now_ns) {
    failures_ = 0;
    probing_.reset();
    next_try_ns_ = now_ns;
    if (waiting_.empty()) closed_ = false;
  }

  // The slot that tries. If the kernel has not refused its connect() at once, it has a port.
  std::optional<uint32_t> probing() const { return probing_; }

  // When to call next() again; none while nobody waits or an attempt is under way.
  std::optional<int64_t> due_ns() const {
    if (waiting_.empty() || probing_) return std::nullopt;
    return next_try_ns_;
  }

  // The slot that may try now, if one may.
  std::optional<uint32_t> next(int64_t now_ns) {
    if (waiting_.empty() || probing_ || now_ns < next_try_ns_) return std::nullopt;
    const uint32_t slot = waiting_.front();
    waiting_.pop_front();
    probing_ = slot;
    return slot;
  }

 private:
  std::deque<uint32_t> waiting_;
  unsigned sources_;
  unsigned failures_ = 0;
  bool closed_ = false;
  std::optional<uint32_t> probing_;  // the slot whose attempt is under way
  int64_t next_try_ns_ = 0;
};

}  // namespace ringload
