// The ports that connect() and bind(0) choose: how many there are, for whom, in which order they
// are tried, and what happens when they are used up (07-ephemeral-ports.md).
#include <algorithm>

#include "common/net/ring.h"
#include "common/net/sysctl.h"
#include "kernel-notes/experiment.h"

#ifndef IP_LOCAL_PORT_RANGE
constexpr int IP_LOCAL_PORT_RANGE = 51;  // linux/in.h, since 6.3
#endif

namespace notes {
namespace {

constexpr uint16_t kServerPort = 8080;
constexpr uint16_t kFirst = 40000;
constexpr const char* kRange = "net.ipv4.ip_local_port_range";
constexpr const char* kReuse = "net.ipv4.tcp_tw_reuse";

Address host(const char* text, uint16_t port = 0) { return at(fmt::format("{}:{}", text, port)); }

// What a client got: a socket, or the call that failed and its errno.
struct Attempt {
  OwnedFd socket{};
  const char* call = "";
  int error = 0;

  std::string text() const {
    return error == 0 ? "a port" : fmt::format("{} {}", call, net::errno_name(error));
  }
};

struct ClientOptions {
  const char* source = nullptr;  // bind(2) to it, with port 0
  bool late_port = false;        // IP_BIND_ADDRESS_NO_PORT
  uint16_t first = 0, last = 0;  // IP_LOCAL_PORT_RANGE
};

Attempt attempt(const Address& to, const ClientOptions& options = {}) {
  Attempt made{.socket = tcp_socket()};
  if (options.first != 0) {
    const int range = options.last << 16 | options.first;
    set_option(made.socket, IPPROTO_IP, IP_LOCAL_PORT_RANGE, range);
  }
  if (options.late_port) set_option(made.socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (options.source != nullptr) {
    made.call = "bind";
    made.error = try_bind(made.socket, host(options.source));
    if (made.error != 0) return made;
  }
  made.call = "connect";
  made.error = try_connect(made.socket, to);
  return made;
}

// A connection that the client closes first, or the call that failed.
Attempt attempt_and_close(const OwnedFd& listener, const ClientOptions& options = {}) {
  Attempt made = attempt(local_of(listener), options);
  if (made.error != 0) return made;
  OwnedFd server = accept_from(listener);
  active_close(made.socket, server);
  return made;
}

class EphemeralPorts : public Experiment {
 protected:
  static void allow_ports(unsigned count, uint16_t first = kFirst) {
    set_sysctl(kRange, fmt::format("{} {}", first, first + count - 1));
  }

  static OwnedFd listen_at(const char* text = "127.0.0.1", uint16_t port = kServerPort) {
    return listen_on(host(text, port), {.backlog = 4096});
  }

  // Connects, and keeps what it got, until it gets no more; the attempt that failed.
  Attempt fill(const Address& to, const ClientOptions& options = {}) {
    for (;;) {
      Attempt made = attempt(to, options);
      if (made.error != 0) return made;
      ports_.push_back(local_of(made.socket).port());
      clients_.push_back(std::move(made.socket));
    }
  }

  size_t count_until_full(const Address& to, const ClientOptions& options = {}) {
    const size_t before = clients_.size();
    fill(to, options);
    return clients_.size() - before;
  }

  // How many of ports [begin, end) in the order they were given are even.
  unsigned evens(size_t begin, size_t end) const {
    unsigned found = 0;
    for (size_t i = begin; i < end; ++i) found += ports_.at(i) % 2 == 0 ? 1 : 0;
    return found;
  }

  std::vector<OwnedFd> clients_;
  std::vector<uint16_t> ports_;
};

TEST_F(EphemeralPorts, there_are_28232_by_default) {
  const auto range = net::read_sysctl_port_range(kRange);
  ASSERT_TRUE(range);
  measured("{} to {}: {} ports", range->first, range->last, range->size());
  EXPECT_EQ(28'232U, range->size());
}

TEST_F(EphemeralPorts, one_more_than_there_are_is_eaddrnotavail) {
  allow_ports(100);
  const OwnedFd listener = listen_at();
  const Attempt last = fill(local_of(listener));
  measured("{} connections, then {} ({})", clients_.size(), last.text(), last.error);
  EXPECT_EQ(100U, clients_.size());
  EXPECT_EQ(EADDRNOTAVAIL, last.error);
}

TEST_F(EphemeralPorts, each_destination_has_all_of_them) {
  allow_ports(10);
  const OwnedFd one = listen_at(), other_port = listen_at("127.0.0.1", kServerPort + 1);
  const OwnedFd other_host = listen_at("127.0.0.2");
  std::vector<size_t> counts;
  for (const OwnedFd* listener : {&one, &other_port, &other_host}) {
    counts.push_back(count_until_full(local_of(*listener)));
  }
  measured("{} + {} to another port + {} to another host, with 10 ports", counts[0], counts[1],
           counts[2]);
  EXPECT_EQ((std::vector<size_t>{10, 10, 10}), counts);
}

TEST_F(EphemeralPorts, each_source_address_has_all_of_them) {
  allow_ports(10);
  const OwnedFd listener = listen_at();
  for (const char* source : {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}) {
    fill(local_of(listener), {.source = source, .late_port = true});
  }
  measured("{} connections from 4 source addresses, with 10 ports", clients_.size());
  EXPECT_EQ(40U, clients_.size());
}

TEST_F(EphemeralPorts, time_wait_holds_them_like_a_connection) {
  set_sysctl(kReuse, 0);
  allow_ports(10);
  const OwnedFd listener = listen_at();
  for (int i = 0; i < 10; ++i) leave_time_wait(listener);
  const Attempt next = attempt(local_of(listener));
  measured("10 connections made and closed, then {}: 10 in 60 s", next.text());
  EXPECT_EQ(EADDRNOTAVAIL, next.error);
}

TEST_F(EphemeralPorts, with_reuse_the_rate_is_ports_by_delay) {
  NEEDS_KERNEL(6, 14);
  constexpr unsigned kPorts = 10;
  constexpr double kDelayS = 0.05, kTestS = 0.5;
  set_sysctl(kReuse, 1);
  set_sysctl("net.ipv4.tcp_tw_reuse_delay", static_cast<int64_t>(kDelayS * 1e3));
  allow_ports(kPorts);
  const OwnedFd listener = listen_at();
  unsigned made = 0, refused = 0;
  const Stopwatch watch;
  while (watch.seconds() < kTestS) ++(attempt_and_close(listener).error == 0 ? made : refused);
  const double seconds = watch.seconds();
  measured("{:.0f}/s with {} ports and a delay of {:.0f} ms: {:.0f}/s foretold; {} refused",
           (made - kPorts) / seconds, kPorts, kDelayS * 1e3, kPorts / kDelayS, refused);
  EXPECT_GE(kPorts * (1 + seconds / kDelayS), made);
  EXPECT_LT(kPorts, made);
}

TEST_F(EphemeralPorts, connect_takes_those_of_the_low_bounds_parity_first) {
  allow_ports(10);
  const OwnedFd listener = listen_at();
  fill(local_of(listener));
  const unsigned even_first = evens(0, 5), even_last = evens(5, 10);
  allow_ports(10, kFirst + 1001);
  fill(local_of(listener));
  measured("from {}: even {} of the first 5, {} of the last; from {}: {} of the first 5", kFirst,
           even_first, even_last, kFirst + 1001, evens(10, 15));
  EXPECT_EQ(5U, even_first);
  EXPECT_EQ(0U, even_last);
  EXPECT_EQ(0U, evens(10, 15));
}

TEST_F(EphemeralPorts, bind_takes_the_others_first) {
  allow_ports(10);
  for (int i = 0; i < 10; ++i) {
    clients_.push_back(tcp_socket());
    bind_to(clients_.back(), loopback());
    ports_.push_back(local_of(clients_.back()).port());
  }
  measured("from {}: even {} of the first 5, {} of the last", kFirst, evens(0, 5), evens(5, 10));
  EXPECT_EQ(0U, evens(0, 5));
  EXPECT_EQ(5U, evens(5, 10));
}

TEST_F(EphemeralPorts, of_an_odd_number_the_last_is_never_used) {
  allow_ports(3);
  const OwnedFd listener = listen_at();
  const size_t usable = count_until_full(local_of(listener));
  measured("{} of 3 ports", usable);
  EXPECT_EQ(2U, usable);
}

TEST_F(EphemeralPorts, the_range_of_a_socket_narrows_that_of_the_network) {
  NEEDS_KERNEL(6, 3);
  allow_ports(10);
  const OwnedFd listener = listen_at();
  const Attempt last = fill(local_of(listener), {.first = kFirst + 4, .last = kFirst + 7});
  std::sort(ports_.begin(), ports_.end());
  measured("{} ports, {} to {}, then {}", ports_.size(), ports_.at(0), ports_.back(), last.text());
  EXPECT_EQ((std::vector<uint16_t>{40004, 40005, 40006, 40007}), ports_);
  EXPECT_EQ(EADDRNOTAVAIL, last.error);
}

TEST_F(EphemeralPorts, a_range_outside_that_of_the_network_is_ignored) {
  NEEDS_KERNEL(6, 3);
  allow_ports(10);
  const OwnedFd listener = listen_at();
  const Attempt made = attempt(local_of(listener), {.first = 50000, .last = 50001});
  const uint16_t port = local_of(made.socket).port();
  measured("asked for 50000 or 50001 with 40000 to 40009 allowed: {} {}", made.text(), port);
  EXPECT_EQ(0, made.error);
  EXPECT_GT(50000, port);
}

TEST_F(EphemeralPorts, a_range_of_its_own_ignores_parity) {
  NEEDS_KERNEL(6, 8);
  allow_ports(100);
  const OwnedFd listener = listen_at();
  fill(local_of(listener), {.first = kFirst, .last = kFirst + 99});
  measured("{} of the first 50 ports are even", evens(0, 50));
  EXPECT_LT(0U, evens(0, 50));
  EXPECT_GT(50U, evens(0, 50));
}

// Of a connection, from socket() to close().
double median_us(const OwnedFd& listener, const ClientOptions& options) {
  std::vector<double> times_us;
  for (int i = 0; i < 51; ++i) {
    const Stopwatch watch;
    if (attempt_and_close(listener, options).error != 0) throw std::runtime_error("no port left");
    times_us.push_back(watch.milliseconds() * 1e3);
  }
  std::nth_element(times_us.begin(), times_us.begin() + 25, times_us.end());
  return times_us[25];
}

// With half of the ports used, connect() looks at all of that half before it tries the other one.
TEST_F(EphemeralPorts, beyond_half_of_them_connect_becomes_slow) {
  NEEDS_KERNEL(6, 8);
  constexpr unsigned kPorts = 8000;
  set_sysctl(kReuse, 0);
  allow_ports(kPorts);
  const OwnedFd listener = listen_at();
  const double empty_us = median_us(listener, {});
  for (unsigned i = 51; i < kPorts / 2; ++i) leave_time_wait(listener);
  const ClientOptions whole_range{.first = kFirst, .last = kFirst + kPorts - 1};
  const double single_pass_us = median_us(listener, whole_range);
  const double half_full_us = median_us(listener, {});
  measured(
      "a connection of {} ports: {:.0f} us when empty, {:.0f} us beyond half, {:.0f} us there "
      "with IP_LOCAL_PORT_RANGE",
      kPorts, empty_us, half_full_us, single_pass_us);
  EXPECT_LT(single_pass_us, half_full_us);
}

TEST_F(EphemeralPorts, a_source_bound_early_takes_a_port_for_all_destinations) {
  allow_ports(10);
  const OwnedFd one = listen_at(), other = listen_at("127.0.0.2");
  const size_t to_one = count_until_full(local_of(one), {.source = "127.0.0.1"});
  const Attempt to_other = attempt(local_of(other), {.source = "127.0.0.1"});
  measured("{} to the first destination, to the second: {} ({})", to_one, to_other.text(),
           to_other.error);
  EXPECT_EQ(10U, to_one);
  EXPECT_STREQ("bind", to_other.call);
  EXPECT_EQ(EADDRINUSE, to_other.error);
}

TEST_F(EphemeralPorts, a_source_bound_with_no_port_takes_one_for_a_destination) {
  allow_ports(10);
  const OwnedFd one = listen_at(), other = listen_at("127.0.0.2");
  const ClientOptions late{.source = "127.0.0.1", .late_port = true};
  const size_t to_one = count_until_full(local_of(one), late);
  const Attempt more = attempt(local_of(one), late);
  const size_t to_other = count_until_full(local_of(other), late);
  measured("{} to the first destination, then {}; {} to the second", to_one, more.text(), to_other);
  EXPECT_EQ(10U, to_one);
  EXPECT_STREQ("connect", more.call);
  EXPECT_EQ(EADDRNOTAVAIL, more.error);
  EXPECT_EQ(10U, to_other);
}

// Two ports in TIME_WAIT, of two source addresses. When the younger one is taken over, the older
// one could be too.
TEST_F(EphemeralPorts, a_source_bound_early_cannot_reuse_time_wait) {
  set_sysctl(kReuse, 1);
  if (running_kernel() >= KernelVersion{6, 14}) set_sysctl("net.ipv4.tcp_tw_reuse_delay", 1);
  allow_ports(1);
  const OwnedFd listener = listen_at();
  for (const char* source : {"127.0.0.2", "127.0.0.3"}) {
    OwnedFd client = connect_from(host(source), local_of(listener), true);
    OwnedFd server = accept_from(listener);
    active_close(client, server);
  }
  await("the younger one to be taken over", [&] {
    return attempt(local_of(listener), {.source = "127.0.0.3", .late_port = true}).error == 0;
  });
  const Attempt early = attempt(local_of(listener), {.source = "127.0.0.2"});
  const Attempt late = attempt(local_of(listener), {.source = "127.0.0.2", .late_port = true});
  measured("bound early: {}; with IP_BIND_ADDRESS_NO_PORT: {}", early.text(), late.text());
  EXPECT_STREQ("bind", early.call);
  EXPECT_EQ(EADDRINUSE, early.error);
  EXPECT_EQ(0, late.error);
}

// connect() then has no port to choose (tcp_twsk_unique() without a `twp`).
TEST_F(EphemeralPorts, a_port_named_by_bind_is_reused_at_once_whatever_the_sysctl) {
  set_sysctl(kReuse, 0);
  const OwnedFd listener = listen_at();
  for (int i = 0; i < 5; ++i) {
    OwnedFd client = tcp_socket();
    set_option(client, SOL_SOCKET, SO_REUSEADDR, 1);
    bind_to(client, loopback(kFirst));
    ASSERT_EQ(0, try_connect(client, local_of(listener)));
    OwnedFd server = accept_from(listener);
    active_close(client, server);
  }
  measured("5 connections at once from one port with tcp_tw_reuse=0, TWRecycled {}",
           counter("TcpExt", "TWRecycled"));
  EXPECT_EQ(4U, counter("TcpExt", "TWRecycled"));
}

TEST_F(EphemeralPorts, reserved_ports_are_left_out) {
  allow_ports(10);
  set_sysctl("net.ipv4.ip_local_reserved_ports", fmt::format("{}-{}", kFirst, kFirst + 7));
  const OwnedFd listener = listen_at();
  const size_t usable = count_until_full(local_of(listener));
  measured("{} of 10 with 8 reserved", usable);
  EXPECT_EQ(2U, usable);
}

TEST_F(EphemeralPorts, a_port_bound_by_anybody_is_left_out) {
  allow_ports(10);
  const OwnedFd listener_in_range = listen_at("127.0.0.9", kFirst + 4);
  const OwnedFd listener = listen_at();
  const size_t usable = count_until_full(local_of(listener));
  measured("{} of 10 with a listener on one of them, at an address nobody uses", usable);
  EXPECT_EQ(9U, usable);
  EXPECT_EQ(0, std::count(ports_.begin(), ports_.end(), kFirst + 4));
}

// SYN meets SYN: a simultaneous open with oneself (RFC 9293 section 3.5).
TEST_F(EphemeralPorts, a_client_can_meet_itself) {
  allow_ports(1);
  const OwnedFd client = connect_to(loopback(kFirst));
  send_all(client, "ping");
  const std::string echo = receive_exactly(client, 4);
  measured("nobody listens on {}: connected from {}, sent ping, received {}",
           remote_of(client).port(), local_of(client).port(), echo);
  EXPECT_EQ(local_of(client).text(), remote_of(client).text());
  EXPECT_EQ("ping", echo);
}

TEST_F(EphemeralPorts, the_ring_reports_it_as_minus_99) {
  allow_ports(2);
  const OwnedFd listener = listen_at();
  fill(local_of(listener));
  auto ring = net::Ring::open({.submissions = 4, .completions = 8});
  if (!ring) SKIP_EXPERIMENT(ring.error().message());
  const OwnedFd client = tcp_socket();
  const Address to = local_of(listener);
  ::io_uring_prep_connect((*ring)->next_entry(), client.get(), to.data(), to.size());
  (*ring)->submit_and_wait(kPatience);
  int result = 0;
  (*ring)->for_each_completion([&](const io_uring_cqe& cqe) { result = cqe.res; });
  measured("IORING_OP_CONNECT: {}", result);
  EXPECT_EQ(-EADDRNOTAVAIL, result);
}

class EphemeralPortsSlow : public EphemeralPorts {};

// With a range of its own, each socket finds its port in one pass: without, the second half takes
// so long that the first ports may be free again before the last one is taken.
TEST_F(EphemeralPortsSlow, the_default_range_is_used_up_by_28232_closed_connections) {
  NEEDS_KERNEL(6, 8);
  set_sysctl(kReuse, 0);
  const OwnedFd listener = listen_at();
  const ClientOptions whole_range{.first = 32'768, .last = 60'999};
  unsigned made = 0;
  const Stopwatch watch;
  while (attempt_and_close(listener, whole_range).error == 0) ++made;
  const int error = attempt(local_of(listener)).error;
  measured("{} connections in {:.1f} s, then {}", made, watch.seconds(), net::errno_name(error));
  EXPECT_EQ(28'232U, made);
  EXPECT_EQ(EADDRNOTAVAIL, error);
}

}  // namespace
}  // namespace notes
