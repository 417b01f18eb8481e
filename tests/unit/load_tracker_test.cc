// The tracker against a kernel with a small range of ports: what it says is free must be what
// connect() then finds, and its counts those of /proc.
#include "client/load/sockets/tracker.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "client/load/sockets/ports_command.h"
#include "common/net/sysctl.h"
#include "tests/unit/private_network_test.h"

namespace {

using ringload::SocketSample;
using ringload::SocketTracker;

class LoadTrackerTest : public PrivateNetworkTest {
 protected:
  void SetUp() override {
    PrivateNetworkTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    set_sysctl("net.ipv4.ip_local_port_range", "40000 40099");
    set_sysctl("net.ipv4.tcp_tw_reuse", "0");
  }

  static std::unique_ptr<SocketTracker> track(const ringload::TrackedRun& run) {
    auto tracker = SocketTracker::start(run);
    EXPECT_TRUE(tracker) << tracker.error().message();
    return tracker ? std::move(*tracker) : nullptr;
  }

  // Connects, as the client that closes first, until connect() fails; returns how often it did
  // not.
  unsigned connect_until_it_fails(const net::OwnedFd& listener, int expected_errno,
                                  const net::Address* source = nullptr) {
    for (unsigned opened = 0;; ++opened) {
      Connection connection;
      const int error = connect_to(target_, connection.client, source);
      if (error != 0) {
        EXPECT_EQ(expected_errno, error);
        return opened;
      }
      connection.server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      close_client_first(std::move(connection));
    }
  }

  void close_first(const net::OwnedFd& listener, unsigned count) {
    for (unsigned i = 0; i < count; ++i) close_client_first(open(listener, target_));
  }

  const net::Address target_ = address("127.0.0.1:8080");
};

TEST_F(LoadTrackerTest, a_range_of_100_ports_is_100_connections) {
  const net::OwnedFd listener = listen_on(target_);
  const auto tracker = track({{target_}, {}, true});
  EXPECT_EQ(100U, tracker->forecast().ports_total);
  EXPECT_EQ(100U, tracker->look_closely(0).ports_free);
  EXPECT_EQ(100U, connect_until_it_fails(listener, EADDRNOTAVAIL));
  const SocketSample sample = tracker->look_closely(10);
  ASSERT_TRUE(sample.valid);
  EXPECT_EQ(0U, sample.ports_free);
  EXPECT_EQ(100U, sample.time_wait);
  EXPECT_EQ(100U, sample.time_wait_all);
  EXPECT_EQ(100U, time_wait_by_proc());
  EXPECT_EQ(0U, sample.time_wait_server);
  EXPECT_GT(sample.next_free_in_s, 0);
  EXPECT_LE(sample.next_free_in_s, 60);
  EXPECT_EQ(0, sample.exhausted_in_s);
}

TEST_F(LoadTrackerTest, four_sources_are_400_connections) {
  const net::OwnedFd listener = listen_on(target_);
  std::vector<net::Address> sources;
  for (const char* host : {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}) {
    sources.push_back(net::Address::parse_host(host).value());
  }
  const auto tracker = track({{target_}, sources, true});
  EXPECT_EQ(400U, tracker->forecast().ports_total);
  unsigned opened = 0;
  for (const net::Address& source : sources) {
    EXPECT_EQ(400U - opened, tracker->look_closely(0).ports_free);
    opened += connect_until_it_fails(listener, EADDRNOTAVAIL, &source);
  }
  EXPECT_EQ(400U, opened);
  const auto summary = tracker->summary();
  EXPECT_EQ(0U, summary.ports_free_min);
  EXPECT_EQ(400U, summary.time_wait_peak);
  ASSERT_EQ(4U, summary.sources.size());
  EXPECT_EQ("127.0.0.2", summary.sources[1].address);
  for (const auto& use : summary.sources) {
    EXPECT_EQ(100U, use.time_wait);
    EXPECT_EQ(0U, use.free);
  }
}

TEST_F(LoadTrackerTest, a_look_between_dumps_goes_on_with_the_counters) {
  const net::OwnedFd listener = listen_on(target_);
  const auto tracker = track({{target_}, {}, true});
  close_first(listener, 20);
  tracker->look_closely(0);
  close_first(listener, 30);
  const SocketSample sample = tracker->look(10);
  EXPECT_EQ(50U, sample.time_wait);
  EXPECT_EQ(50U, sample.ports_free);
  ASSERT_TRUE(sample.exhausted_in_s.has_value());
  EXPECT_NEAR(5, *sample.exhausted_in_s, 1e-6);
}

TEST_F(LoadTrackerTest, open_connections_hold_ports_too) {
  const net::OwnedFd listener = listen_on(target_);
  const auto tracker = track({{target_}, {}, true});
  std::vector<Connection> open_ones;
  open_ones.reserve(25);
  for (int i = 0; i < 25; ++i) open_ones.push_back(open(listener, target_));
  const SocketSample sample = tracker->look_closely(0);
  EXPECT_EQ(25U, sample.established);
  EXPECT_EQ(75U, sample.ports_free);
  EXPECT_EQ(0, sample.next_free_in_s);
  EXPECT_EQ(25U, tracker->summary().sources.at(0).in_use);
}

TEST_F(LoadTrackerTest, a_server_that_closes_first_holds_time_wait_and_no_port_of_ours) {
  const net::OwnedFd listener = listen_on(address("[::]:8080"), true);  // dual stack
  const auto tracker = track({{target_}, {}, false});
  for (int i = 0; i < 150; ++i) close_server_first(open(listener, target_));
  const SocketSample sample = tracker->look_closely(1000);
  EXPECT_EQ(0U, sample.time_wait);
  EXPECT_EQ(time_wait_by_proc(), sample.time_wait_server);
  EXPECT_EQ(100U, sample.ports_free);
  EXPECT_FALSE(sample.exhausted_in_s.has_value());
  EXPECT_TRUE(tracker->summary().server_is_here);
}

TEST_F(LoadTrackerTest, reserved_and_bound_ports_are_not_free) {
  set_sysctl("net.ipv4.ip_local_reserved_ports", "40010-40019,50000");
  const net::OwnedFd listener = listen_on(target_);
  const net::OwnedFd in_the_range = listen_on(address("127.0.0.9:40050"));
  const net::OwnedFd same_port = listen_on(address("[::1]:40050"));
  const auto tracker = track({{target_}, {}, true});
  EXPECT_EQ(10U, tracker->facts().reserved);
  EXPECT_EQ(1U, tracker->facts().bound);
  EXPECT_EQ(89U, tracker->forecast().ports_total);
  EXPECT_EQ(89U, connect_until_it_fails(listener, EADDRNOTAVAIL));
  EXPECT_EQ(0U, tracker->look_closely(0).ports_free);
}

TEST_F(LoadTrackerTest, ports_that_may_be_taken_over_are_free_and_connect_finds_them) {
  set_sysctl("net.ipv4.tcp_tw_reuse", "2");
  if (!net::write_sysctl("net.ipv4.tcp_tw_reuse_delay", "1")) {
    GTEST_SKIP() << "no tcp_tw_reuse_delay before Linux 6.14";
  }
  const net::OwnedFd listener = listen_on(target_);
  const auto tracker = track({{target_}, {}, true});
  EXPECT_TRUE(tracker->forecast().time_wait_reusable);
  close_first(listener, 100);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  SocketSample sample;
  do {
    sample = tracker->look_closely(0);
  } while (sample.ports_free < 100 && std::chrono::steady_clock::now() < deadline);
  EXPECT_EQ(100U, sample.ports_free);
  EXPECT_EQ(time_wait_by_proc(), sample.time_wait);
  close_first(listener, 1);
  EXPECT_GE(tracker->look_closely(0).time_wait_recycled, 1U);
}

TEST_F(LoadTrackerTest, reuse_for_loopback_only_is_judged_by_address_not_by_device) {
  set_sysctl("net.ipv4.tcp_tw_reuse", "2");
  add_address("10.9.9.9");
  const net::Address target = address("10.9.9.9:8080");  // over lo, and yet
  const net::OwnedFd listener = listen_on(target);
  EXPECT_FALSE(track({{target}, {}, true})->forecast().time_wait_reusable);
  const net::Address loopback_source = net::Address::parse_host("127.0.0.1").value();
  EXPECT_TRUE(track({{target}, {loopback_source}, true})->forecast().time_wait_reusable);
}

TEST_F(LoadTrackerTest, the_fullest_of_several_targets_counts) {
  const net::Address other = address("127.0.0.1:8081");
  const net::OwnedFd listener = listen_on(target_);
  const net::OwnedFd other_listener = listen_on(other);
  const auto tracker = track({{target_, other}, {}, true});
  EXPECT_EQ(200U, tracker->forecast().ports_total);
  close_first(listener, 30);
  close_client_first(open(other_listener, other));
  const SocketSample sample = tracker->look_closely(0);
  EXPECT_EQ(31U, sample.time_wait);
  EXPECT_EQ(140U, sample.ports_free);
}

TEST_F(LoadTrackerTest, a_server_elsewhere_is_not_here) {
  const net::OwnedFd listener = listen_on(address("0.0.0.0:8080"));
  EXPECT_TRUE(track({{target_}, {}, true})->summary().server_is_here);
  EXPECT_FALSE(track({{address("127.0.0.1:8081")}, {}, true})->summary().server_is_here);
  const auto no_route = SocketTracker::start({{address("10.1.2.3:8080")}, {}, true});
  ASSERT_FALSE(no_route);
  EXPECT_EQ(ENETUNREACH, no_route.error().errno_value);
}

TEST_F(LoadTrackerTest, counters_begin_at_the_start_of_the_run) {
  set_sysctl("net.ipv4.tcp_max_tw_buckets", "5");
  const net::OwnedFd listener = listen_on(target_);
  close_first(listener, 10);
  const auto tracker = track({{target_}, {}, true});
  EXPECT_EQ(0U, tracker->look_closely(0).time_wait_overflow);
  close_first(listener, 3);
  EXPECT_EQ(3U, tracker->look_closely(0).time_wait_overflow);
  EXPECT_EQ(tracker->summary().time_wait_start, tracker->summary().time_wait_end);
}

TEST_F(LoadTrackerTest, ipv6_is_tracked_the_same) {
  const net::Address target = address("[::1]:8080");
  const net::OwnedFd listener = listen_on(target);
  const auto tracker = track({{target}, {}, true});
  for (int i = 0; i < 40; ++i) close_client_first(open(listener, target));
  const SocketSample sample = tracker->look_closely(0);
  EXPECT_TRUE(tracker->facts().loopback);
  EXPECT_EQ(40U, sample.time_wait);
  EXPECT_EQ(60U, sample.ports_free);
}

TEST_F(LoadTrackerTest, a_unix_socket_has_nothing_to_track) {
  const auto tracker = track({{address("unix:/tmp/some.sock")}, {}, true});
  EXPECT_FALSE(tracker->facts().tcp);
  EXPECT_FALSE(tracker->look(1).valid);
  EXPECT_FALSE(tracker->look_closely(1).valid);
  EXPECT_EQ(0U, tracker->summary().ports_total);
}

// The text that show_ports() writes.
std::string shown(const std::optional<net::Address>& to) {
  char* text = nullptr;
  size_t size = 0;
  FILE* out = ::open_memstream(&text, &size);
  EXPECT_EQ(0, ringload::show_ports(to, out));
  std::fclose(out);
  std::string result(text, size);
  std::free(text);
  return result;
}

TEST_F(LoadTrackerTest, the_ports_command_shows_who_holds_them) {
  const net::OwnedFd listener = listen_on(target_);
  EXPECT_NE(std::string::npos, shown({}).find("No connection holds an ephemeral port."));
  close_first(listener, 37);
  const std::string text = shown(target_);
  for (const char* part : {"40000-40099, 100 ports", "37 sockets in all", "To 127.0.0.1:8080",
                           "1.67 new connections"}) {
    EXPECT_NE(std::string::npos, text.find(part)) << part << " is missing in\n" << text;
  }
  size_t column = 0;
  size_t widest = 0;
  for (const char c : text) {
    column = c == '\n' ? 0 : column + 1;
    widest = std::max(widest, column);
  }
  EXPECT_LE(widest, 80U) << text;
}

TEST_F(LoadTrackerTest, the_ports_command_refuses_what_has_no_port) {
  EXPECT_EQ(1, ringload::show_ports(address("unix:/tmp/some.sock"), stdout));
  EXPECT_EQ(1, ringload::show_ports(address("127.0.0.1:0"), stdout));
}

}  // namespace
