// TIME_WAIT: who has it, how long, what ends it early, what it costs, and which of the well-known
// remedies are none (06-time-wait.md).
#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <thread>

#include "common/net/read_file.h"
#include "common/net/sysctl.h"
#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr uint16_t kServerPort = 8080;
constexpr uint16_t kOnlyPort = 40000;  // the only one that connect() may choose, in some tests
constexpr const char* kFinTimeout = "net.ipv4.tcp_fin_timeout";
constexpr const char* kBuckets = "net.ipv4.tcp_max_tw_buckets";

std::string host_port(const char* host) { return fmt::format("{}:{}", host, kServerPort); }

int try_connect_to(const Address& to) { return try_connect(tcp_socket(), to); }

class TimeWait : public Experiment {
 protected:
  // Before the first SetUp() goes to a user namespace, from where the log may not be opened.
  static void SetUpTestSuite() {
    kernel_log_.reset(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }

  // A connection whose client is closed while the server's end stays open: FIN_WAIT2, an orphan.
  static OwnedFd orphan_one(const OwnedFd& listener) {
    Connection connection = open_connection(listener);
    const uint16_t port = local_of(connection.client).port();
    connection.client.reset();
    await("an orphan in FIN_WAIT2",
          [&] { return states_of(port) == std::vector{TcpState::fin_wait2}; });
    return std::move(connection.server);
  }

  static void allow_one_port() {
    set_sysctl("net.ipv4.ip_local_port_range", fmt::format("{0} {0}", kOnlyPort));
  }

  // tcp_tw_reuse, and after 1 ms already where that can be chosen; after a second elsewhere.
  static void reuse_soon(int tw_reuse) {
    set_sysctl("net.ipv4.tcp_tw_reuse", tw_reuse);
    if (running_kernel() >= KernelVersion{6, 14}) set_sysctl("net.ipv4.tcp_tw_reuse_delay", 1);
  }

  static void await_reuse(const Address& to) {
    await("a connection from a port in TIME_WAIT", [&] { return try_connect_to(to) == 0; });
  }

  // Time left to the one timewait socket at that port.
  static uint32_t left_ms(uint16_t port) {
    const auto seen = sockets_at(port);
    EXPECT_EQ(1U, seen.size());
    return seen.empty() ? 0 : seen[0].expires_in_ms.value_or(0);
  }

  static inline OwnedFd kernel_log_;
};

TEST_F(TimeWait, belongs_to_whoever_closes_first) {
  const OwnedFd listener = listen_on(loopback(kServerPort));
  const uint16_t client_first = leave_time_wait(listener);
  Connection other = open_connection(listener);
  const uint16_t server_first = local_of(other.client).port();
  active_close(other.server, other.client);
  const auto at_server = states_of(kServerPort);
  measured("client first: {} there; server first: nothing at the client, {} at the server",
           name_of(states_of(client_first).at(0)), name_of(at_server.at(0)));
  EXPECT_EQ(std::vector{TcpState::time_wait}, states_of(client_first));
  EXPECT_TRUE(states_of(server_first).empty());
  EXPECT_EQ((std::vector{TcpState::time_wait, TcpState::listen}), at_server);
}

// Both FINs are under way before either is heard; they come with the first retransmission.
TEST_F(TimeWait, a_simultaneous_close_leaves_it_on_both_sides) {
  const OwnedFd listener = listen_on(loopback(kServerPort));
  const Connection both = open_connection(listener);
  const uint16_t port = local_of(both.client).port();
  for (const OwnedFd* end : {&both.client, &both.server}) deafen(*end);
  for (const OwnedFd* end : {&both.client, &both.server}) send_fin(*end);
  for (const OwnedFd* end : {&both.client, &both.server}) hear_again(*end);
  await("two sockets in TIME_WAIT", [] { return gauge("TCP", "tw") == 2; });
  const auto states = states_of(port), at_server = states_of(kServerPort);
  measured("client {}, server {}", name_of(states.at(0)), name_of(at_server.at(0)));
  EXPECT_EQ(std::vector{TcpState::time_wait}, states);
  EXPECT_EQ(TcpState::time_wait, at_server.at(0));
}

TEST_F(TimeWait, a_repeated_fin_starts_it_anew) {
  const OwnedFd listener = listen_on(loopback(kServerPort));
  Connection connection = open_connection(listener);
  const uint16_t port = local_of(connection.client).port();
  send_fin(connection.client);
  receive_until_end(connection.server);
  deafen(connection.server);  // it will not hear the acknowledgement of its FIN, and repeat it
  connection.server.reset();
  await("TIME_WAIT", [&] { return states_of(port) == std::vector{TcpState::time_wait}; });
  uint32_t lowest_ms = left_ms(port), renewed_ms = 0;
  await("more time than before", [&] {
    renewed_ms = left_ms(port);
    if (renewed_ms > lowest_ms) return true;
    lowest_ms = renewed_ms;
    return false;
  });
  measured("down to {} ms, then {} ms again", lowest_ms, renewed_ms);
  EXPECT_GT(renewed_ms, lowest_ms);
}

TEST_F(TimeWait, tcp_fin_timeout_does_not_shorten_it) {
  set_sysctl(kFinTimeout, 1);
  const OwnedFd listener = listen_on(loopback(kServerPort));
  const uint32_t ms = left_ms(leave_time_wait(listener));
  measured("{:.1f} s to go with tcp_fin_timeout=1", ms / 1e3);
  EXPECT_LT(30'000U, ms);
  EXPECT_GE(60'000U, ms);
}

TEST_F(TimeWait, tcp_fin_timeout_governs_orphans_in_fin_wait2_only) {
  set_sysctl(kFinTimeout, 1);
  const OwnedFd listener = listen_on(loopback(kServerPort));
  const Connection half_closed = open_connection(listener);
  send_fin(half_closed.client);
  const Stopwatch watch;
  const OwnedFd server = orphan_one(listener);
  const uint16_t orphan_port = remote_of(server).port();
  await("the orphan's end", [&] { return states_of(orphan_port).empty(); });
  measured("orphan gone after {:.1f} s, the one with a descriptor still in {}", watch.seconds(),
           name_of(state_of(half_closed.client)));
  EXPECT_LE(0.9, watch.seconds());
  EXPECT_EQ(TcpState::fin_wait2, state_of(half_closed.client));
}

TEST_F(TimeWait, sockstat_counts_orphans_in_fin_wait2_too) {
  const OwnedFd listener = listen_on(loopback(kServerPort));
  const uint64_t entered_before = counter("TcpExt", "TW");
  const OwnedFd server = orphan_one(listener);
  const uint16_t port = remote_of(server).port();
  const auto states = states_of(port);
  measured("sockstat tw {}, TcpExt TW +{}; sock_diag shows {}", gauge("TCP", "tw"),
           counter("TcpExt", "TW") - entered_before, name_of(states.at(0)));
  EXPECT_EQ(1U, gauge("TCP", "tw"));
  EXPECT_EQ(1U, counter("TcpExt", "TW") - entered_before);
  EXPECT_EQ(std::vector{TcpState::fin_wait2}, states);
}

TEST_F(TimeWait, tw_counts_entries) {
  const OwnedFd listener = listen_on(loopback(kServerPort));
  const uint64_t before = counter("TcpExt", "TW");
  for (int i = 0; i < 5; ++i) leave_time_wait(listener);
  measured("5 closes: TW +{}, sockstat tw {}", counter("TcpExt", "TW") - before,
           gauge("TCP", "tw"));
  EXPECT_EQ(5U, counter("TcpExt", "TW") - before);
  EXPECT_EQ(5U, gauge("TCP", "tw"));
}

TEST_F(TimeWait, beyond_tcp_max_tw_buckets_it_is_left_out) {
  set_sysctl(kBuckets, 10);
  const OwnedFd listener = listen_on(loopback(kServerPort));
  const uint64_t before = counter("TcpExt", "TCPTimeWaitOverflow");
  uint16_t last_port = 0;
  for (int i = 0; i < 15; ++i) last_port = leave_time_wait(listener);
  const uint64_t overflows = counter("TcpExt", "TCPTimeWaitOverflow") - before;
  measured("15 closes, limit 10: {} in TIME_WAIT, TCPTimeWaitOverflow +{}, the last port free: {}",
           gauge("TCP", "tw"), overflows, states_of(last_port).empty() ? "yes" : "no");
  EXPECT_EQ(10U, gauge("TCP", "tw"));
  EXPECT_EQ(5U, overflows);
  EXPECT_TRUE(states_of(last_port).empty());
}

TEST_F(TimeWait, tcp_max_tw_buckets_0_abolishes_it) {
  set_sysctl(kBuckets, 0);
  allow_one_port();
  const OwnedFd listener = listen_on(loopback(kServerPort));
  for (int i = 0; i < 20; ++i) leave_time_wait(listener);
  measured("20 connections in a row from one port, {} in TIME_WAIT", gauge("TCP", "tw"));
  EXPECT_EQ(0U, gauge("TCP", "tw"));
}

// The lines about this matter that the kernel has logged since the last look; other namespaces'
// are there too, but nobody else has reason to cause them.
int new_bucket_warnings(const OwnedFd& log) {
  int found = 0;
  std::string record(8192, '\0');
  for (;;) {
    const ssize_t length = ::read(log.get(), record.data(), record.size());
    if (length < 0 && errno == EPIPE) continue;  // some were overwritten before they were read
    if (length <= 0) return found;
    const std::string_view text(record.data(), static_cast<size_t>(length));
    if (text.find("bucket table overflow") != std::string_view::npos) ++found;
  }
}

TEST_F(TimeWait, that_overflow_is_counted_but_not_logged) {
  if (!kernel_log_.valid()) SKIP_EXPERIMENT("/dev/kmsg may not be read (kernel.dmesg_restrict)");
  new_bucket_warnings(kernel_log_);
  set_sysctl(kBuckets, 0);
  const OwnedFd listener = listen_on(loopback(kServerPort));
  for (int i = 0; i < 5; ++i) leave_time_wait(listener);
  const int warnings = new_bucket_warnings(kernel_log_);
  measured("{} overflows, {} lines about them in the kernel's log",
           counter("TcpExt", "TCPTimeWaitOverflow"), warnings);
  EXPECT_EQ(5U, counter("TcpExt", "TCPTimeWaitOverflow"));
  EXPECT_EQ(0, warnings);
}

TEST_F(TimeWait, tcp_tw_reuse_takes_a_port_over_after_its_delay) {
  NEEDS_KERNEL(6, 14);
  constexpr int kDelayMs = 300;
  set_sysctl("net.ipv4.tcp_tw_reuse", 1);
  set_sysctl("net.ipv4.tcp_tw_reuse_delay", kDelayMs);
  allow_one_port();
  const OwnedFd listener = listen_on(loopback(kServerPort));
  const uint64_t recycled_before = counter("TcpExt", "TWRecycled");
  const Stopwatch watch;
  leave_time_wait(listener);
  const int at_once = try_connect_to(local_of(listener));
  await_reuse(local_of(listener));
  const double reused_ms = watch.milliseconds();
  const uint64_t recycled = counter("TcpExt", "TWRecycled") - recycled_before;
  measured("at once {}; taken over after {:.0f} ms with a delay of {}; TWRecycled +{}",
           net::errno_name(at_once), reused_ms, kDelayMs, recycled);
  EXPECT_LE(kDelayMs - 1, reused_ms);
  EXPECT_EQ(1U, recycled);
}

TEST_F(TimeWait, without_timestamps_nothing_is_reused) {
  reuse_soon(1);
  allow_one_port();
  const OwnedFd without = listen_on(at(host_port("127.0.0.1")));
  const OwnedFd with = listen_on(at(host_port("127.0.0.2")));
  set_sysctl("net.ipv4.tcp_timestamps", 0);
  leave_time_wait(without);
  set_sysctl("net.ipv4.tcp_timestamps", 1);
  leave_time_wait(with);
  await_reuse(local_of(with));
  const int error = try_connect_to(local_of(without));
  measured("with timestamps reused, without, though older: {}", net::errno_name(error));
  EXPECT_EQ(EADDRNOTAVAIL, error);
}

TEST_F(TimeWait, tcp_tw_reuse_2_looks_at_the_address_and_not_at_the_way) {
  reuse_soon(2);
  allow_one_port();
  add_loopback_address("10.77.0.1");
  const OwnedFd own_address = listen_on(at(host_port("10.77.0.1")));
  const OwnedFd loopback_address = listen_on(at(host_port("127.0.0.1")));
  leave_time_wait(own_address);
  leave_time_wait(loopback_address);
  await_reuse(local_of(loopback_address));
  const int error = try_connect_to(local_of(own_address));
  measured("127.0.0.1 reused; 10.77.0.1, which is on lo as well: {}", net::errno_name(error));
  EXPECT_EQ(EADDRNOTAVAIL, error);
}

// SO_BINDTODEVICE is the other way to be recognised. The socket in TIME_WAIT must have had it.
TEST_F(TimeWait, tcp_tw_reuse_2_also_takes_sockets_bound_to_lo) {
  reuse_soon(2);
  allow_one_port();
  add_loopback_address("10.77.0.1");
  const OwnedFd listener = listen_on(at(host_port("10.77.0.1")));
  const auto bound_to_lo = [] {
    OwnedFd socket = tcp_socket();
    set_option(socket, SOL_SOCKET, SO_BINDTOIFINDEX, static_cast<int>(::if_nametoindex("lo")));
    return socket;
  };
  OwnedFd client = bound_to_lo();
  ASSERT_EQ(0, try_connect(client, local_of(listener)));
  OwnedFd server = accept_from(listener);
  active_close(client, server);
  await("reuse", [&] { return try_connect(bound_to_lo(), local_of(listener)) == 0; });
  measured("10.77.0.1 reused by sockets with SO_BINDTODEVICE lo");
  EXPECT_EQ(1U, counter("TcpExt", "TWRecycled"));
}

TEST_F(TimeWait, an_orphan_in_fin_wait2_is_never_reused) {
  reuse_soon(1);
  allow_one_port();
  const OwnedFd listener = listen_on(at(host_port("127.0.0.1")));
  const OwnedFd other = listen_on(at(host_port("127.0.0.2")));
  const OwnedFd server = orphan_one(listener);
  leave_time_wait(other);
  await_reuse(local_of(other));
  const int error = try_connect_to(local_of(listener));
  measured("TIME_WAIT reused, the older FIN_WAIT2: {}", net::errno_name(error));
  EXPECT_EQ(EADDRNOTAVAIL, error);
}

TEST_F(TimeWait, at_the_server_it_costs_no_port_and_hinders_no_client) {
  set_sysctl("net.ipv4.tcp_tw_reuse", 0);  // it is for those who connect
  allow_one_port();
  const OwnedFd listener = listen_on(loopback(kServerPort));
  constexpr int kTimes = 20;
  for (int i = 0; i < kTimes; ++i) {
    set_sysctl("net.ipv4.tcp_timestamps", i % 2);  // sequence numbers alone are enough
    Connection connection = open_connection(listener);
    active_close(connection.server, connection.client);
  }
  const auto states = states_of(kServerPort);
  measured("{} connections at once from one port, then {} socket in TIME_WAIT", kTimes,
           std::count(states.begin(), states.end(), TcpState::time_wait));
  EXPECT_EQ((std::vector{TcpState::time_wait, TcpState::listen}), states);
}

TEST_F(TimeWait, a_reset_at_the_end_leaves_none) {
  allow_one_port();
  const OwnedFd listener = listen_on(loopback(kServerPort));
  for (int i = 0; i < 20; ++i) {
    Connection connection = open_connection(listener);
    reset_close(connection.client);
    EXPECT_EQ(ECONNRESET, try_receive(connection.server));
  }
  measured("20 connections at once from one port, {} in TIME_WAIT; the server reads ECONNRESET",
           gauge("TCP", "tw"));
  EXPECT_EQ(0U, gauge("TCP", "tw"));
}

TEST_F(TimeWait, tcp_tw_recycle_is_gone) {
  const auto value = net::read_sysctl("net.ipv4.tcp_tw_recycle");
  measured("{}", value ? "still there" : net::errno_name(value.error().errno_value));
  ASSERT_FALSE(value);
  EXPECT_EQ(ENOENT, value.error().errno_value);
}

// Bytes an object of that kernel cache takes: "tw_sock_TCP  48 112 256 16 1 ...", slabinfo(5).
size_t object_bytes(const std::string& slabinfo, const std::string& cache) {
  std::istringstream lines(slabinfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    size_t active = 0, all = 0, bytes = 0;
    if (words >> name >> active >> all >> bytes && name == cache) return bytes;
  }
  return 0;
}

TEST_F(TimeWait, a_socket_in_it_takes_a_few_hundred_bytes) {
  const auto slabinfo = net::read_file("/proc/slabinfo", 1U << 20);
  if (!slabinfo) SKIP_EXPERIMENT("/proc/slabinfo is for root");
  const size_t small = object_bytes(*slabinfo, "tw_sock_TCP");
  const size_t whole = object_bytes(*slabinfo, "TCP");
  if (small == 0 || whole == 0) SKIP_EXPERIMENT("this kernel has merged these caches");
  measured("tw_sock_TCP {} bytes, TCP {} bytes", small, whole);
  EXPECT_GT(512U, small);
  EXPECT_LT(4 * small, whole);
}

class TimeWaitSlow : public TimeWait {};

// The timer is one of the wheel's far slots, which fire late by up to 1/8 of the time: 2 s with a
// kernel of 250 Hz, 4 s with one of 1000 Hz (kernel/time/timer.c).
TEST_F(TimeWaitSlow, lasts_60_seconds_and_a_little) {
  set_sysctl(kFinTimeout, 5);
  const OwnedFd listener = listen_on(loopback(kServerPort));
  const Stopwatch watch;
  const uint16_t port = leave_time_wait(listener);
  const uint32_t announced_ms = left_ms(port);
  std::this_thread::sleep_for(std::chrono::milliseconds(announced_ms));
  const auto overdue = sockets_at(port);
  await("the end of TIME_WAIT", [&] { return states_of(port).empty(); });
  measured("gone after {:.1f} s; {} when the announced {:.1f} s were over", watch.seconds(),
           overdue.empty() ? "gone already" : "still there", announced_ms / 1e3);
  EXPECT_LE(59.9, watch.seconds());
  EXPECT_GE(70, watch.seconds());
}

}  // namespace
}  // namespace notes
