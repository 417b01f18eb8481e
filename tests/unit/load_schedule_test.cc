// When requests are due: constant rates, ramps, several stages.
#include "client/load/engine/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ringload {
namespace {

constexpr double kForever = std::numeric_limits<double>::infinity();

TEST(Schedule, a_constant_rate_is_evenly_spaced) {
  Schedule schedule({{1000, 1000, kForever}});
  EXPECT_EQ(schedule.due_ns(0), 0);
  EXPECT_EQ(schedule.due_ns(1), 1'000'000);
  EXPECT_EQ(schedule.due_ns(3'600'000), 3'600'000'000'000);
  EXPECT_DOUBLE_EQ(schedule.count_until(2.5), 2500);
}

TEST(Schedule, a_ramp_has_as_many_requests_as_the_area_below_it) {
  Schedule schedule({{0, 100, 10}});
  EXPECT_DOUBLE_EQ(schedule.count_until(10), 500);
  EXPECT_DOUBLE_EQ(schedule.count_until(5), 125);
  // Request 125 is due when 125 lie behind.
  EXPECT_NEAR(static_cast<double>(schedule.due_ns(125)), 5e9, 1);
}

TEST(Schedule, the_last_rate_goes_on) {
  Schedule schedule({{10, 20, 2}, {20, 5, 1}});
  EXPECT_DOUBLE_EQ(schedule.count_until(3), 30 + 12.5);
  EXPECT_DOUBLE_EQ(schedule.count_until(5), 30 + 12.5 + 10);
}

TEST(Schedule, due_times_never_go_back_and_invert_the_count) {
  Schedule schedule({{100, 1000, 3}, {1000, 1000, 2}, {1000, 10, 4}, {10, 0, 1}});
  int64_t before = -1;
  const auto last = static_cast<uint64_t>(schedule.count_until(9.9));
  for (uint64_t i = 0; i < last; ++i) {
    const int64_t due = schedule.due_ns(i);
    ASSERT_GT(due, before) << "request " << i;
    ASSERT_NEAR(schedule.count_until(static_cast<double>(due) / 1e9), static_cast<double>(i), 1e-3);
    before = due;
  }
}

TEST(Schedule, a_rate_that_falls_to_nothing_has_no_further_request) {
  Schedule schedule({{10, 0, 1}});
  EXPECT_EQ(schedule.due_ns(1000), std::numeric_limits<int64_t>::max());
}

TEST(Schedule, asks_in_any_order_agree) {
  Schedule forward({{10, 100, 2}, {100, 100, kForever}});
  const int64_t early = forward.due_ns(5);
  const int64_t late = forward.due_ns(500);
  EXPECT_EQ(forward.due_ns(5), early);
  EXPECT_EQ(forward.due_ns(500), late);
}

TEST(Schedule, values_follow_the_stages) {
  const std::vector<Stage> stages = {{10, 20, 10}, {50, 50, 5}};
  EXPECT_DOUBLE_EQ(value_at(stages, 0), 10);
  EXPECT_DOUBLE_EQ(value_at(stages, 5), 15);
  EXPECT_DOUBLE_EQ(value_at(stages, 12), 50);
  EXPECT_DOUBLE_EQ(value_at(stages, 99), 50);
  EXPECT_DOUBLE_EQ(total_duration_s(stages), 15);
}

}  // namespace
}  // namespace ringload
