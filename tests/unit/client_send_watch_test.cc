// When a client is too slow, and when it is not its fault.
#include "server/clients/send_watch.h"

#include <gtest/gtest.h>

namespace ringserve::clients {
namespace {

using Verdict = SendWatch::Verdict;
using Waits = SendWatch::Waits;

constexpr SendWatch::Limits kLimits{10'000, 100};  // 1000 bytes in 10 s
constexpr SendWatch::Limits kNoRate{10'000, 0};

class SendWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    watch_.begin(0, 0);
    watch_.moved(0, Waits::for_client);
  }
  Verdict look(int64_t now_ms, int64_t taken_bytes, const SendWatch::Limits& limits = kLimits) {
    return watch_.look(now_ms, taken_bytes, false, limits);
  }
  SendWatch watch_;
};

TEST_F(SendWatchTest, a_client_that_takes_nothing_is_silent) {
  EXPECT_EQ(watch_.next_look_ms(kLimits), 10'000);
  EXPECT_EQ(look(9'999, 0), Verdict::in_time);
  EXPECT_EQ(look(10'000, 0), Verdict::silent);
}

TEST_F(SendWatchTest, what_is_acknowledged_breaks_the_silence) {
  EXPECT_EQ(look(10'000, 1, kNoRate), Verdict::in_time);
  EXPECT_EQ(watch_.next_look_ms(kNoRate), 20'000);
  EXPECT_EQ(look(20'000, 1, kNoRate), Verdict::silent);
}

TEST_F(SendWatchTest, a_drop_now_and_then_is_too_slow) {
  watch_.moved(9'000, Waits::for_client);
  EXPECT_EQ(look(10'000, 999), Verdict::too_slow);
}

TEST_F(SendWatchTest, the_rate_is_an_average) {
  watch_.moved(9'999, Waits::for_client);
  EXPECT_EQ(look(10'000, 1000), Verdict::in_time) << "all of it at the last moment";
  EXPECT_EQ(watch_.next_look_ms(kLimits), 20'000);
  EXPECT_EQ(look(20'000, 1999), Verdict::too_slow) << "the next window begins anew";
}

TEST_F(SendWatchTest, a_late_look_asks_for_more) {
  EXPECT_EQ(look(15'000, 1499), Verdict::too_slow);
}

TEST_F(SendWatchTest, without_a_minimum_a_drop_is_enough) {
  for (int64_t i = 1; i < 100; ++i) EXPECT_EQ(look(9'000 * i, i, kNoRate), Verdict::in_time);
}

TEST_F(SendWatchTest, time_that_waits_for_us_is_not_the_clients) {
  watch_.moved(1'000, Waits::for_us);
  watch_.moved(9'000, Waits::for_client);
  EXPECT_EQ(look(10'000, 10), Verdict::in_time);
  EXPECT_EQ(watch_.next_look_ms(kLimits), 18'000);
  EXPECT_EQ(look(17'999, 20), Verdict::in_time);
  EXPECT_EQ(look(18'000, 30), Verdict::too_slow);
}

TEST_F(SendWatchTest, a_wait_for_us_that_goes_on_postpones_the_next_look) {
  watch_.moved(1'000, Waits::for_us);
  EXPECT_EQ(look(10'000, 10), Verdict::in_time);
  EXPECT_EQ(watch_.next_look_ms(kLimits), 19'000);
}

TEST_F(SendWatchTest, who_has_taken_all_there_was_is_not_slow) {
  watch_.moved(9'000, Waits::for_client);
  EXPECT_EQ(watch_.look(10'000, 10, true, kLimits), Verdict::in_time);
}

TEST_F(SendWatchTest, counts_on_through_the_parts_of_a_response) {
  watch_.shift(400);  // it was sent 400; the next part counts from 0
  EXPECT_EQ(look(10'000, 599), Verdict::too_slow);
  watch_.reset();
  watch_.begin(0, 0);
  watch_.shift(400);
  EXPECT_EQ(look(10'000, 600), Verdict::in_time);
}

}  // namespace
}  // namespace ringserve::clients
