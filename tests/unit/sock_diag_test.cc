// What sock_diag says of sockets that the test itself has made, against what /proc says of them.
#include "common/net/sock_diag.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>

#include "common/net/tcp_counters.h"
#include "tests/unit/private_network_test.h"

namespace {

using net::Endpoint;
using net::SeenSocket;
using net::TcpState;

class SockDiagTest : public PrivateNetworkTest {
 protected:
  std::vector<SeenSocket> dump(int family, const net::SocketFilter& filter) {
    if (!diag_) diag_ = net::SockDiag::open().value();
    std::vector<SeenSocket> seen;
    const net::Status status =
        diag_->dump(family, filter, [&seen](const SeenSocket& socket) { seen.push_back(socket); });
    EXPECT_TRUE(status) << status.error().message();
    return seen;
  }

  static net::SocketFilter only(TcpState state) {
    net::SocketFilter filter;
    filter.states = net::mask_of(state);
    return filter;
  }
  static net::SocketFilter to(const net::Address& address) {
    net::SocketFilter filter;
    filter.remotes = {Endpoint::of(address)};
    return filter;
  }
  static net::SocketFilter at(const net::Address& address) {
    net::SocketFilter filter;
    filter.locals = {Endpoint::of(address)};
    return filter;
  }

  // The peer may take its time to acknowledge our FIN: delayed ACK.
  static void wait_until_fin_is_acknowledged(const net::OwnedFd& socket) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    tcp_info info{};
    do {
      socklen_t size = sizeof info;
      ASSERT_EQ(0, ::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size));
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    } while (info.tcpi_state != TCP_FIN_WAIT2);
  }

  const net::Address here_ = address("127.0.0.1:8080");
  const net::Address there_ = address("127.0.0.1:8081");
  std::unique_ptr<net::SockDiag> diag_;
};

TEST_F(SockDiagTest, a_listener_is_seen_where_it_listens) {
  const net::OwnedFd listener = listen_on(here_);
  const auto seen = dump(AF_INET, only(TcpState::listen));
  ASSERT_EQ(1U, seen.size());
  EXPECT_EQ("127.0.0.1:8080", seen[0].local.text());
  EXPECT_EQ("0.0.0.0:0", seen[0].remote.text());
  EXPECT_TRUE(dump(AF_INET6, {}).empty());
}

TEST_F(SockDiagTest, a_connection_is_two_sockets_that_mirror_each_other) {
  const net::OwnedFd listener = listen_on(here_);
  const Connection connection = open(listener, here_);
  const auto client = dump(AF_INET, to(here_));
  net::SocketFilter accepted = at(here_);
  accepted.states = net::mask_of(TcpState::established);
  const auto server = dump(AF_INET, accepted);
  ASSERT_EQ(1U, client.size());
  ASSERT_EQ(1U, server.size());
  EXPECT_EQ(TcpState::established, client[0].state);
  EXPECT_EQ(net::Address::of_socket(connection.client.get())->text(), client[0].local.text());
  EXPECT_EQ(client[0].local, server[0].remote);
  EXPECT_EQ(client[0].remote, server[0].local);
  EXPECT_FALSE(client[0].expires_in_ms.has_value());
}

TEST_F(SockDiagTest, time_wait_is_on_the_side_that_closed_first_and_ends_within_60_s) {
  const net::OwnedFd listener = listen_on(here_);
  for (int i = 0; i < 7; ++i) close_client_first(open(listener, here_));
  for (int i = 0; i < 3; ++i) close_server_first(open(listener, here_));
  net::SocketFilter ours = to(here_);
  ours.states = net::mask_of(TcpState::time_wait);
  net::SocketFilter servers = at(here_);
  servers.states = net::mask_of(TcpState::time_wait);
  const auto seen = dump(AF_INET, ours);
  EXPECT_EQ(7U, seen.size());
  EXPECT_EQ(3U, dump(AF_INET, servers).size());
  EXPECT_EQ(10U, time_wait_by_proc());
  for (const SeenSocket& socket : seen) {
    EXPECT_EQ(TcpState::time_wait, socket.state);
    ASSERT_TRUE(socket.expires_in_ms.has_value());
    EXPECT_LE(*socket.expires_in_ms, 60000U);
  }
}

TEST_F(SockDiagTest, an_orphan_in_fin_wait2_is_no_time_wait_though_sockstat_counts_it) {
  const net::OwnedFd listener = listen_on(here_);
  Connection connection = open(listener, here_);
  ASSERT_EQ(0, ::shutdown(connection.client.get(), SHUT_WR));
  wait_until_fin_is_acknowledged(connection.client);
  connection.client.reset();  // and the server's FIN has not come
  const auto seen = dump(AF_INET, to(here_));
  ASSERT_EQ(1U, seen.size());
  EXPECT_EQ(TcpState::fin_wait2, seen[0].state);
  EXPECT_TRUE(seen[0].expires_in_ms.has_value());
  EXPECT_EQ(0U, time_wait_by_proc());
  EXPECT_EQ(1U, net::TcpCounterReader::open().value()->read()->time_wait);
}

TEST_F(SockDiagTest, the_filter_shows_either_end_and_nothing_else) {
  const net::OwnedFd here = listen_on(here_);
  const net::OwnedFd there = listen_on(there_);
  const Connection one = open(here, here_);
  const Connection two = open(there, there_);
  const Connection three = open(there, there_);
  EXPECT_EQ(1U, dump(AF_INET, to(here_)).size());
  EXPECT_EQ(2U, dump(AF_INET, to(there_)).size());
  net::SocketFilter either = to(here_);
  either.locals = {Endpoint::of(there_)};
  either.states = net::mask_of(TcpState::established);
  EXPECT_EQ(3U, dump(AF_INET, either).size());
  net::SocketFilter both = to(here_);
  both.remotes.push_back(Endpoint::of(there_));
  EXPECT_EQ(3U, dump(AF_INET, both).size());
  net::SocketFilter any_port = to(address("127.0.0.1:0"));
  any_port.states = net::mask_of(TcpState::established);
  EXPECT_EQ(6U, dump(AF_INET, any_port).size());
  EXPECT_TRUE(dump(AF_INET, to(address("127.0.0.2:8080"))).empty());
}

TEST_F(SockDiagTest, a_filter_too_long_for_the_kernel_shows_the_same) {
  const net::OwnedFd here = listen_on(here_);
  const net::OwnedFd there = listen_on(there_);
  const Connection one = open(here, here_);
  const Connection two = open(there, there_);
  net::SocketFilter filter;
  for (uint16_t port = 1; port <= 300; ++port) {
    filter.remotes.push_back(Endpoint::of(here_.with_port(port)));
  }
  EXPECT_TRUE(dump(AF_INET, filter).empty());
  filter.remotes.push_back(Endpoint::of(here_));
  const auto seen = dump(AF_INET, filter);
  ASSERT_EQ(1U, seen.size());
  EXPECT_EQ(Endpoint::of(here_), seen[0].remote);
}

TEST_F(SockDiagTest, a_dual_stack_server_has_ipv4_connections_under_ipv6) {
  const net::OwnedFd listener = listen_on(address("[::]:8080"), true);
  close_server_first(open(listener, here_));
  net::SocketFilter server = at(here_);
  server.states = net::mask_of(TcpState::time_wait);
  EXPECT_TRUE(dump(AF_INET, server).empty());
  const auto seen = dump(AF_INET6, server);
  ASSERT_EQ(1U, seen.size());
  EXPECT_EQ(Endpoint::of(here_), seen[0].local);
  EXPECT_EQ("127.0.0.1:8080", seen[0].local.text());
  EXPECT_TRUE(seen[0].local.is_loopback());
}

TEST_F(SockDiagTest, whether_a_listener_takes_ipv4_is_seen) {
  const net::OwnedFd dual = listen_on(address("[::]:8080"), true);
  const net::OwnedFd v6_only = listen_on(address("[::]:8081"), false);
  for (const SeenSocket& socket : dump(AF_INET6, only(TcpState::listen))) {
    EXPECT_EQ(socket.local.port == 8081, socket.v6_only) << socket.local.text();
  }
}

TEST_F(SockDiagTest, ipv6_connections_are_found_by_their_address) {
  const net::Address target = address("[::1]:8080");
  const net::OwnedFd listener = listen_on(target);
  close_client_first(open(listener, target));
  const auto seen = dump(AF_INET6, to(target));
  ASSERT_EQ(1U, seen.size());
  EXPECT_EQ("[::1]:8080", seen[0].remote.text());
  EXPECT_EQ(TcpState::time_wait, seen[0].state);
}

TEST_F(SockDiagTest, a_refused_dump_is_an_error_and_the_next_one_works) {
  const net::OwnedFd listener = listen_on(here_);
  auto diag = net::SockDiag::open().value();
  unsigned seen = 0;
  const auto count = [&seen](const SeenSocket&) { ++seen; };
  const net::Status refused = diag->dump(AF_MAX - 1, {}, count);
  ASSERT_FALSE(refused);
  EXPECT_NE(0, refused.error().errno_value);
  EXPECT_EQ(0U, seen);
  ASSERT_TRUE(diag->dump(AF_INET, {}, count));
  EXPECT_EQ(1U, seen);
}

TEST(EndpointTest, loopback_is_judged_by_address) {
  const auto loopback = [](const char* text) {
    return Endpoint::of(net::Address::parse(text).value()).is_loopback();
  };
  EXPECT_TRUE(loopback("127.0.0.1:1"));
  EXPECT_TRUE(loopback("127.255.3.4:1"));
  EXPECT_TRUE(loopback("[::1]:1"));
  EXPECT_TRUE(loopback("[::ffff:127.0.0.9]:1"));
  EXPECT_FALSE(loopback("10.0.0.1:1"));
  EXPECT_FALSE(loopback("128.0.0.1:1"));
  EXPECT_FALSE(loopback("[::2]:1"));
  EXPECT_FALSE(loopback("[fe80::1]:1"));
}

}  // namespace
