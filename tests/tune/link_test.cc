// The slow link between two networks: what it delays, limits and loses, seen from the sockets at
// its ends. Times are asserted on the side only on which a busy machine cannot break them.
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

#include "common/net/delayed_link.h"
#include "common/net/networks.h"
#include "common/net/private_network.h"
#include "common/net/require.h"
#include "common/net/tcp_counters.h"
#include "common/net/verbs.h"

namespace {

using namespace net::verbs;
using net::DelayedLink;
using net::LinkOptions;
using net::OwnedFd;

class Link : public testing::Test {
 protected:
  void SetUp() override {
    // As an ordinary user would have it, whoever runs the tests.
    static const net::Status user = net::enter_private_user();
    if (!user) GTEST_SKIP() << user.error().message();
    net::require(net::enter_private_network());
    near_ = net::require(net::make_network());
    far_ = net::require(net::make_network());
  }

  // Whether there is one; without /dev/net/tun the test is skipped, with the reason.
  bool lay(const LinkOptions& options) {
    link_.reset();
    auto link = DelayedLink::make(near_, far_, options);
    if (link) link_ = std::move(*link);
    no_link_ = link ? std::string() : link.error().message();
    return link_ != nullptr;
  }

  template <typename Work>
  static auto in(const OwnedFd& network, Work work) {
    const auto scope = net::require(net::NetworkScope::enter(network));
    return work();
  }

  static net::Address far_address(uint16_t port = 0) {
    return at(DelayedLink::kFarHost + (":" + std::to_string(port)));
  }
  OwnedFd far_listener() {
    return in(far_, [] { return listen_on(far_address()); });
  }
  OwnedFd connect_from_near(const OwnedFd& listener) {
    return in(near_, [&] { return connect_to(local_of(listener)); });
  }

  // Datagrams with the numbers from 0, and which of them came.
  std::set<int> datagrams_that_arrive(int count, size_t bytes = 100) {
    const OwnedFd receiver = in(far_, [] { return udp_at(far_address()); });
    const OwnedFd sender = in(near_, [] { return udp_socket(); });
    const uint64_t before = link_->toward_far().arrived;
    for (int i = 0; i < count; ++i) {
      std::string text = std::to_string(i);
      text.resize(bytes, ' ');
      send_to(sender, local_of(receiver), text);
    }
    await("every datagram has come to its end", [&] {
      const net::LinkCounts counts = link_->toward_far();
      return counts.arrived == before + static_cast<uint64_t>(count) &&
             counts.arrived == counts.forwarded + counts.lost + counts.dropped + counts.refused;
    });
    std::set<int> arrived;
    while (has_event(receiver, POLLIN, std::chrono::milliseconds(0))) {
      arrived.insert(std::stoi(receive_datagram(receiver).bytes));
    }
    return arrived;
  }

  OwnedFd near_;
  OwnedFd far_;
  std::unique_ptr<DelayedLink> link_;
  std::string no_link_;
};

#define LAY_OR_SKIP(...) \
  if (!lay(__VA_ARGS__)) GTEST_SKIP() << no_link_

TEST_F(Link, a_round_trip_takes_twice_the_delay_at_least) {
  constexpr unsigned kDelay_us = 20'000;
  LAY_OR_SKIP({.delay_us = kDelay_us});
  const OwnedFd listener = far_listener();
  const OwnedFd client = connect_from_near(listener);
  const OwnedFd server = accept_from(listener);
  for (int i = 0; i < 3; ++i) {
    send_all(client, "ping");
    receive_exactly(server, 4);
    send_all(server, "pong");
    receive_exactly(client, 4);
  }
  EXPECT_GE(info_of(client).tcpi_min_rtt, 2 * kDelay_us);
  EXPECT_GE(info_of(server).tcpi_min_rtt, 2 * kDelay_us);
}

TEST_F(Link, the_seed_decides_which_packets_are_lost) {
  constexpr int kDatagrams = 150;
  const LinkOptions options{.loss = 0.3, .seed = 7};
  LAY_OR_SKIP(options);
  std::set<int> expected;
  std::mt19937_64 random(options.seed);
  for (int i = 0; i < kDatagrams; ++i) {
    if (static_cast<double>(random() >> 11) * 0x1p-53 >= options.loss) expected.insert(i);
  }
  EXPECT_EQ(datagrams_that_arrive(kDatagrams), expected);
  const net::LinkCounts counts = link_->toward_far();
  EXPECT_EQ(counts.lost, kDatagrams - expected.size());
  EXPECT_EQ(counts.forwarded, expected.size());

  ASSERT_TRUE(lay({.loss = 0.3, .seed = 8})) << no_link_;
  EXPECT_NE(datagrams_that_arrive(kDatagrams), expected);
}

TEST_F(Link, a_link_that_loses_all_carries_nothing) {
  LAY_OR_SKIP({.loss = 1});
  EXPECT_TRUE(datagrams_that_arrive(20).empty());
  EXPECT_EQ(link_->toward_far().lost, 20U);
}

TEST_F(Link, bytes_take_the_time_that_the_rate_demands) {
  constexpr double kRate_bits_per_s = 8e6;
  constexpr size_t kBytes = 200'000;
  LAY_OR_SKIP({.rate_bits_per_s = kRate_bits_per_s});
  const OwnedFd listener = far_listener();
  const OwnedFd client = connect_from_near(listener);
  const OwnedFd server = accept_from(listener);
  const Stopwatch watch;
  std::thread sender([&] { send_all(client, std::string(kBytes, 'x')); });
  EXPECT_EQ(receive_exactly(server, kBytes).size(), kBytes);
  EXPECT_GE(watch.seconds(), kBytes * 8 / kRate_bits_per_s);
  sender.join();
}

TEST_F(Link, a_full_queue_drops_what_comes_last) {
  constexpr int kDatagrams = 40;
  // 8 ms each: the queue is full after five of them.
  LAY_OR_SKIP({.rate_bits_per_s = 1e6, .queue_packets = 4});
  const std::set<int> arrived = datagrams_that_arrive(kDatagrams, 1000);
  const net::LinkCounts counts = link_->toward_far();
  EXPECT_GT(counts.dropped, 0U);
  EXPECT_EQ(counts.lost, 0U);
  EXPECT_EQ(arrived.size() + counts.dropped, static_cast<size_t>(kDatagrams));
  EXPECT_TRUE(arrived.contains(0));
}

TEST_F(Link, tcp_brings_every_byte_over_a_link_that_loses) {
  LAY_OR_SKIP({.loss = 0.05, .seed = 3});
  const OwnedFd listener = far_listener();
  const OwnedFd client = connect_from_near(listener);
  const OwnedFd server = accept_from(listener);
  std::string sent(400'000, '\0');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 3);
  std::thread sender([&] { send_all(client, sent); });
  EXPECT_EQ(receive_exactly(server, sent.size()), sent);
  sender.join();
  EXPECT_GT(link_->toward_far().lost, 0U);
  EXPECT_GT(info_of(client).tcpi_total_retrans, 0U);
}

TEST_F(Link, options_without_sense_are_refused) {
  for (const LinkOptions& options :
       {LinkOptions{.loss = 1.5}, LinkOptions{.delay_us = -1}, LinkOptions{.queue_packets = 0}}) {
    EXPECT_FALSE(lay(options));
    EXPECT_NE(no_link_.find("EINVAL"), std::string::npos) << no_link_;
  }
}

}  // namespace
