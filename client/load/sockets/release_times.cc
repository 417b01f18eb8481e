// The slots of ReleaseTimes. Pure arithmetic; it never forgets a port, only the time of it beyond
// its horizon.
#include "client/load/sockets/release_times.h"

#include <algorithm>

namespace ringload {

size_t ReleaseTimes::slot_of(double at_s) const {
  return static_cast<size_t>(std::clamp(at_s - start_s_, 0.0, kHorizonS) / kSlotS);
}

void ReleaseTimes::add(double at_s, uint64_t ports) {
  if (ports == 0) return;
  const size_t slot = slot_of(at_s);
  if (slot >= slots_.size()) slots_.resize(slot + 1);
  slots_[slot] += ports;
}

uint64_t ReleaseTimes::held(double now_s) const {
  uint64_t ports = 0;
  for (size_t slot = slot_of(now_s); slot < slots_.size(); ++slot) ports += slots_[slot];
  return ports;
}

std::optional<double> ReleaseTimes::next_in_s(double now_s) const {
  for (size_t slot = slot_of(now_s); slot < slots_.size(); ++slot) {
    if (slots_[slot] > 0) return start_s_ + static_cast<double>(slot + 1) * kSlotS - now_s;
  }
  return std::nullopt;
}

std::vector<uint64_t> ReleaseTimes::per_second(double now_s) const {
  std::vector<uint64_t> seconds;
  for (size_t slot = slot_of(now_s); slot < slots_.size(); ++slot) {
    if (slots_[slot] == 0) continue;
    const double in_s = start_s_ + static_cast<double>(slot) * kSlotS - now_s;
    const auto second = static_cast<size_t>(std::max(0.0, in_s));
    if (second >= seconds.size()) seconds.resize(second + 1);
    seconds[second] += slots_[slot];
  }
  return seconds;
}

}  // namespace ringload
