// How many ports come free when: a calendar of a few minutes in slots of 50 ms, so that what one
// look at the sockets found can be carried on between looks. Times are seconds of one steady clock.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace ringload {

class ReleaseTimes {
 public:
  // Slots begin at `start_s`; releases before it count as the first slot's.
  explicit ReleaseTimes(double start_s = 0) : start_s_(start_s) {}

  void add(double at_s, uint64_t ports);
  // Ports still held at `now_s`, that is, due in the slot of `now_s` or later.
  uint64_t held(double now_s) const;
  // From `now_s` to the end of the first slot that still holds something: > 0, none if none does.
  std::optional<double> next_in_s(double now_s) const;
  // [i] is how many come free between i and i + 1 seconds from `now_s`.
  std::vector<uint64_t> per_second(double now_s) const;

 private:
  static constexpr double kSlotS = 0.05;
  // Far more than TIME_WAIT can last; later releases count as the last slot's.
  static constexpr double kHorizonS = 600;

  size_t slot_of(double at_s) const;

  double start_s_;
  std::vector<uint64_t> slots_;  // grows up to the last slot that was asked for
};

}  // namespace ringload
