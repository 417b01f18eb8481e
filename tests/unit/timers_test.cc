// The timer wheel: never early, at most a tick late, and cheap to postpone.
#include "server/timers.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace ringserve {
namespace {

std::vector<uint32_t> fired(TimerWheel& wheel, int64_t now_ms) {
  std::vector<uint32_t> slots;
  wheel.advance(now_ms, [&](uint32_t slot) { slots.push_back(slot); });
  return slots;
}

TEST(TimerWheel, fires_when_the_time_has_come) {
  TimerWheel wheel(0);
  wheel.set(3, 1000);
  EXPECT_TRUE(fired(wheel, 999).empty());
  EXPECT_EQ(fired(wheel, 1000 + TimerWheel::kTickMs), std::vector<uint32_t>{3});
  EXPECT_TRUE(fired(wheel, 100'000).empty()) << "only once";
}

TEST(TimerWheel, can_be_moved_both_ways) {
  TimerWheel wheel(0);
  wheel.set(0, 1000);
  wheel.set(0, 5000);
  EXPECT_TRUE(fired(wheel, 4999).empty());
  wheel.set(0, 60'000);
  wheel.set(0, 6000);
  EXPECT_EQ(fired(wheel, 6000 + TimerWheel::kTickMs), std::vector<uint32_t>{0});
}

TEST(TimerWheel, forgets_what_is_cancelled) {
  TimerWheel wheel(0);
  wheel.set(0, 1000);
  wheel.cancel(0);
  wheel.cancel(17);
  EXPECT_EQ(wheel.wait_ms(0), -1);
  EXPECT_TRUE(fired(wheel, 100'000).empty());
}

TEST(TimerWheel, reaches_beyond_one_turn) {
  TimerWheel wheel(0);
  const int64_t turn_ms = TimerWheel::kTickMs * TimerWheel::kTicks;
  wheel.set(0, 3 * turn_ms);
  for (int64_t now_ms = 0; now_ms < 3 * turn_ms; now_ms += 5000) {
    ASSERT_TRUE(fired(wheel, now_ms).empty()) << now_ms;
  }
  EXPECT_EQ(fired(wheel, 3 * turn_ms + TimerWheel::kTickMs).size(), 1u);
}

TEST(TimerWheel, loses_nothing_when_time_jumps) {
  TimerWheel wheel(0);
  for (uint32_t slot = 0; slot < 2000; ++slot) wheel.set(slot, 1 + slot * 97);
  EXPECT_EQ(fired(wheel, 10'000'000).size(), 2000u);
}

// Against a plain map of deadlines, with random operations.
TEST(TimerWheel, agrees_with_a_simple_model) {
  std::mt19937 random(7);
  TimerWheel wheel(0);
  std::map<uint32_t, int64_t> model;
  int64_t now_ms = 0;
  for (int step = 0; step < 20'000; ++step) {
    const auto slot = static_cast<uint32_t>(random() % 50);
    if (random() % 4 == 0) {
      wheel.cancel(slot);
      model.erase(slot);
    } else {
      const int64_t deadline_ms = now_ms + static_cast<int64_t>(random() % 300'000);
      wheel.set(slot, deadline_ms);
      model[slot] = deadline_ms;
    }
    const int64_t wait_ms = wheel.wait_ms(now_ms);
    ASSERT_EQ(wait_ms < 0, model.empty());
    now_ms += random() % 3 == 0 ? wait_ms > 0 ? wait_ms : 0 : static_cast<int64_t>(random() % 50);
    for (const uint32_t due : fired(wheel, now_ms)) {
      ASSERT_TRUE(model.count(due));
      ASSERT_LE(model[due], now_ms) << "early";
      model.erase(due);
    }
    for (const auto& [late, deadline_ms] : model) {
      ASSERT_GT(deadline_ms + 2 * TimerWheel::kTickMs, now_ms) << "slot " << late << " is late";
    }
  }
}

}  // namespace
}  // namespace ringserve
