// What a socket that accept(2) returns has from its listener: options, flags of the descriptor,
// buffers; and when it gets them (11-what-accept-inherits.md).
#include <fcntl.h>
#include <linux/filter.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "kernel-notes/experiment.h"

#ifndef SO_MAX_PACING_RATE
#define SO_MAX_PACING_RATE 47
#endif

namespace notes {
namespace {

constexpr uint16_t kPort = 8080;

struct Option {
  const char* name;
  int level;
  int number;
  int value;  // given to the listener; not the default
};

constexpr std::array kSocketOptions = {
    Option{"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1},
    Option{"SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1},
    Option{"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1},
    Option{"SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1},
    Option{"SO_BROADCAST", SOL_SOCKET, SO_BROADCAST, 1},
    Option{"SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, 1},
    Option{"SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 100},
    Option{"SO_MARK", SOL_SOCKET, SO_MARK, 7},
    Option{"SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP, 1},
    Option{"SO_ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY, 1},
    Option{"SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, 1000000},
};
constexpr std::array kTcpOptions = {
    Option{"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1},
    Option{"TCP_CORK", IPPROTO_TCP, TCP_CORK, 1},
    Option{"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 11},
    Option{"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 12},
    Option{"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 3},
    Option{"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 4321},
    Option{"TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2, 7},
    Option{"TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, 4},
    Option{"TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, 30000},
    Option{"TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 20000},
    Option{"TCP_THIN_LINEAR_TIMEOUTS", IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1},
    Option{"TCP_SAVE_SYN", IPPROTO_TCP, TCP_SAVE_SYN, 1},
    Option{"TCP_INQ", IPPROTO_TCP, TCP_INQ, 1},
};
constexpr std::array kIpOptions = {
    Option{"IP_TOS", IPPROTO_IP, IP_TOS, 0x10},
    Option{"IP_TTL", IPPROTO_IP, IP_TTL, 33},
    Option{"IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT},
    Option{"IP_FREEBIND", IPPROTO_IP, IP_FREEBIND, 1},
    Option{"IP_RECVTOS", IPPROTO_IP, IP_RECVTOS, 1},
    Option{"IP_BIND_ADDRESS_NO_PORT", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1},
};

constexpr std::array kLostOptions = {
    Option{"SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 5},
    Option{"TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN, 5},
};

struct Found {
  std::vector<std::string> inherited, lost;

  std::string text() const {
    return fmt::format("inherited: {}; not: {}", list(inherited), list(lost));
  }
  static std::string list(const std::vector<std::string>& names) {
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
  }
};

class Inherited : public Experiment {
 protected:
  // Sets them all on the listener, and looks at a connection.
  template <size_t kCount>
  static Found look(const std::array<Option, kCount>& options, const OwnedFd& listener) {
    for (const Option& option : options) {
      set_option(listener, option.level, option.number, option.value);
    }
    const Connection pair = open_connection(listener);
    Found found;
    for (const Option& option : options) {
      const int there = option_of(listener, option.level, option.number);
      const int here = option_of(pair.server, option.level, option.number);
      (here == there ? found.inherited : found.lost).emplace_back(option.name);
    }
    return found;
  }

  static int status_flags(const OwnedFd& socket) { return ::fcntl(socket.get(), F_GETFL); }
  static bool is_close_on_exec(const OwnedFd& socket) {
    return (::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC) != 0;
  }
  static OwnedFd plain_accept(const OwnedFd& listener) {
    await_event(listener, POLLIN);
    OwnedFd accepted(::accept(listener.get(), nullptr, nullptr));
    EXPECT_TRUE(accepted.valid());
    return accepted;
  }
  static std::string congestion_control_of(const OwnedFd& socket) {
    char name[16] = {};
    socklen_t size = sizeof name;
    EXPECT_EQ(0, ::getsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name, &size));
    return name;
  }
  static linger linger_of(const OwnedFd& socket) {
    linger value{};
    socklen_t size = sizeof value;
    EXPECT_EQ(0, ::getsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &value, &size));
    return value;
  }
  static int64_t receive_timeout_ms(const OwnedFd& socket) {
    timeval value{};
    socklen_t size = sizeof value;
    EXPECT_EQ(0, ::getsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &value, &size));
    return value.tv_sec * 1000 + value.tv_usec / 1000;
  }
};

// ---- Not inherited: what belongs to the descriptor and the open file ----

class NotInherited : public Inherited {};

TEST_F(NotInherited, o_nonblock_and_o_async) {
  const OwnedFd listener = listen_on(loopback(kPort));
  ASSERT_EQ(0, ::fcntl(listener.get(), F_SETFL, O_NONBLOCK | O_ASYNC));
  const OwnedFd client = connect_to(loopback(kPort));
  const OwnedFd server = plain_accept(listener);
  const int there = status_flags(listener), here = status_flags(server);
  measured("O_NONBLOCK {} and O_ASYNC {} at the listener, {} and {} at the connection",
           (there & O_NONBLOCK) != 0, (there & O_ASYNC) != 0, (here & O_NONBLOCK) != 0,
           (here & O_ASYNC) != 0);
  EXPECT_EQ(O_NONBLOCK | O_ASYNC, there & (O_NONBLOCK | O_ASYNC));
  EXPECT_EQ(0, here & (O_NONBLOCK | O_ASYNC));
}

TEST_F(NotInherited, close_on_exec) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const OwnedFd client = connect_to(loopback(kPort));
  const OwnedFd server = plain_accept(listener);
  measured("FD_CLOEXEC {} at the listener, {} at the connection", is_close_on_exec(listener),
           is_close_on_exec(server));
  EXPECT_TRUE(is_close_on_exec(listener));
  EXPECT_FALSE(is_close_on_exec(server));
}

TEST_F(NotInherited, owner_and_signal) {
  const OwnedFd listener = listen_on(loopback(kPort));
  ASSERT_EQ(0, ::fcntl(listener.get(), F_SETOWN, ::getpid()));
  ASSERT_EQ(0, ::fcntl(listener.get(), F_SETSIG, SIGUSR1));
  const OwnedFd client = connect_to(loopback(kPort));
  const OwnedFd server = plain_accept(listener);
  const int owner = ::fcntl(server.get(), F_GETOWN), signal = ::fcntl(server.get(), F_GETSIG);
  measured("F_GETOWN {}, F_GETSIG {}; the listener's signal is {}", owner, signal,
           ::fcntl(listener.get(), F_GETSIG));
  EXPECT_EQ(0, owner);
  EXPECT_EQ(0, signal);
}

TEST_F(NotInherited, accept4_sets_both_flags_at_once) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const OwnedFd client = connect_to(loopback(kPort));
  const OwnedFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  ASSERT_TRUE(server.valid());
  const bool nonblocking = (status_flags(server) & O_NONBLOCK) != 0;
  measured("O_NONBLOCK {}, FD_CLOEXEC {}", nonblocking, is_close_on_exec(server));
  EXPECT_TRUE(nonblocking);
  EXPECT_TRUE(is_close_on_exec(server));
}

TEST_F(NotInherited, priority_and_the_queue_of_fast_open) {
  const Found found = look(kLostOptions, listen_on(loopback(kPort)));
  measured("{}", found.text());
  EXPECT_EQ(std::vector<std::string>{}, found.inherited);
}

// ---- Inherited: what belongs to the socket ----

TEST_F(Inherited, options_of_the_socket_level) {
  const Found found = look(kSocketOptions, listen_on(loopback(kPort)));
  measured("{}", found.text());
  EXPECT_EQ(std::vector<std::string>{}, found.lost);
}

TEST_F(Inherited, options_of_tcp) {
  const Found found = look(kTcpOptions, listen_on(loopback(kPort)));
  measured("{}", found.text());
  EXPECT_EQ(std::vector<std::string>{}, found.lost);
}

TEST_F(Inherited, options_of_ip) {
  const Found found = look(kIpOptions, listen_on(loopback(kPort)));
  measured("{}", found.text());
  EXPECT_EQ(std::vector<std::string>{}, found.lost);
}

TEST_F(Inherited, linger_and_what_it_does) {
  const OwnedFd listener = listen_on(loopback(kPort));
  set_linger(listener, true, 0);
  Connection pair = open_connection(listener);
  const linger value = linger_of(pair.server);
  pair.server.reset();
  await_event(pair.client, POLLIN | POLLHUP);
  const int error = try_receive(pair.client);
  measured("SO_LINGER {{{}, {}}}; after close() the client reads {}", value.l_onoff, value.l_linger,
           net::errno_name(error));
  EXPECT_NE(0, value.l_onoff);
  EXPECT_EQ(ECONNRESET, error);
}

TEST_F(Inherited, timeouts) {
  const OwnedFd listener = listen_on(loopback(kPort));
  set_receive_timeout(listener, std::chrono::milliseconds(5000));
  const Connection pair = open_connection(listener);
  measured("SO_RCVTIMEO of accept() becomes that of recv(): {} ms",
           receive_timeout_ms(pair.server));
  EXPECT_EQ(5000, receive_timeout_ms(pair.server));
}

TEST_F(Inherited, buffer_sizes) {
  const OwnedFd listener = listen_on(loopback(kPort));
  set_option(listener, SOL_SOCKET, SO_SNDBUF, 50000);
  set_option(listener, SOL_SOCKET, SO_RCVBUF, 60000);
  const Connection pair = open_connection(listener);
  const int send = option_of(pair.server, SOL_SOCKET, SO_SNDBUF);
  const int receive = option_of(pair.server, SOL_SOCKET, SO_RCVBUF);
  measured("50000 and 60000 asked for: SO_SNDBUF {}, SO_RCVBUF {}", send, receive);
  EXPECT_EQ(100000, send);
  EXPECT_EQ(120000, receive);
}

TEST_F(Inherited, the_default_buffer_size_is_that_of_the_listeners_birth) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const int born_with = option_of(listener, SOL_SOCKET, SO_RCVBUF);
  set_sysctl("net.ipv4.tcp_rmem", fmt::format("4096 {} 33554432", 4 * born_with));
  const Connection pair = open_connection(listener);
  const int client = option_of(pair.client, SOL_SOCKET, SO_RCVBUF);
  const int server = option_of(pair.server, SOL_SOCKET, SO_RCVBUF);
  measured("tcp_rmem[1] raised from {} to {}: SO_RCVBUF {} accepted, {} at the new client",
           born_with, 4 * born_with, server, client);
  EXPECT_EQ(born_with, server);
  EXPECT_EQ(4 * born_with, client);
}

// Its scale is said once, in the SYN-ACK: later is too late.
TEST_F(Inherited, the_receive_buffer_decides_the_window_scale) {
  auto& packets = capture();
  const auto scale_at = [&](uint16_t port, int receive_buffer) {
    const OwnedFd listener = listen_on(loopback(port));
    if (receive_buffer > 0) set_option(listener, SOL_SOCKET, SO_RCVBUF, receive_buffer);
    const Connection pair = open_connection(listener);
    std::vector<Segment> sent;
    await("the SYN-ACK", [&] { return !(sent = packets.segments_from(port)).empty(); });
    return static_cast<int>(sent.front().window_scale.value_or(0));
  };
  const int by_default = scale_at(kPort, 0), with_small = scale_at(kPort + 1, 8192);
  measured("window scale {} by default, {} with SO_RCVBUF 8192 at the listener", by_default,
           with_small);
  EXPECT_LT(with_small, by_default);
}

TEST_F(Inherited, the_largest_segment) {
  const OwnedFd listener = listen_on(loopback(kPort));
  set_option(listener, IPPROTO_TCP, TCP_MAXSEG, 1000);
  auto& packets = capture();
  const Connection pair = open_connection(listener);
  std::vector<Segment> sent;
  await("the SYN-ACK", [&] { return !(sent = packets.segments_from(kPort)).empty(); });
  const int offered = sent.front().mss.value_or(0);
  const int used = option_of(pair.server, IPPROTO_TCP, TCP_MAXSEG);
  measured("TCP_MAXSEG 1000 at the listener: MSS {} in the SYN-ACK, segments of {}", offered, used);
  EXPECT_EQ(1000, offered);
  EXPECT_GE(1000, used);
}

TEST_F(Inherited, a_packet_filter) {
  const OwnedFd listener = listen_on(loopback(kPort));
  sock_filter pass = BPF_STMT(BPF_RET | BPF_K, 0xffffffffU);
  const sock_fprog program{1, &pass};
  ASSERT_EQ(0,
            ::setsockopt(listener.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
  const Connection pair = open_connection(listener);
  socklen_t instructions = 0;  // asked for none, the kernel says how many there are
  ASSERT_EQ(0, ::getsockopt(pair.server.get(), SOL_SOCKET, SO_GET_FILTER, nullptr, &instructions));
  measured("a filter of 1 instruction at the listener, of {} at the connection", instructions);
  EXPECT_EQ(1U, instructions);
}

TEST_F(Inherited, congestion_control_if_it_was_set_by_setsockopt) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const std::string system = congestion_control_of(listener);
  const std::string other = system == "reno" ? "cubic" : "reno";
  if (::setsockopt(listener.get(), IPPROTO_TCP, TCP_CONGESTION, other.data(),
                   static_cast<socklen_t>(other.size())) != 0) {
    SKIP_EXPERIMENT(other + " is not allowed here");
  }
  const Connection pair = open_connection(listener);
  measured("the system's is {}, the listener's {}, the connection's {}", system, other,
           congestion_control_of(pair.server));
  EXPECT_EQ(other, congestion_control_of(pair.server));
}

TEST_F(Inherited, congestion_control_otherwise_is_the_systems_of_that_moment) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const std::string system = congestion_control_of(listener);
  const std::string other = system == "reno" ? "cubic" : "reno";
  try {
    set_sysctl("net.ipv4.tcp_congestion_control", other);
  } catch (const std::runtime_error& error) {
    SKIP_EXPERIMENT(error.what());
  }
  const Connection pair = open_connection(listener);
  measured("listener {}; tcp_congestion_control changed to {}; connection {}",
           congestion_control_of(listener), other, congestion_control_of(pair.server));
  EXPECT_EQ(system, congestion_control_of(listener));
  EXPECT_EQ(other, congestion_control_of(pair.server));
}

TEST_F(Inherited, when_the_handshake_ends_and_not_by_accept) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const OwnedFd early = connect_to(loopback(kPort));
  await_event(listener, POLLIN);
  set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1);
  const OwnedFd late = connect_to(loopback(kPort));
  const OwnedFd first = accept_from(listener), second = accept_from(listener);
  const int waited = option_of(first, IPPROTO_TCP, TCP_NODELAY);
  const int came_later = option_of(second, IPPROTO_TCP, TCP_NODELAY);
  measured("TCP_NODELAY set while one waits: it has {}, the next has {}", waited, came_later);
  EXPECT_EQ(0, waited);
  EXPECT_EQ(1, came_later);
}

TEST_F(Inherited, not_the_other_way_round) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const Connection pair = open_connection(listener);
  set_option(pair.server, SOL_SOCKET, SO_KEEPALIVE, 1);
  const int listeners = option_of(listener, SOL_SOCKET, SO_KEEPALIVE);
  measured("set on the connection: {} at the listener", listeners);
  EXPECT_EQ(0, listeners);
}

// ---- Unix sockets ----

TEST_F(NotInherited, options_of_a_unix_listener_but_for_passcred) {
  const OwnedFd listener = tcp_socket(AF_UNIX);
  const sa_family_t any_name = AF_UNIX;  // autobind (unix(7)): a name that is no path
  ASSERT_EQ(0,
            ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&any_name), sizeof any_name));
  ASSERT_EQ(0, try_listen(listener, 8));
  constexpr std::array kOptions = {
      Option{"SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 50000},
      Option{"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1},
      Option{"SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 5},
      Option{"SO_PASSCRED", SOL_SOCKET, SO_PASSCRED, 1},
  };
  const Found found = look(kOptions, listener);
  measured("{}", found.text());
  EXPECT_EQ(std::vector<std::string>{"SO_PASSCRED"}, found.inherited);
  EXPECT_EQ(3U, found.lost.size());
}

}  // namespace
}  // namespace notes
