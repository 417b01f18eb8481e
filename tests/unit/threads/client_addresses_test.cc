// The table of addresses: what it counts, what it forgets, and that it has a bound.
#include "server/clients/addresses.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ringserve::clients {
namespace {

Prefix host(uint64_t bits) { return {Prefix::Kind::ipv4, bits}; }

class ClientAddresses : public ::testing::Test {
 protected:
  Addresses addresses_;
  const RequestRate rate_ = RequestRate::of(1, 5);
};

TEST_F(ClientAddresses, count_the_connections_of_each) {
  auto first = addresses_.enter(host(1), 2, 0);
  auto second = addresses_.enter(host(1), 2, 0);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(addresses_.enter(host(1), 2, 0));
  auto other = addresses_.enter(host(2), 2, 0);
  EXPECT_TRUE(other);
  EXPECT_TRUE(addresses_.enter(host(1), 0, 0)) << "without a limit";
  first.leave(0);
  EXPECT_TRUE(addresses_.enter(host(1), 2, 0));
}

TEST_F(ClientAddresses, are_forgotten_with_their_last_connection) {
  auto first = addresses_.enter(host(1), 0, 0);
  auto second = addresses_.enter(host(1), 0, 0);
  EXPECT_EQ(addresses_.count(0), 1U);
  first.leave(0);
  EXPECT_EQ(addresses_.count(0), 1U);
  second = {};
  EXPECT_EQ(addresses_.count(0), 0U);
}

TEST_F(ClientAddresses, keep_an_emptied_bucket_until_it_is_full_again) {
  auto one = addresses_.enter(host(1), 0, 0);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(one.admits(rate_, 0));
  EXPECT_FALSE(one.admits(rate_, 0));
  one.leave(0);
  EXPECT_EQ(addresses_.count(kSecondNs), 1U);
  one = addresses_.enter(host(1), 0, kSecondNs);
  EXPECT_TRUE(one.admits(rate_, kSecondNs)) << "a second has passed";
  EXPECT_FALSE(one.admits(rate_, kSecondNs));
  one.leave(kSecondNs);
  EXPECT_EQ(addresses_.count(6 * kSecondNs - 1), 1U);
  EXPECT_EQ(addresses_.count(6 * kSecondNs), 0U);
}

TEST_F(ClientAddresses, that_come_and_go_make_room_without_being_counted) {
  for (uint64_t i = 0; i < 10'000; ++i) {
    const auto now_ns = static_cast<int64_t>(i) * kSecondNs;
    auto one = addresses_.enter(host(i), 0, now_ns);
    EXPECT_TRUE(one.admits(rate_, now_ns));
    one.leave(now_ns);
  }
  // Those of the last moment, and in each shard what nobody has come to since.
  EXPECT_LT(addresses_.count(0), 5 * Addresses::kShards);
}

TEST_F(ClientAddresses, without_connections_have_a_bound_and_the_last_are_kept) {
  constexpr uint64_t kMany = 3 * Addresses::kRestingMax;
  for (uint64_t i = 0; i < kMany; ++i) {
    auto one = addresses_.enter(host(i), 0, 0);
    for (int n = 0; n < 5; ++n) EXPECT_TRUE(one.admits(rate_, 0));
    one.leave(0);
  }
  EXPECT_EQ(addresses_.count(0), Addresses::kRestingMax);
  EXPECT_FALSE(addresses_.enter(host(kMany - 1), 0, 0).admits(rate_, 0));
  EXPECT_TRUE(addresses_.enter(host(0), 0, 0).admits(rate_, 0)) << "forgotten early";
}

TEST_F(ClientAddresses, with_connections_are_never_forgotten) {
  auto held = addresses_.enter(host(0), 1, 0);
  for (uint64_t i = 1; i < 2 * Addresses::kRestingMax; ++i) {
    auto one = addresses_.enter(host(i), 0, 0);
    EXPECT_TRUE(one.admits(rate_, 0));
    one.leave(0);
  }
  EXPECT_FALSE(addresses_.enter(host(0), 1, 0));
}

TEST_F(ClientAddresses, are_shared_by_threads) {
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (uint64_t i = 0; i < 5000; ++i) {
        auto one = addresses_.enter(host(i % 7), 2, 0);
        if (one) one.admits(rate_, 0);
        auto two = addresses_.enter(host(i % 5), 0, 0);
        two.leave(kSecondNs);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(addresses_.count(INT64_MAX), 0U);
}

}  // namespace
}  // namespace ringserve::clients
