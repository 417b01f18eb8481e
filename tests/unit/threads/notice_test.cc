// What the log says once in a while: once at first, and once for each period, in all threads.
#include "server/notice.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ringserve {
namespace {

TEST(Notice, is_due_at_first_and_after_each_period) {
  constexpr int64_t kStartMs = 5'000;
  Notice notice;
  EXPECT_TRUE(notice.due(kStartMs));
  EXPECT_FALSE(notice.due(kStartMs));
  EXPECT_FALSE(notice.due(kStartMs + Notice::kPeriodMs - 1));
  EXPECT_TRUE(notice.due(kStartMs + Notice::kPeriodMs));
  EXPECT_FALSE(notice.due(kStartMs + Notice::kPeriodMs + 1));
}

TEST(Notice, is_due_for_one_of_many_threads) {
  Notice notice;
  std::atomic<int> times = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 1000; ++round) times += notice.due(round);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(times.load(), 1);
}

}  // namespace
}  // namespace ringserve
