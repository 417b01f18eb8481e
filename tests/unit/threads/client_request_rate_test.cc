// The arithmetic of the bucket.
#include "server/clients/request_rate.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ringserve::clients {
namespace {

// How many of `count` requests at one moment get through.
int admitted(const RequestRate& rate, int64_t now_ns, int64_t& full_at_ns, int count) {
  int through = 0;
  for (int i = 0; i < count; ++i) through += take_token(rate, now_ns, full_at_ns) ? 1 : 0;
  return through;
}

TEST(RequestRate, a_full_bucket_holds_the_burst) {
  int64_t full_at_ns = 0;
  EXPECT_EQ(admitted(RequestRate::of(10, 25), kSecondNs, full_at_ns, 100), 25);
  full_at_ns = 0;
  EXPECT_EQ(admitted(RequestRate::of(10, 0), kSecondNs, full_at_ns, 100), 10) << "of a second";
  full_at_ns = 0;
  EXPECT_EQ(admitted(RequestRate::of(1, 1), kSecondNs, full_at_ns, 100), 1);
}

TEST(RequestRate, tokens_come_back_at_the_rate) {
  const RequestRate rate = RequestRate::of(10, 25);
  int64_t full_at_ns = 0;
  admitted(rate, kSecondNs, full_at_ns, 100);
  EXPECT_EQ(admitted(rate, kSecondNs + kSecondNs / 10 - 1, full_at_ns, 100), 0);
  EXPECT_EQ(admitted(rate, kSecondNs + kSecondNs / 10, full_at_ns, 100), 1);
  EXPECT_EQ(admitted(rate, 2 * kSecondNs, full_at_ns, 100), 9);
  EXPECT_EQ(admitted(rate, 1000 * kSecondNs, full_at_ns, 100), 25) << "no more than the burst";
}

TEST(RequestRate, in_the_long_run_no_more_than_the_rate_gets_through) {
  const RequestRate rate = RequestRate::of(1000, 7);
  int64_t full_at_ns = 0;
  int through = 0;
  for (int64_t now_ns = 0; now_ns < kSecondNs; now_ns += 100'000) {
    through += admitted(rate, now_ns, full_at_ns, 1);
  }
  EXPECT_GE(through, 1000);
  EXPECT_LE(through, 1007);
}

TEST(RequestRate, a_refusal_costs_no_token) {
  const RequestRate rate = RequestRate::of(1, 1);
  int64_t full_at_ns = 0;
  EXPECT_EQ(admitted(rate, 0, full_at_ns, 1000), 1);
  EXPECT_EQ(admitted(rate, kSecondNs, full_at_ns, 1), 1);
}

TEST(RequestRate, another_rate_does_not_wait_for_the_debts_of_the_old_one) {
  int64_t full_at_ns = 0;
  admitted(RequestRate::of(1, 1000), 0, full_at_ns, 1000);
  ASSERT_EQ(full_at_ns, 1000 * kSecondNs);
  EXPECT_EQ(admitted(RequestRate::of(10, 10), 0, full_at_ns, 100), 0);
  EXPECT_EQ(admitted(RequestRate::of(10, 10), kSecondNs / 10, full_at_ns, 100), 1);
  EXPECT_EQ(admitted(RequestRate::of(10, 10), kSecondNs, full_at_ns, 100), 9);
}

TEST(RequestRate, the_highest_and_the_lowest_fit) {
  const RequestRate most = RequestRate::of(1'000'000, 1'000'000);
  EXPECT_EQ(most.interval_ns, 1000);
  EXPECT_EQ(most.burst_ns, kSecondNs);
  EXPECT_EQ(RequestRate::of(1, 1'000'000).burst_ns, 1'000'000 * kSecondNs);
  EXPECT_FALSE(RequestRate::of(0, 5).is_on());
}

TEST(RequestRate, threads_share_a_bucket) {
  const RequestRate rate = RequestRate::of(1, 1000);
  std::atomic<int64_t> full_at_ns = 0;
  std::atomic<int> through = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) through += take_token(rate, kSecondNs, full_at_ns) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(through.load(), 1000);
}

}  // namespace
}  // namespace ringserve::clients
