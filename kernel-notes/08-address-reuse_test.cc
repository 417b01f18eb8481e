// SO_REUSEADDR and SO_REUSEPORT: when a port may be bound once more, who gets the connections then,
// and what is lost when one of several listeners goes (08-address-reuse.md).
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr uint16_t kPort = 8080;
constexpr int kListeners = 4;

OwnedFd bindable(bool reuse_address, bool reuse_port = false) {
  OwnedFd socket = tcp_socket();
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, reuse_address ? 1 : 0);
  set_option(socket, SOL_SOCKET, SO_REUSEPORT, reuse_port ? 1 : 0);
  return socket;
}

// 0 or errno, of bind(2).
int try_bind_again(bool reuse_address) {
  return try_bind(bindable(reuse_address), loopback(kPort));
}

std::string said(int error) { return error == 0 ? "success" : net::errno_name(error); }

// A child that stays behind when the first SetUp() goes to a user namespace, which has one user. It
// follows into the test's network when it is asked, as somebody else: root of the machine can. This
// suite comes first, since later there is nobody to leave behind.
class PortSharedByUsers : public Experiment {
 protected:
  static constexpr uid_t kNobody = 65534;

  static void SetUpTestSuite() {
    std::array<int, 2> question{}, answer{};
    if (::geteuid() != 0 || ::pipe2(question.data(), O_CLOEXEC) != 0 ||
        ::pipe2(answer.data(), O_CLOEXEC) != 0) {
      return;
    }
    const pid_t parent = ::getpid();
    child_ = ::fork();
    question_.reset(question[child_ == 0 ? 0 : 1]);
    answer_.reset(answer[child_ == 0 ? 1 : 0]);
    ::close(question[child_ == 0 ? 1 : 0]);
    ::close(answer[child_ == 0 ? 0 : 1]);
    if (child_ != 0) return;
    char asked = 0;
    if (::read(question_.get(), &asked, 1) == 1) {
      const int error = bind_as_nobody(parent);
      if (::write(answer_.get(), &error, sizeof error) < 0) ::_exit(1);
    }
    ::_exit(0);
  }

  static void TearDownTestSuite() {
    question_.reset();
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }

  // Errno of bind(2), or -1 if it cannot be tried.
  static int bind_as_nobody(pid_t parent) {
    const OwnedFd network(::open(fmt::format("/proc/{}/ns/net", parent).c_str(), O_RDONLY));
    if (::setns(network.get(), CLONE_NEWNET) != 0 || ::setuid(kNobody) != 0) return -1;
    return try_bind(bindable(true, true), loopback(kPort));
  }

  static inline pid_t child_ = -1;
  static inline OwnedFd question_, answer_;
};

TEST_F(PortSharedByUsers, another_user_cannot_join) {
  if (child_ < 0) SKIP_EXPERIMENT("a second user needs root of the machine");
  const OwnedFd listener = listen_on(loopback(kPort), {.reuse_port = true});
  int error = -1;
  if (::write(question_.get(), "?", 1) != 1 ||
      ::read(answer_.get(), &error, sizeof error) != sizeof error || error < 0) {
    SKIP_EXPERIMENT("the second user cannot enter this network; run this suite alone, as root");
  }
  const int own_error = try_bind(bindable(true, true), loopback(kPort));
  measured("both with SO_REUSEPORT: the same user {}, another one {}", said(own_error),
           said(error));
  EXPECT_EQ(0, own_error);
  EXPECT_EQ(EADDRINUSE, error);
}

class AddressReuse : public Experiment {};

// A server closes its connection first, and stops. Its port is then in TIME_WAIT.
void serve_one_and_stop(bool reuse_address) {
  OwnedFd listener = listen_on(loopback(kPort), {.reuse_address = reuse_address});
  Connection connection = open_connection(listener);
  active_close(connection.server, connection.client);
  listener.reset();
  ASSERT_EQ(std::vector{TcpState::time_wait}, states_of(kPort));
}

TEST_F(AddressReuse, without_it_time_wait_keeps_a_server_from_starting_again) {
  serve_one_and_stop(false);
  const int error = try_bind_again(false);
  measured("bind: {} ({})", said(error), error);
  EXPECT_EQ(EADDRINUSE, error);
}

TEST_F(AddressReuse, with_it_a_server_starts_again_at_once) {
  serve_one_and_stop(true);
  const int error = try_bind_again(true);
  measured("bind: {}", said(error));
  EXPECT_EQ(0, error);
}

TEST_F(AddressReuse, the_server_before_must_have_had_it_too) {
  serve_one_and_stop(false);
  const int error = try_bind_again(true);
  measured("the first server without it, the second one with it: {}", said(error));
  EXPECT_EQ(EADDRINUSE, error);
}

TEST_F(AddressReuse, a_port_is_free_at_once_if_the_client_closed_first) {
  OwnedFd listener = listen_on(loopback(kPort), {.reuse_address = false});
  leave_time_wait(listener);
  listener.reset();
  await("the last ACK", [] { return states_of(kPort).empty(); });
  const int error = try_bind_again(false);
  measured("bind without the option: {}", said(error));
  EXPECT_EQ(0, error);
}

// As when a server leaves its connections to a child, or to its successor.
TEST_F(AddressReuse, connections_that_live_on_do_not_hinder_it) {
  std::array<int, 2> errors{};
  for (const bool reuse : {false, true}) {
    const Address to = loopback(reuse ? kPort : kPort + 1);
    OwnedFd listener = listen_on(to, {.reuse_address = reuse});
    const Connection kept = open_connection(listener);
    listener.reset();
    errors[reuse ? 1 : 0] = try_bind(bindable(reuse), to);
  }
  measured("without it {}, with it {}", said(errors[0]), said(errors[1]));
  EXPECT_EQ(EADDRINUSE, errors[0]);
  EXPECT_EQ(0, errors[1]);
}

TEST_F(AddressReuse, two_living_listeners_conflict_all_the_same) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const int error = try_bind_again(true);
  measured("bind: {} ({})", said(error), error);
  EXPECT_EQ(EADDRINUSE, error);
}

TEST_F(AddressReuse, who_binds_before_the_other_listens_hears_it_from_listen) {
  const OwnedFd one = bindable(true), other = bindable(true);
  const int bind_one = try_bind(one, loopback(kPort)),
            bind_other = try_bind(other, loopback(kPort));
  const int listen_one = try_listen(one, 1), listen_other = try_listen(other, 1);
  measured("bind {} and {}, listen {} and {}", said(bind_one), said(bind_other), said(listen_one),
           said(listen_other));
  EXPECT_EQ(0, bind_one);
  EXPECT_EQ(0, bind_other);
  EXPECT_EQ(0, listen_one);
  EXPECT_EQ(EADDRINUSE, listen_other);
}

TEST_F(AddressReuse, it_lets_an_address_be_bound_beside_a_wildcard_but_not_both_listen) {
  const OwnedFd wildcard = bindable(true), address = bindable(true);
  bind_to(wildcard, at("0.0.0.0:8080"));
  const int beside = try_bind(address, loopback(kPort));
  const int listen_wildcard = try_listen(wildcard, 1), listen_address = try_listen(address, 1);
  measured("bind beside 0.0.0.0 {}; listen {} and {}", said(beside), said(listen_wildcard),
           said(listen_address));
  EXPECT_EQ(0, beside);
  EXPECT_EQ(0, listen_wildcard);
  EXPECT_EQ(EADDRINUSE, listen_address);
}

class PortShared : public Experiment {
 protected:
  // Listeners on one port.
  void share(int count) {
    for (int i = 0; i < count; ++i) {
      listeners_.push_back(listen_on(loopback(kPort), {.backlog = 4096, .reuse_port = true}));
    }
  }

  // They wait in the listeners' queues when it returns.
  void connect_many(uint32_t count) {
    const uint32_t before = waiting();
    for (uint32_t i = 0; i < count; ++i) clients_.push_back(connect_to(loopback(kPort)));
    await("all connections", [&] { return waiting() == before + count; });
  }

  // Connections that wait at each listener, of TCP_INFO.
  std::vector<uint32_t> spread() const {
    std::vector<uint32_t> waiting;
    for (const OwnedFd& listener : listeners_) waiting.push_back(info_of(listener).tcpi_unacked);
    return waiting;
  }

  uint32_t waiting() const {
    const auto counts = spread();
    return std::accumulate(counts.begin(), counts.end(), 0U);
  }

  // How many clients have heard of an end, by reset if nobody accepted them.
  size_t ended_clients() const {
    return static_cast<size_t>(
        std::count_if(clients_.begin(), clients_.end(), [](const OwnedFd& client) {
          return has_event(client, POLLIN, std::chrono::milliseconds(0));
        }));
  }

  std::vector<OwnedFd> listeners_;
  std::vector<OwnedFd> clients_;
};

TEST_F(PortShared, all_must_ask_for_it) {
  share(1);
  const int without = try_bind(bindable(true), loopback(kPort));
  const int with = try_bind(bindable(false, true), loopback(kPort));
  measured("beside a listener with SO_REUSEPORT: without it {}, with it {}", said(without),
           said(with));
  EXPECT_EQ(EADDRINUSE, without);
  EXPECT_EQ(0, with);
}

TEST_F(PortShared, connections_are_spread_by_hash) {
  constexpr uint32_t kConnections = 400;
  share(kListeners);
  connect_many(kConnections);
  const auto counts = spread();
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  measured("{} connections over 4 listeners: {}", kConnections, fmt::join(counts, ", "));
  EXPECT_LT(0U, *least);
  EXPECT_GT(kConnections / 2, *most);
}

// Neither turns nor load: somebody who waits does not keep others from joining.
TEST_F(PortShared, a_listener_that_never_accepts_gets_its_share_all_the_same) {
  share(2);
  unsigned accepted = 0;
  set_nonblocking(listeners_[0]);
  for (int i = 0; i < 200; ++i) {
    connect_many(1);
    if (has_event(listeners_[0], POLLIN, std::chrono::milliseconds(0))) {
      accept_from(listeners_[0]);
      ++accepted;
    }
  }
  const uint32_t stuck = spread()[1];
  measured("{} accepted, {} wait at the idle one", accepted, stuck);
  EXPECT_LT(50U, stuck);
  EXPECT_LT(50U, accepted);
}

TEST_F(PortShared, the_same_four_numbers_come_to_the_same_listener) {
  share(kListeners);
  std::map<size_t, int> arrivals;
  for (int i = 0; i < 20; ++i) {
    OwnedFd client = bindable(true);
    bind_to(client, loopback(40000));
    ASSERT_EQ(0, try_connect(client, loopback(kPort)));
    await("its arrival", [&] { return waiting() == 1; });
    const auto counts = spread();
    const size_t at = std::find(counts.begin(), counts.end(), 1U) - counts.begin();
    ++arrivals[at];
    OwnedFd server = accept_from(listeners_.at(at));
    active_close(server, client);
  }
  measured("20 connections from one port: all at {} of 4 listeners", arrivals.size());
  EXPECT_EQ(1U, arrivals.size());
}

TEST_F(PortShared, closing_one_resets_what_waits_in_its_queue) {
  share(2);
  connect_many(100);
  const uint32_t waiting = spread()[1];
  listeners_.pop_back();
  await("their ends", [&] { return ended_clients() >= waiting; });
  size_t reset = 0;
  for (const OwnedFd& client : clients_) {
    reset += try_receive(client, MSG_DONTWAIT) == ECONNRESET ? 1 : 0;
  }
  measured("{} of 100 waited there, {} clients reset", waiting, reset);
  EXPECT_EQ(waiting, reset);
  EXPECT_LT(0U, waiting);
}

TEST_F(PortShared, with_tcp_migrate_req_they_move_to_another_listener) {
  NEEDS_KERNEL(5, 14);
  set_sysctl("net.ipv4.tcp_migrate_req", 1);
  share(2);
  connect_many(100);
  const uint32_t waiting = spread()[1];
  listeners_.pop_back();
  measured("{} of 100 waited there, {} clients heard of it, {} wait at the other", waiting,
           ended_clients(), spread()[0]);
  EXPECT_EQ(0U, ended_clients());
  EXPECT_EQ(100U, spread()[0]);
}

class DatagramsShared : public Experiment {
 protected:
  static OwnedFd receiver(const Address& to, int option) {
    OwnedFd socket = udp_socket();
    set_option(socket, SOL_SOCKET, option, 1);
    bind_to(socket, to);
    set_nonblocking(socket);
    return socket;
  }

  static size_t waiting_at(const OwnedFd& socket) {
    size_t count = 0;
    char byte = 0;
    while (::recv(socket.get(), &byte, 1, MSG_DONTWAIT) > 0) ++count;
    return count;
  }

  static void send_to(const OwnedFd& socket, const Address& to) {
    ASSERT_EQ(1, ::sendto(socket.get(), "x", 1, 0, to.data(), to.size()));
  }
};

TEST_F(DatagramsShared, so_reuseaddr_lets_several_receive_multicast) {
  const Address group = at("239.1.2.3:9000");
  ip_mreqn membership{};
  membership.imr_multiaddr = reinterpret_cast<const sockaddr_in*>(group.data())->sin_addr;
  membership.imr_address.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<OwnedFd> receivers;
  for (int i = 0; i < 3; ++i) {
    receivers.push_back(receiver(group, SO_REUSEADDR));
    ASSERT_EQ(0, ::setsockopt(receivers.back().get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership,
                              sizeof membership));
  }
  const OwnedFd sender = udp_socket();
  ASSERT_EQ(
      0, ::setsockopt(sender.get(), IPPROTO_IP, IP_MULTICAST_IF, &membership, sizeof membership));
  send_to(sender, group);
  std::vector<size_t> received;
  for (const OwnedFd& socket : receivers) {
    await_event(socket, POLLIN);
    received.push_back(waiting_at(socket));
  }
  measured("1 datagram to the group: {} received", fmt::join(received, ", "));
  EXPECT_EQ((std::vector<size_t>{1, 1, 1}), received);
}

TEST_F(DatagramsShared, so_reuseaddr_lets_the_last_one_take_all_unicast) {
  const Address to = loopback(9000);
  std::vector<OwnedFd> receivers;
  for (int i = 0; i < 3; ++i) receivers.push_back(receiver(to, SO_REUSEADDR));
  const OwnedFd sender = udp_socket();
  for (int i = 0; i < 30; ++i) send_to(sender, to);
  await_event(receivers[2], POLLIN);
  std::vector<size_t> received;
  for (const OwnedFd& socket : receivers) received.push_back(waiting_at(socket));
  measured("30 datagrams, in the order of bind(): {}", fmt::join(received, ", "));
  EXPECT_EQ((std::vector<size_t>{0, 0, 30}), received);
}

TEST_F(DatagramsShared, so_reuseport_spreads_senders) {
  const Address to = loopback(9000);
  std::vector<OwnedFd> receivers;
  for (int i = 0; i < 3; ++i) receivers.push_back(receiver(to, SO_REUSEPORT));
  std::vector<OwnedFd> senders;
  for (int i = 0; i < 90; ++i) {
    senders.push_back(udp_socket());
    send_to(senders.back(), to);
  }
  std::vector<size_t> received(3);
  size_t sum = 0;
  await("all datagrams", [&] {
    for (size_t i = 0; i < 3; ++i) {
      const size_t more = waiting_at(receivers[i]);
      received[i] += more;
      sum += more;
    }
    return sum == 90;
  });
  measured("90 datagrams of as many sockets: {}", fmt::join(received, ", "));
  EXPECT_LT(0U, *std::min_element(received.begin(), received.end()));
}

}  // namespace
}  // namespace notes
