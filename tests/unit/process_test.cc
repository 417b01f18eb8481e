// How workers share sockets, and when a service manager gets its sign of life.
#include <gtest/gtest.h>

#include "server/process/listeners.h"
#include "server/process/watchdog.h"

namespace {

using ringserve::process::Share;
using ringserve::process::share_sockets;
using ringserve::process::Watchdog;
using namespace std::chrono_literals;

TEST(ShareSockets, as_many_as_workers_are_one_each) {
  const auto shares = share_sockets(2, 2);
  EXPECT_EQ(shares[0], (std::vector<Share>{{0, false}}));
  EXPECT_EQ(shares[1], (std::vector<Share>{{1, false}}));
}

TEST(ShareSockets, fewer_than_workers_are_shared_where_they_must_be) {
  const auto shares = share_sockets(2, 3);
  EXPECT_EQ(shares[0], (std::vector<Share>{{0, true}}));
  EXPECT_EQ(shares[1], (std::vector<Share>{{1, false}}));
  EXPECT_EQ(shares[2], (std::vector<Share>{{0, true}}));
}

TEST(ShareSockets, more_than_workers_all_have_a_worker) {
  const auto shares = share_sockets(5, 2);
  EXPECT_EQ(shares[0], (std::vector<Share>{{0, false}, {2, false}, {4, false}}));
  EXPECT_EQ(shares[1], (std::vector<Share>{{1, false}, {3, false}}));
}

TEST(ShareSockets, every_worker_has_one_and_every_socket_a_worker) {
  for (size_t sockets = 1; sockets <= 9; ++sockets) {
    for (unsigned workers = 1; workers <= 9; ++workers) {
      std::vector<unsigned> users(sockets);
      const auto shares = share_sockets(sockets, workers);
      for (const auto& of_worker : shares) {
        EXPECT_FALSE(of_worker.empty());
        for (const Share& share : of_worker) ++users[share.socket];
      }
      for (const auto& of_worker : shares) {
        for (const Share& share : of_worker) EXPECT_EQ(share.shared, users[share.socket] > 1);
      }
      for (const unsigned count : users) EXPECT_GT(count, 0U) << sockets << " for " << workers;
    }
  }
}

TEST(ServerWatchdog, asks_four_times_in_the_period) {
  Watchdog watchdog;
  const Watchdog::Clock::time_point start{};
  EXPECT_FALSE(watchdog.is_due(start + 1h)) << "nobody wants it";
  watchdog.start(4'000'000, start);
  EXPECT_TRUE(watchdog.is_due(start));
  watchdog.look({0, 0}, start);
  EXPECT_FALSE(watchdog.is_due(start + 999ms));
  EXPECT_TRUE(watchdog.is_due(start + 1s));
}

TEST(ServerWatchdog, gives_no_sign_while_a_worker_owes_an_answer) {
  Watchdog watchdog;
  const Watchdog::Clock::time_point now{};
  watchdog.start(4'000'000, now);
  EXPECT_TRUE(watchdog.look({0, 0}, now)) << "nobody was asked yet";
  EXPECT_FALSE(watchdog.look({1, 0}, now)) << "one hangs";
  EXPECT_FALSE(watchdog.look({1, 0}, now)) << "and goes on hanging";
  EXPECT_TRUE(watchdog.look({1, 1}, now)) << "and is back";
  EXPECT_FALSE(watchdog.look({1, 1}, now)) << "asked anew, and owes again";
}

}  // namespace
